internal import ByteIO
public import Tensors

/// `y[o, m] = Σ_c Σ_k weight[c, o, k] · x[c, i] + bias[o]` over all i and k with `i·stride + k·dilation − before = m`: the transpose of a
/// convolution over one to three axes, as ONNX' ConvTranspose and PyTorch's `nn.ConvTranspose1d` to `3d` have it (Dumoulin and Visin 2016).
///
/// With G groups, output channel o reads the C/G channels of its own group alone.
public struct TransposedConvolution: Sendable, Equatable {
  /// `[C, O/G, k…]`, a kernel's size for each axis.
  public var weight: Tensor
  /// `[O]`; nil for none.
  public var bias: Tensor?
  /// In the kernel's order.
  public var axes: [TransposedAxis]
  /// G, which divides C.
  public var groups: Int

  /// Weight `[C, O/G, k…]`, bias `[O]` or nil for none.
  public init(weight: Tensor, bias: Tensor? = nil, axes: [TransposedAxis], groups: Int = 1) {
    self.weight = weight
    self.bias = bias
    self.axes = axes
    self.groups = groups
  }
}

/// How what a window spreads goes along one axis: that of time, or one of fixed size inside the features, as for a `WindowAxis`.
public struct TransposedAxis: Sendable, Hashable {
  /// n, how many places the axis has; nil for time, whose steps a run tells.
  public var size: Int?
  /// k, over how many places each is spread.
  public var kernel: Int
  /// How far apart the windows of two neighbours begin.
  public var stride: Int
  /// How far apart the places of one window lie.
  public var dilation: Int
  /// How many of the first places are left out.
  public var before: Int
  /// How many of the last are left out; negative for places added there, which nothing reaches.
  public var after: Int

  /// By default neighbours are spread over neighbours, and nothing is left out.
  public init(
    size: Int?, kernel: Int, stride: Int = 1, dilation: Int = 1, before: Int = 0, after: Int = 0
  ) {
    self.size = size
    self.kernel = kernel
    self.stride = stride
    self.dilation = dilation
    self.before = before
    self.after = after
  }

  /// d·(k − 1) + 1: the places from the first of a window to its last.
  package var span: Int { dilation * (kernel - 1) + 1 }

  /// How many places the result has along the axis, of n: (n − 1)·stride + span − before − after, or none.
  package func places(of n: Int) -> Int { n > 0 ? max(0, (n - 1) * stride + added) : 0 }

  /// What the result has beyond `stride` places for each but the first.
  package var added: Int { span - before - after }

  /// How many places it needs for the result to have one.
  package var least: Int { max(1, 2 + -added / stride) }

  /// Whether a step of the result is made of the same step alone.
  package var isPointwise: Bool { kernel == 1 && stride == 1 && before == 0 && after == 0 }
}

extension TransposedConvolution: LayerKind {
  package var name: LayerName { .transposedConvolution }
  package var operation: Layer.Operation { .transposedConvolution(self) }

  package func write<Fields: FieldWriter>(to fields: inout Fields) throws(Fields.Failure) {
    try fields.integer("groups", groups)
    for (index, axis) in axes.enumerated() {
      fields.begin("axes", part: "axis\(index)")
      if let size = axis.size { try fields.integer("size", size) }
      try fields.integer("kernel", axis.kernel)
      try fields.integer("stride", axis.stride)
      try fields.integer("dilation", axis.dilation)
      try fields.integer("before", axis.before)
      try fields.integer("after", axis.after)
      fields.end()
    }
    try fields.tensor("weight", weight)
    try fields.tensor("bias", bias)
  }

  package init<Fields: FieldReader>(_ name: LayerName, from fields: inout Fields) throws(Fields.Failure) {
    let groups = try fields.size("groups")
    var axes: [TransposedAxis] = []
    for index in 0..<(try fields.partCount("axes")) {
      try fields.begin("axes", part: index)
      axes.append(
        TransposedAxis(
          size: try fields.optionalSize("size"), kernel: try fields.size("kernel"),
          stride: try fields.size("stride"), dilation: try fields.size("dilation"),
          before: try fields.size("before"), after: try fields.integer("after")))
      try fields.end()
    }
    self.init(
      weight: try fields.tensor("weight"), bias: try fields.optionalTensor("bias"), axes: axes,
      groups: groups)
  }

  package mutating func mapTensors(_ transform: (Tensor) -> Tensor) {
    weight = transform(weight)
    bias = bias.map(transform)
  }

  /// O.
  package var outputs: Int { weight.shape[1] * groups }

  package func outputKinds(_ inputs: LayerInputs) throws(ModelError) -> [ValueKind] {
    let input = try inputs.features()
    let shape = weight.shape
    guard (1...3).contains(axes.count), axes.filter({ $0.size == nil }).count <= (input.hasTime ? 1 : 0)
    else {
      throw inputs.invalid("it goes along \(axes.count) axes, or along time more than once, or there is none")
    }
    guard shape.count == axes.count + 2, shape.allSatisfy({ (1...WindowAxis.most).contains($0) }),
      Array(shape.dropFirst(2)) == axes.map(\.kernel)
    else {
      throw inputs.wrongShape("weight", expected: [-1, -1] + axes.map(\.kernel), found: weight)
    }
    guard (1...WindowAxis.most).contains(groups), shape[0] % groups == 0 else {
      throw inputs.invalid("\(groups) groups of \(shape[0]) channels")
    }
    for axis in axes {
      guard
        [axis.stride, axis.dilation, axis.size ?? 1].allSatisfy({ (1...WindowAxis.most).contains($0) }),
        (0...WindowAxis.most).contains(axis.before),
        (-WindowAxis.mostAdded...WindowAxis.most).contains(axis.after), axis.span <= WindowAxis.most,
        axis.size.map({ axis.places(of: $0) > 0 }) ?? (axis.span <= WindowAxis.mostAdded)
      else { throw inputs.invalid("a spreading window of \(axis)") }
    }
    guard checkedProduct([shape[0]] + axes.map { $0.size ?? 1 }) == input.features else {
      throw inputs.invalid(
        "\(shape[0]) channels of \(axes.map { $0.size ?? 1 }) places are not the \(input.features) features")
    }
    try inputs.requireFloat(weight, "weight")
    if let bias { try inputs.require(bias, "bias", shape: [outputs]) }
    let results = axes.map { axis in axis.size.map { axis.places(of: $0) } ?? 1 }
    guard let features = checkedProduct([outputs] + results), features <= ValueKind.mostFeatures else {
      throw inputs.invalid(
        "\(outputs) channels of \(results) places are more than \(ValueKind.mostFeatures) features")
    }
    return [input.with(features: features)]
  }

  package var stretch: Int { axes.first { $0.size == nil }?.stride ?? 1 }

  package func steps(of input: Int?) -> Int? {
    guard let time = axes.first(where: { $0.size == nil }), let input else { return input ?? 0 }
    let places = time.places(of: input)
    return places > 0 ? places : nil
  }

  package func reasonNotToStream(_ inputs: [String?], varying: Set<String>) -> String? {
    axes.contains { $0.size == nil && !$0.isPointwise } ? "it makes several steps of one" : nil
  }
}
