// What a user of the library needs to name: models and tensors.
@_exported public import Recurrent
@_exported public import Tensors
