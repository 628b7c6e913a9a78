public import Recurrent
public import Tensors

/// How two models differ in structure and weights, found without running either.
public struct ModelDifference: Sendable, Equatable {
  /// Of the left and the right model.
  public var fingerprints: [String]
  /// Of the inputs and outputs.
  public var ports: [AttributeDifference]
  /// Every layer of either side, in the order of the model: paired, or of one side only.
  public var layers: [LayerDifference]

  /// One fingerprint: both compute the same. Names may differ.
  public var isSame: Bool { fingerprints[0] == fingerprints[1] }
  /// Layers that differ in what they compute, or that one side lacks.
  public var differingLayers: Int { layers.count { !$0.isSame } }
}

/// One attribute that differs; nil where that side has none.
public struct AttributeDifference: Sendable, Equatable {
  /// Such as `clip`, or `input x: axes` of a port.
  public var name: String
  /// The left side's, in words.
  public var left: String?
  /// The right side's, in words.
  public var right: String?
  /// A name or a fixed size: it does not change what the model computes.
  public var isNominal = false
}

/// Two layers side by side, or one that the other side lacks.
public struct LayerDifference: Sendable, Equatable {
  /// Name of the left model's layer; nil where only the right one has it.
  public var left: String?
  /// Name of the right model's layer; nil where only the left one has it.
  public var right: String?
  /// Such as `LSTM`.
  public var operation: String
  /// What differs beside the tensors.
  public var attributes: [AttributeDifference] = []
  /// Every tensor of either side.
  public var tensors: [TensorDifference] = []
  /// What explains a difference: gates in another order, biases merged.
  public var notes: [String] = []

  /// Whether both sides have it and compute the same, names aside.
  public var isSame: Bool {
    left != nil && right != nil && attributes.allSatisfy(\.isNominal) && tensors.allSatisfy(\.isSame)
  }
}

/// Two tensors of one role side by side.
public struct TensorDifference: Sendable, Equatable {
  /// Such as `forward.recurrentWeight`.
  public var role: String
  /// On the left side; nil where that has none.
  public var left: Form?
  /// On the right side; nil where that has none.
  public var right: Form?
  /// One for each gate, or a single one; empty where the shapes differ or one side is missing.
  public var blocks: [BlockDifference] = []

  /// What a tensor is, its elements aside.
  public struct Form: Sendable, Equatable, CustomStringConvertible {
    /// What each element is.
    public var elementType: ElementType
    /// The size of each axis.
    public var shape: [Int]
    /// Scale and zero point; nil where its elements are the numbers themselves.
    public var quantization: Tensor.Quantization?

    public var description: String {
      let scaled = quantization.map { ", scale \($0.scale), zero point \($0.zeroPoint)" } ?? ""
      return "\(elementType.rawValue) \(shape)\(scaled)"
    }
  }

  /// Whether both are of one form, and no element differs.
  public var isSame: Bool { left == right && blocks.allSatisfy { $0.differing == 0 } }
}

/// How the elements of one gate's rows (or of a whole tensor) differ.
public struct BlockDifference: Sendable, Equatable {
  /// Whose rows; nil for a whole tensor.
  public var gate: Gate?
  /// Elements that were compared.
  public var elements: Int
  /// Elements whose bits differ; of two element types, those whose values do.
  public var differing = 0
  /// Units in the last place of the coarser side's element type; steps of integers. `UInt64.max`: one is NaN.
  public var maxUlps: UInt64 = 0
  /// Among the elements that differ.
  public var medianUlps: UInt64 = 0
  /// Infinite where one side is NaN.
  public var maxDifference = 0.0
}
