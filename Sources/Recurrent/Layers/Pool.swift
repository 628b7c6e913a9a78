internal import ByteIO
package import Tensors

/// The largest or the mean of what a window sees of each channel, over one to three axes.
public struct Pool: Sendable, Hashable {
  /// What is made of the places that a window reads.
  public enum Reduction: String, Sendable, CaseIterable, Hashable {
    /// The largest; places outside count for nothing.
    case max
    /// Their sum, by how many there are.
    case mean
    /// Their sum, by how many there are with those that `before` and `after` add, which are 0.
    case paddedMean
  }

  /// What is made of the places that a window reads.
  public var reduction: Reduction
  /// Each channel is pooled by itself.
  public var axes: [WindowAxis]
  /// Whether a window that only partly fits makes a result, too: ONNX' and PyTorch's `ceil_mode`.
  public var roundsUp: Bool

  /// A window over an axis of any size may add no more: so kernels are not much larger than what they go over.
  private static let mostAdded = 1 << 14

  /// By default only windows that fit make results.
  public init(_ reduction: Reduction, axes: [WindowAxis], roundsUp: Bool = false) {
    self.reduction = reduction
    self.axes = axes
    self.roundsUp = roundsUp
  }
}

extension Pool: LayerKind {
  package var name: LayerName { .pool }
  package var operation: Layer.Operation { .pool(self) }

  package func write<Fields: FieldWriter>(to fields: inout Fields) throws(Fields.Failure) {
    try fields.text("pool", reduction.rawValue)
    try fields.flag("roundsUp", roundsUp)
    try axes.write(to: &fields)
  }

  package init<Fields: FieldReader>(_ name: LayerName, from fields: inout Fields) throws(Fields.Failure) {
    let reduction: Reduction = try fields.name("pool", "pool")
    let roundsUp = try fields.flag("roundsUp")
    self.init(reduction, axes: try [WindowAxis](from: &fields), roundsUp: roundsUp)
  }

  package func mapTensors(_ transform: (Tensor) -> Tensor) {}

  package func outputKinds(_ inputs: LayerInputs) throws(ModelError) -> [ValueKind] {
    let input = try inputs.features()
    let channels = input.features / max(checkedProduct(axes.map { $0.size ?? 1 }) ?? .max, 1)
    let result = try axes.result(inputs, input, channels: channels, made: channels, roundsUp: roundsUp)
    guard axes.allSatisfy({ $0.before + $0.after <= Self.mostAdded }) else {
      throw inputs.invalid("a window that adds more than \(Self.mostAdded) places")
    }
    guard axes.allSatisfy({ $0.before < $0.span && $0.after < $0.span }),
      !axes.contains(where: { axis in axis.size.map { axis.isBlind(of: $0, roundsUp: roundsUp) } ?? false })
    else {
      throw inputs.invalid("a window that may see nothing but what lies outside")
    }
    return [result]
  }

  package func steps(of input: Int?) -> Int? {
    if let input, axes.contains(where: { $0.size == nil && $0.isBlind(of: input, roundsUp: roundsUp) }) {
      return nil
    }
    return axes.steps(of: input, roundsUp: roundsUp)
  }

  package func reasonNotToStream(_ inputs: [String?], varying: Set<String>) -> String? {
    axes.reasonNotToStream
  }
}
