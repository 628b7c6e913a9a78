public import Tensors

/// An operation with the values that it reads and makes. A nil input or output is one left out.
public struct Layer: Sendable, Equatable {
  /// Of the layer, unique or not (in the body of a loop: unique); messages use it.
  public var name: String
  /// What it computes.
  public var operation: Operation
  /// Names of the values that it reads, in the order that its operation states.
  public var inputs: [String?]
  /// Names that it gives to what it makes, in the order that its operation states.
  public var outputs: [String?]

  /// A layer that reads the values `inputs` and makes the values `outputs`.
  public init(_ name: String, _ operation: Operation, inputs: [String?], outputs: [String?]) {
    self.name = name
    self.operation = operation
    self.inputs = inputs
    self.outputs = outputs
  }
}

extension Layer {
  /// What a layer computes. Values between layers are sequences `[T, B, F]` or vectors `[B, F]`.
  ///
  /// What is known of each kind stands in its own file (`LayerKind`); nothing switches over these with a `default`.
  public enum Operation: Sendable, Equatable {
    /// Inputs x, lengths?, initial hidden?, initial cell?; outputs y?, last hidden?, last cell?.
    case recurrent(RecurrentLayer)
    /// Token ids `[T, B]` or `[B]` to rows of a table.
    case embedding(Embedding)
    /// `weight · x + bias` over the features.
    case dense(Dense)
    /// A kernel moved along one to three axes: time, or axes of fixed size inside the features.
    case convolution(Convolution)
    /// The largest or the mean of what a window sees.
    case pool(Pool)
    /// Each place spread over several by a kernel: a convolution's transpose.
    case transposedConvolution(TransposedConvolution)
    /// More or fewer places along axes, made of those around.
    case resize(Resize)
    /// Places added at the ends of axes, or taken away there.
    case padding(Padding)
    /// Features picked by a regular pattern.
    case gather(FeatureGather)
    /// An axis inside the features becomes time.
    case unfold(Unfold)
    /// Time becomes an axis inside the features.
    case fold(Fold)
    /// A sum, mean or maximum over an axis inside the features.
    case reduce(Reduction)
    /// Over the steps.
    case timeSoftmax
    /// A vector at each step of a sequence.
    case repeated
    /// Of each step the values of others, by how alike they are.
    case attention(Attention)
    /// Sums up to each step.
    case cumulativeSum(CumulativeSum)
    /// Pointwise.
    case activation(Activation)
    /// Over the features.
    case softmax
    /// Over the features.
    case logSoftmax
    /// Over the features.
    case layerNormalization(LayerNormalization)
    /// Of each channel, by what training left.
    case batchNormalization(BatchNormalization)
    /// Of groups of features, or of all steps of them.
    case normalization(Normalization)
    /// Sequence to vector: one step, or a reduction over the steps.
    case select(Selection)
    /// Features of all inputs, one after another.
    case concat
    /// Some features that follow one another.
    case slice(FeatureSlice)
    /// Pointwise on two inputs, or on one input and a constant.
    case arithmetic(Arithmetic)
    /// One of two inputs or constants, by a condition.
    case choice(Choice)
    /// The steps of a sequence from the last to the first; of each row its valid ones where a second input holds lengths `[B]`.
    case reverse
    /// A value that no input makes.
    case constant(Constant)
    /// Steps that rows skip, taken out or put in again.
    case stepPacking(StepPacking)
    /// Identity at inference.
    case dropout(Dropout)
    /// The index of the largest feature (the first of equals): features to one token id.
    case argMax
    /// A loop that feeds its output back in: one-to-many, and decoders.
    case generate(Generate)
  }
}

extension Layer.Operation {
  /// What it says of itself.
  package var kind: any LayerKind {
    switch self {
    case .recurrent(let layer): layer
    case .embedding(let layer): layer
    case .dense(let layer): layer
    case .convolution(let layer): layer
    case .pool(let layer): layer
    case .transposedConvolution(let layer): layer
    case .resize(let layer): layer
    case .padding(let layer): layer
    case .gather(let layer): layer
    case .unfold(let layer): layer
    case .fold(let layer): layer
    case .reduce(let layer): layer
    case .timeSoftmax: TimeSoftmax()
    case .repeated: Repeat()
    case .attention(let layer): layer
    case .cumulativeSum(let layer): layer
    case .activation(let layer): layer
    case .softmax: Softmax()
    case .logSoftmax: LogSoftmax()
    case .layerNormalization(let layer): layer
    case .batchNormalization(let layer): layer
    case .normalization(let layer): layer
    case .select(let layer): layer
    case .concat: Concat()
    case .slice(let layer): layer
    case .arithmetic(let layer): layer
    case .choice(let layer): layer
    case .reverse: Reverse()
    case .constant(let layer): layer
    case .stepPacking(let layer): layer
    case .dropout(let layer): layer
    case .argMax: ArgMax()
    case .generate(let layer): layer
    }
  }

  /// The operation of a kind, from what it wrote.
  package init<Fields: FieldReader>(_ name: LayerName, from fields: inout Fields) throws(Fields.Failure) {
    self =
      switch name {
      case .rnn, .lstm, .gru, .minGRU: .recurrent(try RecurrentLayer(name, from: &fields))
      case .embedding: .embedding(try Embedding(name, from: &fields))
      case .dense: .dense(try Dense(name, from: &fields))
      case .convolution: .convolution(try Convolution(name, from: &fields))
      case .pool: .pool(try Pool(name, from: &fields))
      case .transposedConvolution: .transposedConvolution(try TransposedConvolution(name, from: &fields))
      case .resize: .resize(try Resize(name, from: &fields))
      case .padding: .padding(try Padding(name, from: &fields))
      case .featureGather: .gather(try FeatureGather(name, from: &fields))
      case .unfold: .unfold(try Unfold(name, from: &fields))
      case .fold: .fold(try Fold(name, from: &fields))
      case .reduce: .reduce(try Reduction(name, from: &fields))
      case .timeSoftmax: .timeSoftmax
      case .repeat: .repeated
      case .attention: .attention(try Attention(name, from: &fields))
      case .cumulativeSum: .cumulativeSum(try CumulativeSum(name, from: &fields))
      case .activation: .activation(try Activation(name, from: &fields))
      case .softmax: .softmax
      case .logSoftmax: .logSoftmax
      case .layerNormalization: .layerNormalization(try LayerNormalization(name, from: &fields))
      case .batchNormalization: .batchNormalization(try BatchNormalization(name, from: &fields))
      case .normalization: .normalization(try Normalization(name, from: &fields))
      case .select: .select(try Selection(name, from: &fields))
      case .concat: .concat
      case .slice: .slice(try FeatureSlice(name, from: &fields))
      case .arithmetic: .arithmetic(try Arithmetic(name, from: &fields))
      case .choice: .choice(try Choice(name, from: &fields))
      case .constant: .constant(try Constant(name, from: &fields))
      case .stepPacking: .stepPacking(try StepPacking(name, from: &fields))
      case .dropout: .dropout(try Dropout(name, from: &fields))
      case .reverse: .reverse
      case .argMax: .argMax
      case .generate: .generate(try Generate(name, from: &fields))
      }
  }

  /// The kind's name in `.rnnw`, in `inspect` and in messages.
  public var name: String { kind.name.rawValue }
}

// In the words of what they hold.
extension Layer.Operation {
  /// Token ids `[T, B]` or `[B]` to the rows of `table`, `[V, F]`.
  public static func embedding(table: Tensor) -> Self { .embedding(Embedding(table: table)) }

  /// `weight · x + bias` over the features: weight `[O, F]`, bias `[O]` or nil for none.
  public static func dense(weight: Tensor, bias: Tensor?) -> Self {
    .dense(Dense(weight: weight, bias: bias))
  }

  /// Features `start ..< start + count`.
  public static func slice(start: Int, count: Int) -> Self {
    .slice(FeatureSlice(start: start, count: count))
  }

  /// Pointwise on an input and `constant`, `[F]` or `[1]`; on two inputs where that is nil.
  /// `constantFirst` makes the constant the left operand.
  public static func arithmetic(
    _ operator: Arithmetic.Operator, constant: Tensor?, constantFirst: Bool
  ) -> Self {
    .arithmetic(Arithmetic(`operator`, constant: constant, constantFirst: constantFirst))
  }

  /// A value that no input makes: `[B, F]` or `[1, F]`, or integers `[B]` or `[1]`.
  public static func constant(_ value: Tensor) -> Self { .constant(Constant(value)) }

  /// Identity at inference; `ratio` is kept for the round trip.
  public static func dropout(ratio: Double) -> Self { .dropout(Dropout(ratio: ratio)) }
}
