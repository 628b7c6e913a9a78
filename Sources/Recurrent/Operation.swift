public import Tensors

/// What a layer computes. Values between layers are sequences `[T, B, F]` or vectors `[B, F]`.
public enum Operation: Sendable, Equatable {
  /// Inputs x, lengths?, initial hidden?, initial cell?; outputs y?, last hidden?, last cell?.
  case recurrent(RecurrentLayer)
  /// Token ids `[T, B]` or `[B]` to rows of the table `[V, F]`.
  case embedding(table: Tensor)
  /// `weight · x + bias` over the features; weight `[O, F]`, bias `[O]`.
  case dense(weight: Tensor, bias: Tensor?)
  /// Pointwise.
  case activation(Activation)
  /// Over the features.
  case softmax
  /// Over the features.
  case logSoftmax
  /// Sequence to vector: one step, or a reduction over the steps.
  case select(Selection)
  /// Features of all inputs, one after another.
  case concat
  /// Features `start ..< start + count`.
  case slice(start: Int, count: Int)
  /// Pointwise on two inputs, or on one input and a constant of shape `[F]` or `[1]`.
  case arithmetic(Arithmetic, constant: Tensor?, constantFirst: Bool)
  /// The steps of a sequence from the last to the first. A second input holds lengths `[B]`: row b then reverses its
  /// first `lengths[b]` steps and keeps the rest.
  case reverse
  /// A vector `[B, F]`, or `[1, F]` for every row alike; or integers `[B]` or `[1]`. No inputs.
  case constant(Tensor)
  /// Identity at inference; kept so that a round trip loses nothing.
  case dropout(ratio: Double)
  /// The index of the largest feature (the first of equals): features to one token id.
  case argMax
  /// A loop that feeds its output back in: one-to-many, and decoders.
  case generate(Generate)

  public enum Arithmetic: String, Sendable, CaseIterable, Hashable {
    case add, subtract, multiply, divide
  }

  /// The kind's name in `.rnnw`, in `inspect` and in messages.
  public var name: String {
    switch self {
    case .recurrent(let layer): layer.cell.name
    case .embedding: "Embedding"
    case .dense: "Dense"
    case .activation: "Activation"
    case .softmax: "Softmax"
    case .logSoftmax: "LogSoftmax"
    case .select: "Select"
    case .concat: "Concat"
    case .slice: "Slice"
    case .arithmetic: "Arithmetic"
    case .constant: "Constant"
    case .dropout: "Dropout"
    case .reverse: "Reverse"
    case .argMax: "ArgMax"
    case .generate: "Generate"
    }
  }
}

/// How a sequence `[T, B, F]` becomes a vector `[B, F]`.
public enum Selection: Sendable, Hashable {
  /// Step k; negative counts from the end, −1 is the last of the padded sequence.
  case step(Int)
  /// Step `lengths[b] − 1` of each row; the second input holds the lengths `[B]`.
  case lastValid
  /// Mean over all T steps.
  case mean
  /// Maximum over all T steps.
  case max
}
