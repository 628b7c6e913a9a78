package import Tensors

/// What a kind of layer says of itself. Validation, the fingerprint, `.rnnw`, differences and streaming derive from it.
///
/// One file a layer: its payload, which is a case of `Layer.Operation`, and this.
package protocol LayerKind: Sendable, Equatable {
  var name: LayerName { get }
  /// Itself as a case of `Layer.Operation`.
  var operation: Layer.Operation { get }

  /// Everything that it holds, in canonical order and under the keys of `.rnnw` (schemas/rnnw.md).
  func write<Fields: FieldWriter>(to fields: inout Fields) throws(Fields.Failure)
  /// The inverse of `write`.
  init<Fields: FieldReader>(_ name: LayerName, from fields: inout Fields) throws(Fields.Failure)
  /// What of it counts for what it computes, in the order in which the fingerprint takes it: all of it, unless a layer says otherwise.
  func identify<Fields: FieldWriter>(to fields: inout Fields) throws(Fields.Failure)

  /// Replaces each of its tensors, in canonical order.
  mutating func mapTensors(_ transform: (Tensor) -> Tensor)
  /// The kinds of its outputs, given those of the inputs; throws where they or its tensors do not fit.
  func outputKinds(_ inputs: LayerInputs) throws(ModelError) -> [ValueKind]
  /// How many steps its output has, of an input with so many (nil for none); 0 for an output without time, nil where that is too few.
  func steps(of input: Int?) -> Int?
  /// How many times as many steps as its input's its output may have.
  var stretch: Int { get }
  /// Why its steps cannot be made one by one as those of its inputs arrive; nil where they can.
  ///
  /// - Parameter varying: values that change from step to step.
  func reasonNotToStream(_ inputs: [String?], varying: Set<String>) -> String?
}

extension LayerKind {
  package func steps(of input: Int?) -> Int? { input ?? 0 }
  package var stretch: Int { 1 }

  package func identify<Fields: FieldWriter>(to fields: inout Fields) throws(Fields.Failure) {
    try write(to: &fields)
  }
}

/// A layer that makes each step of its output of the same step of its inputs.
package protocol StepwiseLayer: LayerKind {}

extension StepwiseLayer {
  package func reasonNotToStream(_ inputs: [String?], varying: Set<String>) -> String? { nil }
}

/// A layer without attributes and tensors.
package protocol BareLayer: LayerKind { init() }

extension BareLayer {
  package func write<Fields: FieldWriter>(to fields: inout Fields) throws(Fields.Failure) {}
  package init<Fields: FieldReader>(_ name: LayerName, from fields: inout Fields) throws(Fields.Failure) {
    self.init()
  }
  package func mapTensors(_ transform: (Tensor) -> Tensor) {}
}

/// The kinds' names in `.rnnw`, in `inspect` and in messages. A recurrent layer goes by its cell's.
package enum LayerName: String, CaseIterable, Sendable {
  case rnn = "RNN"
  case lstm = "LSTM"
  case gru = "GRU"
  case minGRU
  case embedding = "Embedding"
  case dense = "Dense"
  case convolution = "Convolution"
  case pool = "Pool"
  case transposedConvolution = "TransposedConvolution"
  case resize = "Resize"
  case padding = "Pad"
  case featureGather = "FeatureGather"
  case unfold = "Unfold"
  case fold = "Fold"
  case reduce = "Reduce"
  case timeSoftmax = "TimeSoftmax"
  case `repeat` = "Repeat"
  case attention = "Attention"
  case cumulativeSum = "CumulativeSum"
  case activation = "Activation"
  case softmax = "Softmax"
  case logSoftmax = "LogSoftmax"
  case layerNormalization = "LayerNormalization"
  case batchNormalization = "BatchNormalization"
  case normalization = "Normalization"
  case select = "Select"
  case concat = "Concat"
  case slice = "Slice"
  case arithmetic = "Arithmetic"
  case choice = "Choice"
  case constant = "Constant"
  case stepPacking = "StepPacking"
  case dropout = "Dropout"
  case reverse = "Reverse"
  case argMax = "ArgMax"
  case generate = "Generate"
}
