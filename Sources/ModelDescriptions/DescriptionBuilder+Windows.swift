internal import ByteIO
internal import Recurrent
internal import Tensors

/// Layers that go along axes: time, and those inside the features.
extension DescriptionBuilder {
  static let windowReaders: [String: Reader] = [
    "Convolution": { (builder, name, object) throws(DescriptionError) in
      let weight = try builder.array(object.required("weight"))
      let bias = try object.optional("bias").map { node throws(DescriptionError) in try builder.array(node) }
      let groups = try object.optional("groups")?.integer() ?? 1
      let axes = try builder.windows(object.required("axes"), of: weight)
      return try builder.simple(
        .convolution(Convolution(weight: weight, bias: bias, axes: axes, groups: groups)), name, &object)
    },
    "TransposedConvolution": { (builder, name, object) throws(DescriptionError) in
      let weight = try builder.array(object.required("weight"))
      let bias = try object.optional("bias").map { node throws(DescriptionError) in try builder.array(node) }
      let groups = try object.optional("groups")?.integer() ?? 1
      let axes = try builder.windows(object.required("axes"), of: weight).map {
        TransposedAxis(
          size: $0.size, kernel: $0.kernel, stride: $0.stride, dilation: $0.dilation, before: $0.before,
          after: $0.after)
      }
      let layer = TransposedConvolution(weight: weight, bias: bias, axes: axes, groups: groups)
      return try builder.simple(.transposedConvolution(layer), name, &object)
    },
    "Resize": { (builder, name, object) throws(DescriptionError) in
      let mode: Resize.Mode
      switch try object.required("mode").word(["nearest", "linear", "cubic"]) {
      case "nearest":
        let word = try object.optional("rounding")?.word(Resize.Rounding.allCases.map(\.rawValue))
        mode = .nearest(word.flatMap { Resize.Rounding(rawValue: $0) } ?? .floor)
      case "cubic":
        mode = .cubic(
          a: try object.optional("coefficient")?.number() ?? -0.75,
          excludesOutside: try object.optional("excludes_outside")?.flag() ?? false)
      default: mode = .linear
      }
      let word = try object.required("coordinates").word(Resize.Coordinates.allCases.map(\.rawValue))
      let axes = try object.required("axes").list().map { node throws(DescriptionError) in
        try builder.resized(node)
      }
      return try builder.simple(
        .resize(Resize(mode, Resize.Coordinates(rawValue: word)!, axes: axes)), name, &object)
    },
    "Pool": { (builder, name, object) throws(DescriptionError) in
      let word = try object.required("function").word(Pool.Reduction.allCases.map(\.rawValue))
      let roundsUp = try object.optional("rounds_up")?.flag() ?? false
      let axes = try object.required("axes").list().map { axis throws(DescriptionError) in
        try builder.window(axis, kernel: nil)
      }
      return try builder.simple(
        .pool(Pool(Pool.Reduction(rawValue: word)!, axes: axes, roundsUp: roundsUp)), name, &object)
    },
    "Pad": { (builder, name, object) throws(DescriptionError) in
      let mode: Padding.Mode =
        switch try object.optional("mode")?.word(["constant", "reflect", "edge", "wrap"]) ?? "constant" {
        case "reflect": .reflect
        case "edge": .edge
        case "wrap": .wrap
        default: .constant(try object.optional("value")?.number() ?? 0)
        }
      let axes = try object.required("axes").list().map { node throws(DescriptionError) in
        let axis = try builder.window(node, kernel: 1)
        return Padding.Axis(size: axis.size, before: axis.before, after: axis.after)
      }
      return try builder.simple(.padding(Padding(mode, axes: axes)), name, &object)
    },
    "FeatureGather": { (builder, name, object) throws(DescriptionError) in
      let start = try object.optional("start")?.integer() ?? 0
      let factors = try object.required("factors").list().map { node throws(DescriptionError) in
        let pair = try node.list()
        guard pair.count == 2 else { throw node.wrong("a factor is [count, stride]") }
        return FeatureGather.Factor(count: try pair[0].integer(), stride: try pair[1].integer())
      }
      return try builder.simple(.gather(FeatureGather(start: start, factors)), name, &object)
    },
    "Unfold": { (builder, name, object) throws(DescriptionError) in
      let count = try object.required("count").integer()
      let inner = try object.optional("inner")?.integer() ?? 1
      return try builder.simple(.unfold(Unfold(count: count, inner: inner)), name, &object)
    },
    "Fold": { (builder, name, object) throws(DescriptionError) in
      try builder.simple(.fold(Fold(count: try object.required("count").integer())), name, &object)
    },
    "Reduce": { (builder, name, object) throws(DescriptionError) in
      let word = try object.required("function").word(Reduction.Function.allCases.map(\.rawValue))
      let count = try object.required("count").integer()
      let inner = try object.optional("inner")?.integer() ?? 1
      return try builder.simple(
        .reduce(Reduction(Reduction.Function(rawValue: word)!, count: count, inner: inner)), name, &object)
    },
    "BatchNormalization": { (builder, name, object) throws(DescriptionError) in
      let (scale, bias) = (
        try builder.array(object.required("scale")), try builder.array(object.required("bias"))
      )
      let (mean, variance) = (
        try builder.array(object.required("mean")), try builder.array(object.required("variance"))
      )
      let layer = BatchNormalization(
        scale: scale, bias: bias, mean: mean, variance: variance,
        epsilon: try object.optional("epsilon")?.number() ?? 1e-5,
        inner: try object.optional("inner")?.integer() ?? 1)
      return try builder.simple(.batchNormalization(layer), name, &object)
    },
    "Repeat": { (builder, name, object) throws(DescriptionError) in
      try builder.simple(.repeated, name, &object)
    },
    "Normalization": { (builder, name, object) throws(DescriptionError) in
      let word = try object.required("function").word(Normalization.Divisor.allCases.map(\.rawValue))
      let divisor = Normalization.Divisor(rawValue: word)!
      var layer = Normalization(divisor, count: try object.required("count").integer())
      layer.inner = try object.optional("inner")?.integer() ?? 1
      layer.overTime = try object.optional("over_time")?.flag() ?? false
      layer.epsilon = try object.optional("epsilon")?.number() ?? (divisor.hasEpsilon ? 1e-5 : 0)
      layer.channel = try object.optional("channel")?.integer() ?? 1
      layer.scale = try object.optional("scale").map { node throws(DescriptionError) in
        try builder.array(node)
      }
      layer.bias = try object.optional("bias").map { node throws(DescriptionError) in try builder.array(node)
      }
      return try builder.simple(.normalization(layer), name, &object)
    },
    "Choice": { (builder, name, object) throws(DescriptionError) in
      let first = try object.optional("first").map { node throws(DescriptionError) in try builder.array(node)
      }
      let second = try object.optional("second").map { node throws(DescriptionError) in
        try builder.array(node)
      }
      return try builder.simple(.choice(Choice(first: first, second: second)), name, &object)
    },
    "Attention": { (builder, name, object) throws(DescriptionError) in
      let attention = Attention(
        heads: try object.optional("heads")?.integer() ?? 1,
        isCausal: try object.optional("causal")?.flag() ?? false)
      return try builder.simple(.attention(attention), name, &object)
    },
    "CumulativeSum": { (builder, name, object) throws(DescriptionError) in
      let layer = CumulativeSum(
        isExclusive: try object.optional("exclusive")?.flag() ?? false,
        isReverse: try object.optional("reverse")?.flag() ?? false)
      return try builder.simple(.cumulativeSum(layer), name, &object)
    },
    "StepPacking": { (builder, name, object) throws(DescriptionError) in
      let word = try object.required("function").word(StepPacking.Direction.allCases.map(\.rawValue))
      let packing = StepPacking(
        skipped: try object.required("token").integer(), StepPacking.Direction(rawValue: word)!)
      var layer = try builder.simple(.stepPacking(packing), name, &object)
      if let lengths = try object.text("lengths") { layer.outputs.append(lengths) }
      return layer
    },
    "TimeSoftmax": { (builder, name, object) throws(DescriptionError) in
      try builder.simple(.timeSoftmax, name, &object)
    },
  ]

  /// `{"size": "time", "scale": k}` or `{"size": n, "results": l}`, with a `scale` where that is not l ÷ n.
  private func resized(_ node: DescriptionNode) throws(DescriptionError) -> Resize.Axis {
    try node.object { object throws(DescriptionError) in
      let size = try object.required("size")
      guard case .integer = size.value else {
        _ = try size.word(["time"])
        return Resize.Axis(times: try object.required("scale").integer())
      }
      return Resize.Axis(
        size: try size.integer(), results: try object.required("results").integer(),
        scale: try object.optional("scale")?.number())
    }
  }

  /// A window for each axis of a weight `[O, C, k…]`, which tells the kernel.
  private func windows(_ node: DescriptionNode, of weight: Tensor) throws(DescriptionError) -> [WindowAxis] {
    let kernel = weight.shape.dropFirst(2)
    let list = try node.list()
    guard list.count == kernel.count else {
      throw node.wrong("\(list.count) axes for a weight of shape \(weight.shape)")
    }
    var axes: [WindowAxis] = []
    for (axis, size) in zip(list, kernel) { axes.append(try window(axis, kernel: size)) }
    return axes
  }

  /// `{"size": "time" or n, "kernel": k, "stride": s, "dilation": d, "pads": [before, after]}`; a kernel that a weight tells is not repeated.
  private func window(_ node: DescriptionNode, kernel: Int?) throws(DescriptionError) -> WindowAxis {
    try node.object { object throws(DescriptionError) in
      let size = try object.required("size")
      var axis = WindowAxis(size: nil, kernel: 1)
      if case .integer = size.value { axis.size = try size.integer() } else { _ = try size.word(["time"]) }
      axis.kernel =
        if let kernel { kernel } else { try object.required("kernel").integer() }
      axis.stride = try object.optional("stride")?.integer() ?? 1
      axis.dilation = try object.optional("dilation")?.integer() ?? 1
      if let pads = object.optional("pads") {
        let pair = try pads.list()
        guard pair.count == 2 else { throw pads.wrong("pads are [before, after]") }
        (axis.before, axis.after) = (try pair[0].integer(), try pair[1].integer())
      }
      return axis
    }
  }
}
