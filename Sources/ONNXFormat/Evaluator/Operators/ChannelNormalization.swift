internal import ReferenceMath
internal import Tensors

/// Normalisations by what stands around an element: its instance, its group of channels, some axes, its neighbours.
extension Evaluation {
  static var channelNormalizationOperators: [String: Operation] {
    [
      "InstanceNormalization": { call throws(ONNXError) in
        let (x, type) = try call.float(0)
        guard x.rank >= 2 else { throw call.mismatch(0, expected: "[N, C, ...]", found: x.shape) }
        return [.float(try groups(call, x, x.shape[1], perGroup: false), type)]
      },
      "GroupNormalization": { call throws(ONNXError) in
        let (x, type) = try call.float(0)
        guard x.rank >= 2 else { throw call.mismatch(0, expected: "[N, C, ...]", found: x.shape) }
        let number = call.int("num_groups") ?? 0
        guard number > 0, x.shape[1] % number == 0 else {
          throw call.unsupported("num_groups", "\(x.shape[1]) channels do not make \(number) groups")
        }
        if call.opset >= 21 { try call.checkStashType() }
        return [.float(try groups(call, x, number, perGroup: call.opset < 21), type)]
      },
      "MeanVarianceNormalization": meanVarianceNormalization,
      "LpNormalization": lpNormalization,
      "RMSNormalization": rmsNormalization,
      "LRN": localResponseNormalization,
    ]
  }

  /// y = scale · (x − mean) / √(variance + epsilon) + bias, mean and variance over each group of channels of an instance;
  /// scale and bias for each channel, or (GroupNormalization before opset 21) for each group.
  private static func groups(
    _ call: Call<S>, _ x: NDArray<S>, _ number: Int, perGroup: Bool
  ) throws(ONNXError) -> NDArray<S> {
    let channels = x.shape[1]
    func parameter(_ position: Int) throws(ONNXError) -> [S] {
      let array = try call.float(position).array
      let expected = [perGroup ? number : channels]
      guard array.shape == expected else {
        throw call.mismatch(position, expected: "\(expected)", found: array.shape)
      }
      return array.elements
    }
    let (scale, bias) = (try parameter(1), try parameter(2))
    let epsilon = call.real("epsilon") ?? 0
    let inner = x.shape.dropFirst(2).reduce(1, *)
    let width = channels == 0 ? 0 : channels / number * inner
    var y = x
    for start in stride(from: 0, to: x.count, by: max(width, 1)) {
      let lane = x.elements[start..<(start + width)]
      let (mean, variance) = S.moments(lane)
      let deviation = (variance + epsilon).squareRoot()
      for position in lane.indices {
        let parameter = perGroup ? start / width % number : position / inner % channels
        let element = scale[parameter] * (x.elements[position] - mean) / deviation + bias[parameter]
        // Or as x · k + (bias − mean · k), k = scale / deviation.
        let k = scale[parameter] / deviation
        y.elements[position] = element.alsoRounded(6, x.elements[position] * k, mean * k, bias[parameter])
      }
    }
    return y
  }

  /// (X − mean) / (√variance + 10⁻⁹) over some axes; so the function that defines the operator keeps from dividing by 0.
  private static func meanVarianceNormalization(_ call: Call<S>) throws(ONNXError) -> [Value<S>?] {
    let (x, type) = try call.float(0)
    let axes = try call.axes(call.ints("axes") ?? [], rank: x.rank).sorted()
    let statistics = x.reduced(axes: axes) { S.moments($0) }
    let y = NDArray(x, statistics, shape: x.shape) { ($0 - $1.mean) / ($1.variance.squareRoot() + S(1e-9)) }
    return [.float(y, type)]
  }

  /// x / (Σ |x|ᵖ)^(1/p) along an axis; 0 where that norm is 0.
  private static func lpNormalization(_ call: Call<S>) throws(ONNXError) -> [Value<S>?] {
    let (x, type) = try call.float(0)
    let axis = try call.axisAttribute(rank: x.rank)
    let norm: (ArraySlice<S>) -> S
    switch call.int("p") {
    case 1: norm = { $0.reduce(0) { $0 + abs($1) } }
    case 2: norm = { S.norm($0) }
    case let other: throw call.unsupported("p", "\(other ?? 0) is neither 1 nor 2")
    }
    let y = NDArray(x, x.reduced(axes: [axis], norm), shape: x.shape) { $1 == 0 ? 0 : $0 / $1 }
    return [.float(y, type)]
  }

  /// Y = X / √(mean of X² + epsilon) · scale, the mean over the axes from `axis` on; and one over that root.
  static func rmsNormalization(_ call: Call<S>) throws(ONNXError) -> [Value<S>?] {
    let x = try call.float(0).array
    let axis = try call.axis(call.int("axis") ?? -1, rank: x.rank)
    try call.checkStashType()
    // The result has the type of the scale.
    let (scale, type) = (try call.parameter(1, of: x.shape), try call.float(1).type)
    let epsilon = call.real("epsilon") ?? 0
    let roots = x.reduced(axes: Array(axis..<x.rank)) { lane in
      (lane.reduce(0) { $0 + $1 * $1 } / S(lane.count) + epsilon).squareRoot()
    }
    let normal = NDArray<S>(x, roots, shape: x.shape) { $0 / $1 }
    return [
      .float(NDArray(normal, scale, shape: x.shape) { $0 * $1 }, type),
      .float(roots.map { 1 / $0 }, .float32),
    ]
  }

  /// X / (bias + alpha / size · Σ X²)^beta, the sum over as many channels around the element's own.
  private static func localResponseNormalization(_ call: Call<S>) throws(ONNXError) -> [Value<S>?] {
    let (x, type) = try call.float(0)
    guard x.rank >= 2 else { throw call.mismatch(0, expected: "[N, C, ...]", found: x.shape) }
    guard let size = call.int("size"), size > 0 else {
      throw call.unsupported("size", "it must be 1 or more")
    }
    let (alpha, beta, bias) = (call.real("alpha") ?? 0, call.real("beta") ?? 0, call.real("bias") ?? 0)
    let channels = x.shape[1]
    try call.evaluation.spend([x.count, min(size, channels), 4], call.step.label)
    let inner = x.shape.dropFirst(2).reduce(1, *)
    // Rounded down in front, up behind; no more than there are.
    let (before, behind) = (min((size - 1) / 2, channels), min(size / 2, channels))
    var y = x
    for position in x.elements.indices {
      let channel = position / inner % channels
      let around = max(0, channel - before)...min(channels - 1, channel + behind)
      let squares: S = around.reduce(0) { sum, other in
        let element = x.elements[position + (other - channel) * inner]
        return sum + element * element
      }
      y.elements[position] = x.elements[position] / S.pow(bias + alpha / S(size) * squares, beta)
    }
    return [.float(y, type)]
  }
}
