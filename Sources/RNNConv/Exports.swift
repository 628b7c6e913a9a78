// What a user of the library needs to name: models, tensors, verdicts, and of the files' own layer what stands in signatures.
@_exported public import Forward
@_exported public import Recurrent
@_exported public import StateDicts
@_exported public import Tensors
@_exported public import Verification

@_exported public import struct ByteIO.ByteBuffer
@_exported public import struct ByteIO.FileError
@_exported public import struct ByteIO.Limits
@_exported public import enum ByteIO.Setting
