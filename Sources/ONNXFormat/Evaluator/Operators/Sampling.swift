internal import ReferenceMath
internal import Tensors

/// Elements of an image at places that a tensor names: GridSample, and AffineGrid, which makes such tensors.
extension Evaluation {
  static var samplingOperators: [String: Operation] {
    ["GridSample": gridSample, "AffineGrid": affineGrid]
  }

  /// What lies outside of the image.
  private enum Padding { case zeros, border, reflection }

  private static func gridSample(_ call: Call<S>) throws(ONNXError) -> [Value<S>?] {
    let ((X, type), grid) = (try call.float(0), try call.float(1).array)
    let image = try call.spatial(X.shape)
    let rank = image.count
    guard call.opset >= 20 || rank == 2 else {
      throw call.mismatch(0, expected: "[N, C, H, W]", found: X.shape)
    }
    guard grid.rank == X.rank, grid.shape[0] == X.shape[0], grid.shape.last == rank else {
      throw call.mismatch(1, expected: "[\(X.shape[0]), ..., \(rank)]", found: grid.shape)
    }
    let aligns = try call.flag("align_corners")
    let padding: Padding
    switch call.string("padding_mode") {
    case "zeros": padding = .zeros
    case "border": padding = .border
    case "reflection": padding = .reflection
    case let other: throw call.unsupported("padding_mode", "'\(other ?? "")' is no such mode")
    }
    // The names changed with opset 20.
    let isNearest = call.string("mode") == "nearest"
    let filter: (Double) -> [(index: Int, weight: Double)]
    switch (call.string("mode") ?? "", call.opset >= 20) {
    case ("nearest", _): filter = { [(Int($0.rounded(.toNearestOrEven)), 1)] }
    case ("bilinear", false), ("linear", true): filter = Self.linear
    case ("bicubic", false), ("cubic", true): filter = Self.cubic
    case (let other, _): throw call.unsupported("mode", "'\(other)' is no mode of opset \(call.opset)")
    }
    let places = Array(grid.shape[1...rank])
    let shape = try call.checked(Array(X.shape.prefix(2)) + places)
    let taps = filter(0.5).count
    try call.evaluation.spend(
      shape + [Int](repeating: taps, count: rank) + [4], call.step.label)
    try call.evaluation.spend([grid.count, 64], call.step.label)

    let (N, C) = (X.shape[0], X.shape[1])
    let (perImage, perPlaces) = (image.reduce(1, *), places.reduce(1, *))
    let reach = image.reduce(4, +) * rank
    var elements = [S](repeating: 0, count: shape.reduce(1, *))
    for n in 0..<N {
      for place in 0..<perPlaces {
        let start = (n * perPlaces + place) * rank
        var sources = [(position: 0, weight: 1.0)]
        for axis in image.indices {
          // A place names the last axis first.
          let normal = grid.elements[start + rank - 1 - axis].decided
          let size = image[axis]
          guard size > 0 else { throw call.invalid("a place at \(normal) of an axis of size \(size)") }
          var x =
            aligns ? (normal + 1) / 2 * Double(size - 1) : ((normal + 1) * Double(size) - 1) / 2
          guard x.isFinite else { throw call.invalid("a place at \(normal) of an axis of size \(size)") }
          if isNearest { x.round(.toNearestOrEven) }
          let found = filter(settled(x, size, padding, aligns)).compactMap { index, weight in
            inside(index, size, padding, aligns).map { ($0, weight) }
          }
          sources = sources.flatMap { source in
            found.map { (source.position * size + $0.0, source.weight * $0.1) }
          }
        }
        for c in 0..<C {
          let plane = (n * C + c) * perImage
          let (sum, seen) = sources.reduce((0 as S, 0 as S)) {
            let element = X.elements[plane + $1.position]
            return ($0.0 + S($1.weight) * element, $0.1 + abs(element))
          }
          // Runtimes compute the place in the format: the farther, the less exactly.
          elements[(n * C + c) * perPlaces + place] = isNearest ? sum : sum.alsoRounded(8 * reach, seen)
        }
      }
    }
    return [.float(NDArray(shape: shape, elements: elements), type)]
  }

  /// A coordinate, brought inside by the padding where it has a way to: so that it is a number that an index can be made of.
  private static func settled(_ x: Double, _ size: Int, _ padding: Padding, _ aligns: Bool) -> Double {
    let (low, high) = aligns ? (0, Double(size - 1)) : (-0.5, Double(size) - 0.5)
    if x >= low && x <= high { return x }
    switch padding {
    case .zeros: return min(max(x, -8), Double(size) + 8)
    case .border: return min(max(x, 0), Double(size - 1))
    case .reflection: return reflected(x, size, aligns)
    }
  }

  /// Reflected at the middles of the outermost elements (corners aligned), or at their outer edges, as often as is needed.
  private static func reflected(_ x: Double, _ size: Int, _ aligns: Bool) -> Double {
    let (low, high) = aligns ? (0, Double(size - 1)) : (-0.5, Double(size) - 0.5)
    let span = high - low
    if span == 0 { return low }
    var rest = (x - low).truncatingRemainder(dividingBy: 2 * span)
    if rest < 0 { rest += 2 * span }
    return low + (rest > span ? 2 * span - rest : rest)
  }

  /// The element that stands for an index, nil where that is none.
  private static func inside(_ index: Int, _ size: Int, _ padding: Padding, _ aligns: Bool) -> Int? {
    if index >= 0 && index < size { return index }
    switch padding {
    case .zeros: return nil
    case .border: return min(max(index, 0), size - 1)
    case .reflection:
      return min(max(Int(reflected(Double(index), size, aligns).rounded(.toNearestOrEven)), 0), size - 1)
    }
  }

  private static func linear(_ x: Double) -> [(index: Int, weight: Double)] {
    let low = x.rounded(.down)
    return [(Int(low), 1 - (x - low)), (Int(low) + 1, x - low)]
  }

  /// The cubic convolution of Keys with coefficient −0.75.
  private static func cubic(_ x: Double) -> [(index: Int, weight: Double)] {
    let (low, a) = (x.rounded(.down), -0.75)
    return (-1...2).map { offset in
      let d = abs(low + Double(offset) - x)
      let weight =
        d <= 1 ? ((a + 2) * d - (a + 3)) * d * d + 1 : d < 2 ? ((a * d - 5 * a) * d + 8 * a) * d - 4 * a : 0
      return (Int(low) + offset, weight)
    }
  }

  /// theta · (x, y, …, 1) for every place of a grid from −1 to 1, the last axis named first.
  private static func affineGrid(_ call: Call<S>) throws(ONNXError) -> [Value<S>?] {
    let ((theta, type), size) = (try call.float(0), try call.list(1))
    let rank = size.count - 2
    guard rank == 2 || rank == 3, theta.shape == [size[0], rank, rank + 1] else {
      throw call.mismatch(0, expected: "[N, 2, 3] or [N, 3, 4], for sizes \(size)", found: theta.shape)
    }
    let aligns = try call.flag("align_corners")
    let places = Array(size.dropFirst(2))
    let shape = try call.checked([size[0]] + places + [rank])
    try call.evaluation.spend(shape + [rank + 1, 4], call.step.label)
    func coordinate(_ index: Int, _ size: Int) -> S {
      if aligns { return size == 1 ? -1 : 2 * S(index) / S(size - 1) - 1 }
      return (2 * S(index) + 1) / S(size) - 1
    }
    var elements: [S] = []
    for n in 0..<size[0] {
      for place in 0..<places.reduce(1, *) {
        let index = Windows.index(place, in: places)
        let point = zip(index, places).reversed().map { coordinate($0, $1) } + [1]
        for row in 0..<rank {
          let start = (n * rank + row) * (rank + 1)
          elements.append(point.indices.reduce(0) { $0 + theta.elements[start + $1] * point[$1] })
        }
      }
    }
    return [.float(NDArray(shape: shape, elements: elements), type)]
  }
}
