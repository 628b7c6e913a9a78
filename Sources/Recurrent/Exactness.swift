public import Tensors

/// How faithfully a conversion carried something over. Ordered: a later case is worse.
public enum Exactness: String, Sendable, Comparable, CaseIterable {
  /// Bit for bit.
  case exact
  /// Correct up to one rounding, such as two biases merged or a narrower element type.
  case rounded
  /// Something was given up, with the user's leave (`--allow-loss`).
  case lossy

  public static func < (left: Exactness, right: Exactness) -> Bool {
    allCases.firstIndex(of: left)! < allCases.firstIndex(of: right)!
  }
}

/// One line of a conversion's account: of which layer, how exact, and what happened.
public struct ConversionNote: Sendable, Equatable {
  /// Name of the layer, or of the tensor in a file of weights alone; `file` for a note about no single one.
  public let layer: String
  /// How faithfully it was carried over.
  public let exactness: Exactness
  /// What happened, in words.
  public let detail: String
  /// The type whose rounding lies between the file's own evaluation and the model; nil where none does.
  public let roundedTo: ElementType?

  /// Whether it is about an input that nothing reads, so that all outputs are there.
  public let isOfUnusedInput: Bool

  /// A note on one layer, by its name: how exact, and in words what happened.
  public init(
    layer: String, _ exactness: Exactness, _ detail: String, roundedTo: ElementType? = nil,
    isOfUnusedInput: Bool = false
  ) {
    self.layer = layer
    self.exactness = exactness
    self.detail = detail
    self.roundedTo = roundedTo
    self.isOfUnusedInput = isOfUnusedInput
  }
}
