internal import ByteIO

/// How a window goes along one axis: that of time, or one of fixed size inside the features.
///
/// Features that hold axes are channels × axes, major first: of C channels over an image of h × w, feature (c·h + y)·w + x.
public struct WindowAxis: Sendable, Hashable {
  /// n, how many places the axis has; nil for time, whose steps a run tells.
  public var size: Int?
  /// k, how many places the window reads.
  public var kernel: Int
  /// How far the window moves.
  public var stride: Int
  /// How far the places that the window reads lie from one another.
  public var dilation: Int
  /// Places in front of the first.
  public var before: Int
  /// Places behind the last.
  public var after: Int

  /// By default a window moves by one place, reads neighbours, and stays inside.
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

  /// None of its numbers may be larger: so no sum or product of two of them overflows.
  package static let most = 1 << 24
  /// Nor may it add more places at an end: a few bytes of a file would make any number of results.
  package static let mostAdded = 1 << 16

  /// d·(k − 1) + 1: the places from the first that a window reads to the last.
  package var span: Int { dilation * (kernel - 1) + 1 }

  /// How many places the result has along the axis, of n: ⌊(n + before + after − span) ÷ stride⌋ + 1, or none.
  ///
  /// - Parameter roundsUp: ⌈ ⌉ in place of ⌊ ⌋, but no window begins behind the last place.
  package func places(of n: Int, roundsUp: Bool = false) -> Int {
    let room = n + before + after - span
    guard n > 0, room >= 0 else { return 0 }
    let down = room / stride + 1
    guard roundsUp, room % stride != 0, down * stride < n + before else { return down }
    return down + 1
  }

  /// The place that a window's k-th part reads for the result's place m; nil outside.
  package func source(_ m: Int, _ k: Int, of n: Int) -> Int? {
    let place = m * stride + k * dilation - before
    return (0..<n).contains(place) ? place : nil
  }

  /// Whether one of its results, of n places, sees none of them: the parts of a dilated window may lie on both sides of all.
  package func isBlind(of n: Int, roundsUp: Bool = false) -> Bool {
    guard n < dilation else { return false }
    return (0..<places(of: n, roundsUp: roundsUp)).contains { m in
      // The first part that does not lie in front.
      let part = max(0, (before - m * stride + dilation - 1) / dilation)
      return part >= kernel || source(m, part, of: n) == nil
    }
  }

  /// Whether a step of the result is made of the same step alone.
  var isPointwise: Bool { kernel == 1 && stride == 1 && before == 0 && after == 0 }
}

extension [WindowAxis] {
  /// Those along which a window does something: the others see one place of one, or each step by itself.
  package var needed: [WindowAxis] { filter { !($0.isPointwise && $0.size ?? 1 == 1) } }

  /// The product of the axes inside the features.
  package var places: Int { reduce(1) { $0 * ($1.size ?? 1) } }

  /// The same of the result.
  package func results(roundsUp: Bool = false) -> Int {
    reduce(1) { product, axis in product * (axis.size.map { axis.places(of: $0, roundsUp: roundsUp) } ?? 1) }
  }

  /// Checks them for features of `channels`·places; returns what the result of `made` channels is.
  func result(
    _ inputs: LayerInputs, _ input: ValueKind, channels: Int, made: Int, roundsUp: Bool = false
  ) throws(ModelError) -> ValueKind {
    guard (1...3).contains(count) else { throw inputs.invalid("a window of \(count) axes, not of 1 to 3") }
    guard filter({ $0.size == nil }).count <= (input.hasTime ? 1 : 0) else {
      throw inputs.invalid("two axes of its window are time, or its input has none")
    }
    for axis in self {
      let numbers = [axis.kernel, axis.stride, axis.dilation, axis.size ?? 1]
      guard numbers.allSatisfy({ (1...WindowAxis.most).contains($0) }),
        [axis.before, axis.after].allSatisfy({ (0...WindowAxis.mostAdded).contains($0) })
      else { throw inputs.invalid("a window of \(axis)") }
      if let size = axis.size, axis.places(of: size, roundsUp: roundsUp) == 0 {
        throw inputs.invalid(
          "a window over \(axis.span) places does not fit into \(size + axis.before + axis.after)")
      }
    }
    guard checkedProduct([channels] + map { $0.size ?? 1 }) == input.features else {
      throw inputs.invalid(
        "\(channels) channels of \(map { $0.size ?? 1 }) places are not the \(input.features) features")
    }
    let results = map { axis in axis.size.map { axis.places(of: $0, roundsUp: roundsUp) } ?? 1 }
    guard let features = checkedProduct([made] + results), features <= ValueKind.mostFeatures else {
      throw inputs.invalid(
        "\(made) channels of \(results) places are more than \(ValueKind.mostFeatures) features")
    }
    return input.with(features: features)
  }
}

extension [WindowAxis] {
  func write<Fields: FieldWriter>(to fields: inout Fields) throws(Fields.Failure) {
    for (index, axis) in enumerated() {
      fields.begin("axes", part: "axis\(index)")
      if let size = axis.size { try fields.integer("size", size) }
      try fields.integer("kernel", axis.kernel)
      try fields.integer("stride", axis.stride)
      try fields.integer("dilation", axis.dilation)
      try fields.integer("before", axis.before)
      try fields.integer("after", axis.after)
      fields.end()
    }
  }

  init<Fields: FieldReader>(from fields: inout Fields) throws(Fields.Failure) {
    self = []
    for index in 0..<(try fields.partCount("axes")) {
      try fields.begin("axes", part: index)
      append(
        WindowAxis(
          size: try fields.optionalSize("size"), kernel: try fields.size("kernel"),
          stride: try fields.size("stride"), dilation: try fields.size("dilation"),
          before: try fields.size("before"), after: try fields.size("after")))
      try fields.end()
    }
  }

  /// As `LayerKind.steps(of:)`.
  package func steps(of input: Int?, roundsUp: Bool = false) -> Int? {
    guard let time = first(where: { $0.size == nil }), let input else { return input ?? 0 }
    let places = time.places(of: input, roundsUp: roundsUp)
    return places > 0 ? places : nil
  }

  /// Why its result cannot be made step by step; nil where it can.
  var reasonNotToStream: String? {
    contains { $0.size == nil && !$0.isPointwise } ? "its window reaches over other steps" : nil
  }
}

extension ValueKind {
  /// A layer that makes many features of few may make no more.
  package static let mostFeatures = 1 << 22
}
