internal import ReferenceMath
internal import Tensors

/// Resize and its forerunner Upsample.
///
/// Interpolation goes one axis after another: what an element of the output is along an axis is a weighted sum of a few
/// elements of the input.
extension Evaluation {
  static var resizeOperators: [String: Operation] {
    ["Resize": resize, "Upsample": resize]
  }

  private static func resize(_ call: Call<S>) throws(ONNXError) -> [Value<S>?] {
    let value = try call.value(0)
    let resizing = try Resizing(call, input: value.shape)
    try call.checked(resizing.shape)
    var sources: [[[Resizing.Source]?]] = []
    for axis in value.shape.indices { sources.append(try resizing.sources(axis, call)) }
    if resizing.mode == "nearest" {
      let outside = (call.real("extrapolation_value") ?? 0).decided
      return [try nearest(call, value, resizing.shape, sources, outside: outside)]
    }
    // The text does not say how integers are rounded, and runtimes differ.
    guard case .float(var array, let type) = value else { throw call.wrongType(0, value.elementType) }
    for axis in value.shape.indices {
      array = try interpolated(
        call, array, axis, sources[axis], outside: call.real("extrapolation_value") ?? 0)
    }
    return [.float(array, type)]
  }

  private static func nearest(
    _ call: Call<S>, _ value: Value<S>, _ shape: [Int], _ sources: [[[Resizing.Source]?]], outside: Double
  ) throws(ONNXError) -> Value<S> {
    let filled: Value<S>
    switch value {
    case .float(_, let type):
      filled = value.appending(.float(NDArray(shape: [1], elements: [S(outside)]), type))
    case .integer(_, let type):
      guard let whole = Int64(exactly: outside), type.integerRange.contains(whole) else {
        throw call.unsupported("extrapolation_value", "\(outside) is no \(type.rawValue)")
      }
      filled = value.appending(.integer(NDArray(shape: [1], elements: [whole]), type))
    }
    let own = rowMajorStrides(value.shape)
    let positions = everyIndex(shape) { index in
      var position = 0
      for axis in index.indices {
        guard let source = sources[axis][index[axis]] else { return value.count }
        position += source[0].index * own[axis]
      }
      return position
    }
    return filled.picked(positions, shape: shape)
  }

  /// The weighted sums along one axis.
  private static func interpolated(
    _ call: Call<S>, _ array: NDArray<S>, _ axis: Int, _ sources: [[Resizing.Source]?], outside: S
  ) throws(ONNXError) -> NDArray<S> {
    var shape = array.shape
    shape[axis] = sources.count
    try call.checked(shape)
    let outer = shape[..<axis].reduce(1, *)
    let inner = shape[(axis + 1)...].reduce(1, *)
    try call.evaluation.spend(
      [outer, inner, sources.reduce(1) { $0 + 4 * ($1?.count ?? 1) }], call.step.label)
    var elements: [S] = []
    elements.reserveCapacity(outer * sources.count * inner)
    for block in 0..<outer {
      for source in sources {
        guard let source else {
          elements.append(contentsOf: repeatElement(outside, count: inner))
          continue
        }
        for column in 0..<inner {
          var (sum, seen) = (0 as S, 0 as S)
          for source in source {
            let element = array.elements[(block * array.shape[axis] + source.index) * inner + column]
            sum = sum + S(source.weight) * element
            seen = seen + abs(element)
          }
          // Runtimes compute the place, and with it the weights, in the format: the farther, the less exactly.
          elements.append(sum.alsoRounded(8 * ((source.first?.index ?? 0) + 4), seen))
        }
      }
    }
    return NDArray(shape: shape, elements: elements)
  }
}

/// What Resize makes of the sizes, and where along an axis the elements of the output come from.
///
/// Places are computed in Float64 whatever the precision is, so that both precisions choose the same neighbours.
struct Resizing {
  let mode: String
  let shape: [Int]
  private let input: [Int]
  private let scales: [Double]
  private let roi: [(start: Double, end: Double)]
  private let transformation: String

  struct Source {
    let index: Int
    let weight: Double
  }

  init<S>(_ call: Call<S>, input: [Int]) throws(ONNXError) {
    self.input = input
    mode = call.string("mode") ?? "nearest"
    guard ["nearest", "linear"].contains(mode) || mode == "cubic" && call.opset >= 11 else {
      throw call.unsupported("mode", "'\(mode)' is no mode of opset \(call.opset)")
    }
    // Upsample and the first Resize know this one.
    transformation = call.string("coordinate_transformation_mode") ?? "asymmetric"
    let axes = try call.axes(call.ints("axes") ?? Array(input.indices), rank: input.count)
    func numbers(_ position: Int, count: Int) throws(ONNXError) -> [Double]? {
      guard call.has(position) else { return nil }
      let array = try call.float(position).array
      if array.count == 0 { return nil }
      guard array.shape == [count] else {
        throw call.mismatch(position, expected: "[\(count)]", found: array.shape)
      }
      return array.elements.map(\.decided)
    }
    var roi = input.map { _ in (start: 0.0, end: 1.0) }
    if transformation == "tf_crop_and_resize" {
      guard let given = try numbers(1, count: 2 * axes.count), given.allSatisfy(\.isFinite) else {
        throw call.invalid("tf_crop_and_resize needs a roi of finite numbers")
      }
      for (position, axis) in axes.enumerated() {
        roi[axis] = (given[position], given[axes.count + position])
      }
    }
    self.roi = roi

    var (shape, scales) = (input, input.map { _ in 1.0 })
    let givenScales: [Double]?
    if call.step.attributes["scales"] != nil {
      givenScales = call.reals("scales").map(\.decided)
    } else {
      givenScales = try numbers(call.opset < 11 ? 1 : 2, count: axes.count)
    }
    let givenSizes = call.has(3) ? try call.list(3) : []
    if let givenScales {
      guard givenSizes.isEmpty else { throw call.invalid("scales and sizes are both given") }
      guard givenScales.count == axes.count, givenScales.allSatisfy({ $0 > 0 && $0.isFinite }) else {
        throw call.invalid("scales \(givenScales.prefix(8)) are not \(axes.count) numbers above 0")
      }
      for (axis, scale) in zip(axes, givenScales) {
        scales[axis] = scale
        // In Float32, as scales are: ten times 0.7 are seven.
        let extent = transformation == "tf_crop_and_resize" ? Float(roi[axis].end - roi[axis].start) : 1
        let size = (Float(input[axis]) * extent * Float(scale)).rounded(.down)
        guard let whole = Int(exactly: size) else { throw call.invalid("an axis of \(size) elements") }
        shape[axis] = whole
      }
    } else {
      guard givenSizes.count == axes.count else {
        throw call.invalid("neither scales nor sizes of \(axes.count) axes are given")
      }
      guard givenSizes.allSatisfy({ $0 >= 0 }) else { throw call.invalid("sizes \(givenSizes) are negative") }
      for (axis, size) in zip(axes, givenSizes) {
        guard input[axis] > 0 else {
          throw call.mismatch(0, expected: "elements on axis \(axis)", found: input)
        }
        (shape[axis], scales[axis]) = (size, Double(size) / Double(input[axis]))
      }
      let policy = call.string("keep_aspect_ratio_policy") ?? "stretch"
      guard ["stretch", "not_larger", "not_smaller"].contains(policy) else {
        throw call.unsupported("keep_aspect_ratio_policy", "'\(policy)' is no such policy")
      }
      let resized = axes.map { scales[$0] }
      if policy != "stretch", let one = policy == "not_larger" ? resized.min() : resized.max() {
        for axis in axes {
          scales[axis] = one
          // Halves are rounded up.
          guard let size = Int(exactly: (one * Double(input[axis]) + 0.5).rounded(.down)) else {
            throw call.invalid("sizes \(givenSizes) are too large")
          }
          shape[axis] = size
        }
      }
    }
    (self.shape, self.scales) = (shape, scales)
  }

  /// Where each element of the output along an axis comes from; nil for `extrapolation_value`.
  func sources<S>(_ axis: Int, _ call: Call<S>) throws(ONNXError) -> [[Source]?] {
    let (length, size) = (shape[axis], input[axis])
    // What is not resized stays, exactly.
    if length == size, scales[axis] == 1, roi[axis] == (0, 1) {
      return (0..<size).map { [Source(index: $0, weight: 1)] }
    }
    guard length == 0 || size > 0 else {
      throw call.mismatch(0, expected: "elements on axis \(axis)", found: input)
    }
    let stretches = try call.flag("antialias")
    if stretches, mode == "nearest" { throw call.unsupported("antialias", "mode nearest has none") }
    let stretch = stretches ? min(scales[axis], 1) : 1
    let reach = (mode == "cubic" ? 2 : 1) / stretch
    // Each place looks at as many elements as its filter reaches over.
    try call.evaluation.spend([length, Int(min(2 * reach, 1e15)) + 4, 32], call.step.label)
    let excludes = try call.flag("exclude_outside")
    let a = (call.real("cubic_coeff_a") ?? 0).decided
    var sources: [[Source]?] = []
    for index in 0..<length {
      let x = try original(index, axis, call)
      if transformation == "tf_crop_and_resize", !(x >= 0 && x <= Double(size - 1)) {
        sources.append(nil)
        continue
      }
      if mode == "nearest" {
        sources.append([Source(index: held(try nearest(x, axis, call), size), weight: 1)])
        continue
      }
      // Far outside, only the edge is seen in any case.
      let place = min(max(x, -Double(size) - 4 - reach), 2 * Double(size) + 4 + reach)
      var found: [Source] = []
      for neighbour in Int((place - reach).rounded(.up))...Int((place + reach).rounded(.down)) {
        if excludes, neighbour < 0 || neighbour >= size { continue }
        let weight = filter(abs(Double(neighbour) - place) * stretch, a)
        if weight != 0 { found.append(Source(index: held(Double(neighbour), size), weight: weight)) }
      }
      let total = found.reduce(0) { $0 + $1.weight }
      guard total != 0 else { throw call.invalid("all that an element is made of lies outside") }
      sources.append(
        stretches || excludes ? found.map { Source(index: $0.index, weight: $0.weight / total) } : found)
    }
    return sources
  }

  /// The weight of an element at a distance: linear, or the cubic convolution of Keys with coefficient a.
  private func filter(_ d: Double, _ a: Double) -> Double {
    if mode == "linear" { return max(0, 1 - d) }
    if d <= 1 { return ((a + 2) * d - (a + 3)) * d * d + 1 }
    return d < 2 ? ((a * d - 5 * a) * d + 8 * a) * d - 4 * a : 0
  }

  private func held(_ index: Double, _ size: Int) -> Int { Int(min(max(index, 0), Double(size - 1))) }

  /// The place in the input that an index of the output stands for.
  private func original<S>(_ index: Int, _ axis: Int, _ call: Call<S>) throws(ONNXError) -> Double {
    let (x, scale) = (Double(index), scales[axis])
    let (length, size) = (Double(shape[axis]), Double(input[axis]))
    switch transformation {
    case "half_pixel": return (x + 0.5) / scale - 0.5
    case "half_pixel_symmetric" where call.opset >= 19:
      // The middle of the output lies on the middle of the input, even where its length was rounded.
      let offset = size / 2 * (1 - length / (scale * size))
      return offset + (x + 0.5) / scale - 0.5
    case "pytorch_half_pixel": return length > 1 ? (x + 0.5) / scale - 0.5 : 0
    case "align_corners": return length > 1 ? x * (size - 1) / (length - 1) : 0
    case "asymmetric": return x / scale
    case "tf_half_pixel_for_nn" where call.opset < 13: return (x + 0.5) / scale
    case "tf_crop_and_resize":
      let (start, end) = roi[axis]
      return length > 1
        ? start * (size - 1) + x * (end - start) * (size - 1) / (length - 1)
        : 0.5 * (start + end) * (size - 1)
    default:
      throw call.unsupported(
        "coordinate_transformation_mode", "'\(transformation)' is no mode of opset \(call.opset)")
    }
  }

  private func nearest<S>(_ x: Double, _ axis: Int, _ call: Call<S>) throws(ONNXError) -> Double {
    // Before there was a choice: down where the axis grows, up where it shrinks, as the package's own example has it.
    switch call.string("nearest_mode") ?? (scales[axis] < 1 && call.opset == 10 ? "ceil" : "floor") {
    case "round_prefer_floor": return (x - 0.5).rounded(.up)
    case "round_prefer_ceil": return (x + 0.5).rounded(.down)
    case "floor": return x.rounded(.down)
    case "ceil": return x.rounded(.up)
    case let other: throw call.unsupported("nearest_mode", "'\(other)' is no such mode")
    }
  }
}
