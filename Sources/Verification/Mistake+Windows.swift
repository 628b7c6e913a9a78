internal import Recurrent
internal import Tensors

/// Mistakes in the layers around a recurrence: windows, norms, and what is read of their channels.
extension Mistake {
  static let windows: [Mistake] = [
    kernelFlipped, convolutionTransposed, paddingSide, dilationIgnored, groupsInterleaved, padMode, poolForm,
    otherEpsilon, varianceAsDeviation, biasedVariance, softmaxAxis, activationForm,
    Mistake("flatten-order", "channels and places are read in the other order", candidates: flattened),
  ]

  private static let kernelFlipped = layers(
    "kernel-flipped", "a kernel is turned around: a convolution taken for a cross-correlation"
  ) { (operation: Layer.Operation) -> [Version] in
    guard let weight = operation.kernel else { return [] }
    let wide = weight.shape.indices.dropFirst(2).filter { weight.shape[$0] > 1 }
    var choices: [[Int]] = wide.isEmpty ? [] : [wide]
    if wide.count > 1 { choices += wide.map { [$0] } }
    return choices.compactMap { (axes: [Int]) -> Version? in
      let words =
        axes.count > 1 ? "along all axes" : wide.count > 1 ? "along axis \(axes[0] - 2) of the kernel" : ""
      return operation.with(kernel: weight.flipped(axes)).map { Version(words, $0, roles: ["weight"]) }
    }
  }

  private static let convolutionTransposed = layers(
    "convolution-transposed", "two axes of a convolution's weight are exchanged"
  ) { (operation: Layer.Operation) -> [Version] in
    guard let weight = operation.kernel else { return [] }
    let shape = weight.shape
    func transposed(_ first: Int, _ second: Int, _ words: String) -> Version? {
      var order = Array(shape.indices)
      order.swapAt(first, second)
      return operation.with(kernel: weight.transposed(order)).map { Version(words, $0, roles: ["weight"]) }
    }
    var versions: [Version?] = []
    if operation.groups == 1, shape[0] == shape[1], shape[0] > 1 {
      versions.append(transposed(0, 1, "inputs and outputs"))
    }
    for first in 2..<shape.count {
      for second in (first + 1)..<max(first + 1, shape.count)
      where shape[first] == shape[second] && shape[first] > 1 {
        versions.append(transposed(first, second, "axes \(first - 2) and \(second - 2) of the kernel"))
      }
    }
    return versions.compactMap(\.self)
  }

  private static let paddingSide = layers("padding-side", "a window's padding is put at other ends") {
    (operation: Layer.Operation) -> [Version] in
    guard let axes = operation.windows else { return [] }
    func version(_ words: String, _ chosen: [Int], _ front: (WindowAxis) -> Int) -> Version? {
      var changed = axes
      for index in chosen {
        changed[index].before = front(axes[index])
        changed[index].after = axes[index].before + axes[index].after - changed[index].before
      }
      return operation.with(windows: changed).map { Version(words, $0) }
    }
    let padded = axes.indices.filter { axes[$0].before + axes[$0].after > 0 }
    var versions = [version("the ends exchanged", padded) { $0.after }]
    for axis in padded {
      let place = axes.count > 1 ? " along axis \(axis)" : ""
      // One end cannot tell what the other had: of one axis of one layer alone that can be taken back.
      versions += [
        version("all in front\(place)", [axis]) { $0.before + $0.after }?.alone,
        version("all behind\(place)", [axis]) { _ in 0 }?.alone,
        version("half at each end\(place), the odd place behind", [axis]) { ($0.before + $0.after) / 2 }?
          .alone,
        version("half at each end\(place), the odd place in front", [axis]) {
          ($0.before + $0.after + 1) / 2
        }?.alone,
      ]
    }
    return versions.compactMap(\.self)
  }

  private static let dilationIgnored = layers(
    "dilation-ignored", "a dilation is ignored, or taken for another"
  ) { (operation: Layer.Operation) -> [Version] in
    guard case .convolution(let layer) = operation else { return [] }
    let wide = layer.axes.indices.filter { layer.axes[$0].kernel > 1 }
    func version(_ dilation: Int, _ axes: [Int]) -> Version {
      var changed = layer
      for index in axes {
        let axis = layer.axes[index]
        changed.axes[index].dilation = dilation
        // As large a result, where that is what the pads are for.
        let spread = axis.kernel - 1
        if axis.before + axis.after == axis.dilation * spread {
          changed.axes[index].before = axis.before * dilation / axis.dilation
          changed.axes[index].after = dilation * spread - changed.axes[index].before
        }
      }
      let place = wide.count > 1 ? axes.count > 1 ? " along all axes" : " along axis \(axes[0])" : ""
      return Version("\(dilation) for another\(place)", .convolution(changed)).alone
    }
    var choices: [[Int]] = wide.map { [$0] }
    if wide.count > 1, Set(wide.map { layer.axes[$0].dilation }).count == 1 { choices.append(wide) }
    return choices.flatMap { axes in [1, 2, 3, 4, 8].map { version($0, axes) } }
  }

  private static let groupsInterleaved = layers(
    "groups-interleaved", "the output channels of groups are taken in turn, or turns for groups"
  ) { (operation: Layer.Operation) -> [Version] in
    guard case .convolution(let layer) = operation, layer.groups > 1, layer.weight.shape[0] > layer.groups
    else { return [] }
    func version(_ words: String, _ outer: Int, _ inner: Int) -> Version {
      let order = turned(outer, inner)
      var changed = layer
      changed.weight = layer.weight.permutingBlocks(order)
      changed.bias = layer.bias?.permutingBlocks(order)
      return Version(words, .convolution(changed), roles: ["weight", "bias"])
    }
    let (groups, units) = (layer.groups, layer.weight.shape[0] / layer.groups)
    return [version("one of each group", groups, units), version("group after group", units, groups)]
  }

  private static let padMode = layers("pad-mode", "what is added at the ends is something else") {
    (operation: Layer.Operation) -> [Version] in
    guard case .padding(let layer) = operation else { return [] }
    func version(_ words: String, _ mode: Padding.Mode) -> Version {
      Version(words, .padding(Padding(mode, axes: layer.axes)))
    }
    return [
      version("zeros", .constant(0)), version("the axis mirrored", .reflect),
      version("the last place", .edge),
      version("the other end", .wrap),
    ]
  }

  private static let poolForm = layers("pool-form", "a pool takes something else of its window") {
    (operation: Layer.Operation) -> [Version] in
    guard case .pool(let layer) = operation else { return [] }
    func version(_ words: String, _ change: (inout Pool) -> Void) -> Version {
      var changed = layer
      change(&changed)
      return Version(words, .pool(changed))
    }
    return [
      version("the largest") { $0.reduction = .max },
      version("the mean of what lies inside") { $0.reduction = .mean },
      version("the mean, what is added counted") { $0.reduction = .paddedMean },
      version(layer.roundsUp ? "only windows that fit" : "windows that only partly fit, too") {
        $0.roundsUp.toggle()
      },
    ]
  }

  private static let otherEpsilon = layers("epsilon", "a normalisation has another epsilon") {
    (operation: Layer.Operation) -> [Version] in
    [1e-3, 1e-5, 1e-6, 1e-8, 1e-12].compactMap { (epsilon: Double) -> Version? in
      operation.with(epsilon: epsilon).map { Version("\(epsilon)", $0) }
    }
  }

  private static let varianceAsDeviation = layers(
    "variance-as-deviation", "a variance and its root are taken for one another"
  ) { (operation: Layer.Operation) -> [Version] in
    guard case .batchNormalization(let layer) = operation else { return [] }
    func version(_ words: String, _ change: (Double) -> Double) -> Version {
      var changed = layer
      changed.variance = layer.variance.changing(0..<layer.variance.shape[0], change)
      return Version(words, .batchNormalization(changed), roles: ["variance"])
    }
    return [
      version("a variance taken for its root") { $0 * $0 },
      version("a root taken for a variance") { $0.squareRoot() },
    ]
  }

  private static let biasedVariance = layers(
    "biased-variance", "a variance is divided by n − 1 where n is meant, or by n"
  ) { (operation: Layer.Operation) -> [Version] in
    let (count, scale): (Int, Tensor)
    if case .layerNormalization(let layer) = operation {
      (count, scale) = (layer.scale.count, layer.scale)
    } else if case .normalization(let layer) = operation, let own = layer.scale, !layer.overTime,
      layer.divisor.isCentred
    {
      // Of all steps nobody knows how many there are.
      (count, scale) = (layer.count, own)
    } else {
      return []
    }
    guard count > 1 else { return [] }
    func version(_ words: String, _ factor: Double) -> Version {
      let changed = scale.changing(0..<scale.count) { $0 * factor.squareRoot() }
      var seen = 0
      // The scale is the first tensor of either.
      let other = operation.mapTensors { tensor in
        defer { seen += 1 }
        return seen == 0 ? changed : tensor
      }
      return Version(words, other, roles: ["scale"])
    }
    let n = Double(count)
    return [version("n − 1", (n - 1) / n), version("n", n / (n - 1))]
  }

  private static let softmaxAxis = layers(
    "softmax-axis", "a softmax runs along time where it should along the features, or the other way"
  ) { (operation: Layer.Operation) -> [Version] in
    if case .softmax = operation { return [Version("along time", .timeSoftmax)] }
    if case .timeSoftmax = operation { return [Version("along the features", .softmax)] }
    return []
  }

  private static let activationForm = layers("activation-form", "a function is taken for its relative") {
    (operation: Layer.Operation) -> [Version] in
    guard case .activation(let activation) = operation else { return [] }
    return activation.relatives.map { Version($0.words, .activation($0.activation)) }
  }

  /// Block k of the result is the (k ÷ outer)-th of part k mod outer.
  private static func turned(_ outer: Int, _ inner: Int) -> [Int] {
    (0..<(outer * inner)).map { $0 % outer * inner + $0 / outer }
  }

  /// What else one layer could have been.
  struct Version: Sendable {
    let words: String
    let operation: Layer.Operation
    /// The tensors that differ; none where only attributes do.
    let roles: [String]

    /// Whether several layers that suffer it may be put right together.
    fileprivate(set) var isShared = true

    var alone: Version {
      var version = self
      version.isShared = false
      return version
    }

    init(_ words: String, _ operation: Layer.Operation, roles: [String] = []) {
      (self.words, self.operation, self.roles) = (words, operation, roles)
    }
  }

  /// Each version of each layer, and those of the same words in all layers that have them.
  static func layers(
    _ id: String, _ name: String, _ versions: @escaping @Sendable (Layer.Operation) -> [Version]
  ) -> Mistake {
    Mistake(id, name) { model, _ in
      var found: [(words: String, changes: [(index: Int, version: Version)])] = []
      for (index, layer) in model.layers.enumerated() {
        for version in versions(layer.operation) where version.operation != layer.operation {
          if let place = found.firstIndex(where: { $0.words == version.words }) {
            found[place].changes.append((index, version))
          } else {
            found.append((version.words, [(index, version)]))
          }
        }
      }
      return found.flatMap { words, changes in
        let tail = words.isEmpty ? "" : ": \(words)"
        let single = changes.map {
          candidate("layer '\(model.layers[$0.index].name)'\(tail)", rank: 1, model, [$0])
        }
        return changes.count > 1 && changes.allSatisfy(\.version.isShared)
          ? single + [candidate("all such layers\(tail)", rank: 0, model, changes)] : single
      }
    }
  }

  private static func candidate(
    _ place: String, rank: Int, _ model: Model, _ changes: [(index: Int, version: Version)]
  ) -> Candidate {
    @Sendable func touches(_ layer: Int, _ role: String?) -> Bool {
      changes.contains { change in
        change.index == layer
          && (role.map(change.version.roles.contains) ?? change.version.roles.isEmpty)
      }
    }
    return Candidate(place: place, rank: rank, touches: touches) {
      var model = model
      for (index, version) in changes { model.layers[index].operation = version.operation }
      return model
    }
  }

  /// A layer that reads C channels of n places as features takes feature c·n + i for i·C + c: Keras keeps channels last, others first.
  @Sendable private static func flattened(_ model: Model, _ purpose: Purpose) -> [Candidate] {
    model.layers.enumerated().flatMap { index, layer -> [Candidate] in
      guard let (channels, places) = model.channels(readBy: index), channels > 1, places > 1 else {
        return []
      }
      let ways = [
        ("places first", turned(channels, places)), ("channels first", turned(places, channels)),
      ]
      return ways.compactMap { (words: String, order: [Int]) -> Candidate? in
        guard let operation = layer.operation.permutingInputs(order) else { return nil }
        return Candidate(
          place: "layer '\(layer.name)': \(words)", rank: 1,
          touches: { $0 == index && ($1 == "weight" || $1?.hasSuffix("inputWeight") ?? false) }
        ) {
          var model = model
          model.layers[index].operation = operation
          return model
        }
      }
    }
  }
}

extension Tensor {
  /// Some axes the other way round.
  fileprivate func flipped(_ axes: [Int]) -> Tensor {
    let result = try? picked(shape: shape) { index in
      zip(index, shape).enumerated().reduce(0) { place, axis in
        let (number, (position, size)) = axis
        return place * size + (axes.contains(number) ? size - 1 - position : position)
      }
    }
    return result ?? self
  }
}

extension Layer.Operation {
  /// Of a convolution or a pool.
  fileprivate var windows: [WindowAxis]? {
    if case .convolution(let layer) = self { return layer.axes }
    if case .pool(let layer) = self { return layer.axes }
    return nil
  }

  fileprivate func with(windows axes: [WindowAxis]) -> Layer.Operation? {
    if case .convolution(var layer) = self {
      layer.axes = axes
      return .convolution(layer)
    }
    if case .pool(var layer) = self {
      layer.axes = axes
      return .pool(layer)
    }
    return nil
  }

  /// The weight of a convolution or of its transpose, whose axes from the third on are those of the kernel.
  fileprivate var kernel: Tensor? {
    if case .convolution(let layer) = self { return layer.weight }
    if case .transposedConvolution(let layer) = self { return layer.weight }
    return nil
  }

  fileprivate var groups: Int? {
    if case .convolution(let layer) = self { return layer.groups }
    if case .transposedConvolution(let layer) = self { return layer.groups }
    return nil
  }

  fileprivate func with(kernel: Tensor) -> Layer.Operation? {
    if case .convolution(var layer) = self {
      layer.weight = kernel
      return .convolution(layer)
    }
    if case .transposedConvolution(var layer) = self {
      layer.weight = kernel
      return .transposedConvolution(layer)
    }
    return nil
  }

  fileprivate func with(epsilon: Double) -> Layer.Operation? {
    if case .batchNormalization(var layer) = self {
      layer.epsilon = epsilon
      return .batchNormalization(layer)
    }
    if case .layerNormalization(var layer) = self {
      layer.epsilon = epsilon
      return .layerNormalization(layer)
    }
    if case .normalization(var layer) = self, layer.divisor.hasEpsilon {
      layer.epsilon = epsilon
      return .normalization(layer)
    }
    return nil
  }

  /// The layer with the columns of its input weights in another order.
  fileprivate func permutingInputs(_ order: [Int]) -> Layer.Operation? {
    if case .recurrent(var layer) = self, layer.inputSize == order.count {
      for d in layer.directions.indices {
        layer.directions[d].mapStacked([.inputWeight]) { $0.permutingColumns(order) }
      }
      return .recurrent(layer)
    }
    if case .dense(var layer) = self, layer.weight.shape[1] == order.count {
      layer.weight = layer.weight.permutingColumns(order)
      return .dense(layer)
    }
    return nil
  }
}

extension Tensor {
  /// Of a matrix.
  fileprivate func permutingColumns(_ order: [Int]) -> Tensor {
    transposed([1, 0]).permutingBlocks(order).transposed([1, 0])
  }
}

extension Model {
  /// How many channels and places the features have that a layer reads, where a window made them.
  fileprivate func channels(readBy index: Int) -> (channels: Int, places: Int)? {
    var value = layers[index].inputs.first ?? nil
    var pooled: Int?
    // Each turn goes to a layer in front.
    for layer in layers[..<index].reversed() where layer.outputs.first == value {
      switch layer.operation {
      case .convolution(let window): return (window.weight.shape[0], pooled ?? window.axes.results())
      case .batchNormalization(let norm): return (norm.scale.count, pooled ?? norm.inner)
      case .pool(let pool):
        // One along time alone leaves the places as they are.
        if pooled == nil, pool.axes.contains(where: { $0.size != nil }) {
          pooled = pool.axes.results(roundsUp: pool.roundsUp)
        }
      case .activation, .dropout: break
      case .recurrent, .embedding, .dense, .softmax, .logSoftmax, .layerNormalization, .select, .concat,
        .slice,
        .arithmetic, .reverse, .constant, .argMax, .generate, .padding, .gather, .unfold, .fold, .reduce,
        .timeSoftmax, .repeated, .stepPacking, .normalization, .transposedConvolution, .resize,
        .cumulativeSum, .attention, .choice:
        return nil
      }
      value = layer.inputs.first ?? nil
    }
    return nil
  }
}

extension Activation {
  /// What it is taken for: the same curve by another formula, or by another constant that a framework has.
  fileprivate var relatives: [(words: String, activation: Activation)] {
    switch kind {
    case .gelu: [("by the tanh", Activation(.geluTanh))]
    case .geluTanh: [("by the error function", Activation(.gelu))]
    // Numbers of Float32, as formats hold them.
    case .leakyRelu:
      [0.01, 0.1, 0.2, 0.3].map { (slope: Float) in
        ("a slope of \(slope)", Activation(.leakyRelu, alpha: Double(slope)))
      }
    case .silu: [("by straight lines", Activation(.hardSwish))]
    case .hardSwish: [("by the sigmoid", Activation(.silu))]
    case .hardSigmoid:
      [("0.2x + 0.5", 0.2), ("x/6 + 0.5", 1 / 6)].map { (words: String, slope: Float) in
        (words, Activation(.hardSigmoid, alpha: Double(slope), beta: 0.5))
      }
    default: []
    }
  }
}
