public import Tensors

/// `y[o, m] = Σ_c Σ_k weight[o, c, k] · x[c, m·stride + k·dilation − before] + bias[o]`, where x is 0 outside: a cross-correlation of
/// channels over one to three axes, as ONNX' Conv and PyTorch's `nn.Conv1d`, `nn.Conv2d` and `nn.Conv3d` have it.
///
/// With G groups, output channel o reads the C/G channels of its own group alone.
public struct Convolution: Sendable, Equatable {
  /// `[O, C/G, k…]`, a kernel's size for each axis.
  public var weight: Tensor
  /// `[O]`; nil for none.
  public var bias: Tensor?
  /// In the kernel's order.
  public var axes: [WindowAxis]
  /// G, which divides C and O.
  public var groups: Int

  /// Weight `[O, C/G, k…]`, bias `[O]` or nil for none.
  public init(weight: Tensor, bias: Tensor? = nil, axes: [WindowAxis], groups: Int = 1) {
    self.weight = weight
    self.bias = bias
    self.axes = axes
    self.groups = groups
  }
}

extension Convolution: LayerKind {
  package var name: LayerName { .convolution }
  package var operation: Layer.Operation { .convolution(self) }

  package func write<Fields: FieldWriter>(to fields: inout Fields) throws(Fields.Failure) {
    try fields.integer("groups", groups)
    try axes.write(to: &fields)
    try fields.tensor("weight", weight)
    try fields.tensor("bias", bias)
  }

  package init<Fields: FieldReader>(_ name: LayerName, from fields: inout Fields) throws(Fields.Failure) {
    let groups = try fields.size("groups")
    let axes = try [WindowAxis](from: &fields)
    self.init(
      weight: try fields.tensor("weight"), bias: try fields.optionalTensor("bias"), axes: axes,
      groups: groups)
  }

  package mutating func mapTensors(_ transform: (Tensor) -> Tensor) {
    weight = transform(weight)
    bias = bias.map(transform)
  }

  package func outputKinds(_ inputs: LayerInputs) throws(ModelError) -> [ValueKind] {
    let input = try inputs.features()
    let shape = weight.shape
    guard shape.count == axes.count + 2, shape.allSatisfy({ (1...WindowAxis.most).contains($0) }),
      Array(shape.dropFirst(2)) == axes.map(\.kernel)
    else {
      throw inputs.wrongShape("weight", expected: [-1, -1] + axes.map(\.kernel), found: weight)
    }
    guard (1...WindowAxis.most).contains(groups), shape[0] % groups == 0 else {
      throw inputs.invalid("\(groups) groups of \(shape[0]) channels")
    }
    try inputs.requireFloat(weight, "weight")
    if let bias { try inputs.require(bias, "bias", shape: [shape[0]]) }
    return [try axes.result(inputs, input, channels: shape[1] * groups, made: shape[0])]
  }

  package func steps(of input: Int?) -> Int? { axes.steps(of: input) }

  package func reasonNotToStream(_ inputs: [String?], varying: Set<String>) -> String? {
    axes.reasonNotToStream
  }
}
