// What a user of the library needs to name: models, tensors, streams and verdicts.
@_exported public import Forward
@_exported public import Recurrent
@_exported public import StateDicts
@_exported public import Tensors
@_exported public import Verification
