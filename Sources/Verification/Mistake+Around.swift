internal import Recurrent
internal import Tensors

/// Mistakes in what resizes, in norms of groups, attention, transposed convolutions and sums along time.
extension Mistake {
  static let around: [Mistake] = [
    resizeCoordinates, nearestRounding, resizeMode, normGroups, normKind, epsilonOutside, softmaxLogarithm,
    Mistake("attention-scale", "scores of attention are scaled by something else", candidates: scaled),
    outputPadding, sumForm,
  ]

  /// ONNX' `coordinate_transformation_mode`: PyTorch's `align_corners`, and what older frameworks do.
  private static let resizeCoordinates = layers(
    "resize-coordinates", "places of a resized axis are taken to lie elsewhere"
  ) { (operation: Layer.Operation) -> [Version] in
    guard case .resize(let layer) = operation else { return [] }
    return Resize.Coordinates.allCases.map { coordinates in
      Version(coordinates.words, .resize(Resize(layer.mode, coordinates, axes: layer.axes)))
    }
  }

  private static let nearestRounding = layers(
    "nearest-rounding", "the nearest of two places is another one"
  ) { (operation: Layer.Operation) -> [Version] in
    guard case .resize(let layer) = operation, case .nearest = layer.mode else { return [] }
    return Resize.Rounding.allCases.map { rounding in
      Version(rounding.words, .resize(Resize(.nearest(rounding), layer.coordinates, axes: layer.axes)))
    }
  }

  private static let resizeMode = layers(
    "resize-mode", "what lies between two places is made in another way"
  ) { (operation: Layer.Operation) -> [Version] in
    guard case .resize(let layer) = operation else { return [] }
    // −0.75 is ONNX' coefficient and PyTorch's, −0.5 that of Keras and of image libraries.
    let modes: [(String, Resize.Mode)] = [
      ("by the two around", .linear), ("the nearest, halves down", .nearest(.halfDown)),
      ("the lower one", .nearest(.floor)), ("cubic, by −0.75", .cubic(a: -0.75, excludesOutside: false)),
      ("cubic, by −0.5", .cubic(a: -0.5, excludesOutside: false)),
    ]
    return modes.compactMap { (words: String, mode: Resize.Mode) -> Version? in
      // The rounding of the nearest has a name of its own.
      if case .nearest = layer.mode, case .nearest = mode { return nil }
      return Version(words, .resize(Resize(mode, layer.coordinates, axes: layer.axes)))
    }
  }

  /// Group, instance and layer norm for one another.
  private static let normGroups = layers("norm-groups", "a norm is taken over other groups of numbers") {
    (operation: Layer.Operation) -> [Version] in
    guard case .normalization(let layer) = operation, layer.inner == 1 else { return [] }
    func version(_ words: String, _ change: (inout Normalization) -> Void) -> Version {
      var changed = layer
      change(&changed)
      return Version(words, .normalization(changed))
    }
    var versions = [
      version(layer.overTime ? "of each step alone" : "of all steps together") { $0.overTime.toggle() }
    ]
    guard let channels = (layer.scale ?? layer.bias)?.count, channels > 1 else { return versions }
    for groups in Set([1, 2, 4, 8, 16, 32, channels]).sorted() where channels % groups == 0 {
      let words =
        groups == 1
        ? "one group, as a layer norm"
        : groups == channels ? "a group for each channel, as an instance norm" : "\(groups) groups"
      versions.append(version(words) { $0.count = channels / groups * layer.channel })
    }
    return versions
  }

  private static let normKind = layers(
    "norm-kind", "a norm takes the mean away where none is meant to be, or leaves it"
  ) { (operation: Layer.Operation) -> [Version] in
    if case .layerNormalization(let layer) = operation {
      let changed = Normalization(
        .rootMeanSquare, count: layer.scale.count, epsilon: layer.epsilon, scale: layer.scale,
        bias: layer.bias)
      return [Version("the mean left, as RMSNorm", .normalization(changed))]
    }
    guard case .normalization(var layer) = operation, layer.divisor.hasEpsilon else { return [] }
    let isCentred = layer.divisor.isCentred
    let words = isCentred ? "the mean left, as RMSNorm" : "the mean taken away"
    // Of all features of a step that is what a layer norm does, which is a layer of its own.
    if !isCentred, let scale = layer.scale, layer.count == scale.count, layer.channel == 1, layer.inner == 1,
      !layer.overTime
    {
      let changed = LayerNormalization(scale: scale, bias: layer.bias, epsilon: layer.epsilon)
      return [Version(words, .layerNormalization(changed))]
    }
    layer.divisor = isCentred ? .rootMeanSquare : .deviation
    return [Version(words, .normalization(layer))]
  }

  /// √v + ε for √(v + ε). A layer holds the latter: where v is known, which it is in a batch norm alone, another v makes up for it.
  private static let epsilonOutside = layers(
    "epsilon-outside", "a norm's epsilon is added to the root, or under it where the root is meant"
  ) { (operation: Layer.Operation) -> [Version] in
    guard case .batchNormalization(let layer) = operation, layer.epsilon > 0 else { return [] }
    let epsilon = layer.epsilon
    func version(_ words: String, _ change: (Double) -> Double) -> Version {
      var changed = layer
      changed.variance = layer.variance.changing(0..<layer.variance.shape[0], change)
      return Version(words, .batchNormalization(changed), roles: ["variance"])
    }
    return [
      version("added to the root") { v in
        let root = v.squareRoot() + epsilon
        return root * root - epsilon
      },
      version("added under the root") { v in
        let root = (v + epsilon).squareRoot() - epsilon
        return root * root
      },
    ]
  }

  private static let softmaxLogarithm = layers(
    "softmax-logarithm", "the logarithm of a softmax is left out, or taken where none is meant"
  ) { (operation: Layer.Operation) -> [Version] in
    if case .softmax = operation { return [Version("taken", .logSoftmax)] }
    if case .logSoftmax = operation { return [Version("left out", .softmax)] }
    return []
  }

  /// Output padding belongs behind; added in front it moves all places.
  private static let outputPadding = layers(
    "output-padding", "places that a transposed convolution leaves out or adds are at the other end"
  ) { (operation: Layer.Operation) -> [Version] in
    guard case .transposedConvolution(let layer) = operation else { return [] }
    return layer.axes.indices.flatMap { (index: Int) -> [Version] in
      let axis = layer.axes[index]
      let place = layer.axes.count > 1 ? " along axis \(index)" : ""
      let between = Array(1..<max(2, axis.stride))
      let shifts = Set(between + between.map { -$0 } + [axis.after - axis.before])
      return shifts.subtracting([0]).sorted().map { (shift: Int) -> Version in
        var changed = layer
        changed.axes[index].before += shift
        changed.axes[index].after -= shift
        let words =
          shift > 0 ? "\(shift) fewer in front, more behind" : "\(-shift) more in front, fewer behind"
        return Version(words + place, .transposedConvolution(changed)).alone
      }
    }
  }

  private static let sumForm = layers("cumulative-sum", "sums along time are of other steps") {
    (operation: Layer.Operation) -> [Version] in
    guard case .cumulativeSum(let layer) = operation else { return [] }
    func version(_ words: String, _ isExclusive: Bool, _ isReverse: Bool) -> Version {
      Version(words, .cumulativeSum(CumulativeSum(isExclusive: isExclusive, isReverse: isReverse)))
    }
    let (own, back) = (layer.isExclusive, layer.isReverse)
    let ofOwn = own ? "each step's own added" : "each step's own left out"
    let turned = back ? "from the first step on" : "from the last step back"
    return [
      version(ofOwn, !own, back), version(turned, own, !back), version("\(ofOwn), \(turned)", !own, !back),
    ]
  }

  /// The factor of the queries, which is 1/√d: left out, or 1/d.
  @Sendable private static func scaled(_ model: Model, _ purpose: Purpose) -> [Candidate] {
    model.layers.flatMap { (layer: Layer) -> [Candidate] in
      guard case .attention(let attention) = layer.operation,
        let index = model.layers.firstIndex(where: { $0.outputs.first == layer.inputs.first }),
        case .arithmetic(let factor) = model.layers[index].operation, factor.operator == .multiply,
        let constant = factor.constant, constant.count == 1
      else { return [] }
      func candidate(_ words: String, _ change: @escaping @Sendable (Double) -> Double) -> Candidate {
        Candidate(
          place: "layer '\(layer.name)': \(words)", rank: 1, touches: { $0 == index && $1 == "constant" }
        ) {
          var (model, changed) = (model, factor)
          changed.constant = constant.changing(0..<1, change)
          model.layers[index].operation = .arithmetic(changed)
          return model
        }
      }
      var restored: [Candidate] = []
      if constant.doubles == [1], let kinds = try? model.validated(),
        let features = layer.inputs.first.flatMap(\.self).flatMap({ kinds[$0] })?.features
      {
        let root = (Double(features) / Double(attention.heads)).squareRoot()
        restored = [candidate("a factor of 1/√d") { _ in 1 / root }]
      }
      return [
        candidate("no factor") { _ in 1 }, candidate("its square, as 1/d for 1/√d") { $0 * $0 },
        candidate("its root, as 1/√d for 1/d") { $0 > 0 ? $0.squareRoot() : $0 },
      ] + restored
    }
  }
}

extension Resize.Coordinates {
  fileprivate var words: String {
    switch self {
    case .halfPixel: "half a place moved (half_pixel)"
    case .halfPixelSymmetric: "half a place moved, the middles on one another (half_pixel_symmetric)"
    case .pytorchHalfPixel: "half a place moved, but of one result (pytorch_half_pixel)"
    case .alignCorners: "corners on one another (align_corners)"
    case .asymmetric: "first places on one another (asymmetric)"
    }
  }
}

extension Resize.Rounding {
  fileprivate var words: String {
    switch self {
    case .halfDown: "halves down"
    case .halfUp: "halves up"
    case .floor: "the lower one"
    case .ceil: "the upper one"
    }
  }
}
