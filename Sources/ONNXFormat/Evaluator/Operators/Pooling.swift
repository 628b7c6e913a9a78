internal import ReferenceMath
internal import Tensors

/// What becomes one number of the elements under a kernel, or of all elements of a channel.
extension Evaluation {
  static var poolingOperators: [String: Operation] {
    [
      "MaxPool": maxPool, "AveragePool": averagePool,
      "LpPool": { call throws(ONNXError) in
        let norm = try norm(call)
        return [try pool(call) { elements, _ in norm(elements) }]
      },
      "GlobalAveragePool": global { _ in { $0.reduce(0, +) / S($0.count) } },
      "GlobalMaxPool": global { _ in { $0.reduce(-.infinity, S.larger) } },
      "GlobalLpPool": global { call throws(ONNXError) in
        let norm = try norm(call)
        return { norm(Array($0)) }
      },
    ]
  }

  /// (Σ |x|ᵖ) to the power 1/p
  private static func norm(_ call: Call<S>) throws(ONNXError) -> ([S]) -> S {
    let p = call.int("p") ?? 2
    guard p >= 1 else { throw call.unsupported("p", "\(p) is not 1 or more") }
    if p == 2 { return { S.norm($0[...]) } }
    return { elements in
      let total: S = elements.reduce(0) { $0 + (p == 1 ? abs($1) : S.pow(abs($1), S(p))) }
      return p == 1 ? total : S.pow(total, 1 / S(p))
    }
  }

  private static func global(_ make: @escaping (Call<S>) throws(ONNXError) -> (ArraySlice<S>) -> S)
    -> Operation
  {
    { call throws(ONNXError) in
      let (x, type) = try call.float(0)
      guard x.rank >= 2 else { throw call.mismatch(0, expected: "[N, C, ...]", found: x.shape) }
      return [.float(x.reduced(axes: Array(2..<x.rank), try make(call)), type)]
    }
  }

  /// The windows of a pool, and the shape of its output.
  private static func windows(_ call: Call<S>, over shape: [Int]) throws(ONNXError) -> (Windows, shape: [Int])
  {
    let image = try call.spatial(shape)
    let kernel = try call.sizes("kernel_shape", count: image.count, standard: 1, atLeast: 1)
    let windows = try Windows(call, image: image, kernel: kernel)
    let output = try call.checked(Array(shape.prefix(2)) + windows.places)
    // No window holds more than the whole image.
    try call.evaluation.spend(output + zip(kernel, image).map { min($0, $1) }, call.step.label)
    // Finding what a window covers.
    try call.evaluation.spend(windows.places + [256], call.step.label)
    return (windows, output)
  }

  /// `body` of the positions in the image that lie under the kernel, for each place; the results of a plane (n, c) stand
  /// together.
  private static func overPlaces<Result>(
    _ windows: Windows, planes: Int, _ body: (_ plane: Int, _ covered: [Int], _ place: [Int]) -> Result
  ) -> [Result] {
    let places = windows.places.reduce(1, *)
    let columns = (0..<places).map { position in
      let place = Windows.index(position, in: windows.places)
      let covered = windows.covered(at: place)
      return (0..<planes).map { body($0, covered, place) }
    }
    return (0..<planes).flatMap { plane in columns.map { $0[plane] } }
  }

  /// A pool of floats: `body` of the elements under the kernel, and of how many it covers with the padding.
  private static func pool(_ call: Call<S>, _ body: ([S], Double) -> S) throws(ONNXError) -> Value<S> {
    let (x, type) = try call.float(0)
    let (windows, shape) = try windows(call, over: x.shape)
    let image = windows.image.reduce(1, *)
    let elements = overPlaces(windows, planes: x.shape[0] * x.shape[1]) { plane, covered, place in
      body(covered.map { x.elements[plane * image + $0] }, windows.coveredWithPadding(at: place))
    }
    return .float(NDArray(shape: shape, elements: elements), type)
  }

  private static func averagePool(_ call: Call<S>) throws(ONNXError) -> [Value<S>?] {
    let countsPadding = try call.flag("count_include_pad")
    return [
      try pool(call) { elements, withPadding in
        elements.reduce(0, +) / (countsPadding ? S(withPadding) : S(elements.count))
      }
    ]
  }

  /// The largest element, and where it stands in the whole input (of equal ones the first); `storage_order` 1 counts the
  /// elements of a channel with the first axis fastest.
  private static func maxPool(_ call: Call<S>) throws(ONNXError) -> [Value<S>?] {
    let value = try call.value(0)
    let (windows, shape) = try windows(call, over: value.shape)
    let image = windows.image.reduce(1, *)
    let isColumnMajor = try call.flag("storage_order")
    // Where it stands is decided only if somebody asks.
    let isPlaceNeeded = call.step.outputs.count > 1 && !call.step.outputs[1].isEmpty
    func pooled<E>(
      _ x: NDArray<E>, least: E, estimate: (E) -> Double, _ largest: ([E], _ best: Int) -> E
    ) -> (largest: NDArray<E>, indices: Value<S>) {
      let found = overPlaces(windows, planes: value.shape[0] * value.shape[1]) { plane, covered, _ in
        var best: (element: Double, place: Int)?
        let elements = covered.map { x.elements[plane * image + $0] }
        for (place, element) in elements.map(estimate).enumerated() {
          // A NaN stays.
          if let held = best, held.element.isNaN || element <= held.element { continue }
          best = (element, place)
        }
        guard let place = best?.place else { return (least, plane * image) }
        let winner = (element: largest(elements, place), position: covered[place])
        let position =
          isColumnMajor
          ? zip(Windows.index(winner.position, in: windows.image), windows.image).reversed().reduce(0) {
            $0 * $1.1 + $1.0
          } : winner.position
        return (winner.element, plane * image + position)
      }
      return (NDArray(shape: shape, elements: found.map(\.0)), .int64(found.map(\.1), shape: shape))
    }
    switch value {
    case .float(let x, let type):
      let (largest, indices) = pooled(x, least: -.infinity, estimate: \.estimate) { elements, best in
        if isPlaceNeeded {
          S.noteOrder([elements[best]] + elements[..<best] + elements[(best + 1)...], first: 1)
        }
        return elements.dropFirst().reduce(elements[0], S.larger)
      }
      return [.float(largest, type), indices]
    case .integer(let x, let type):
      guard call.opset >= 12, type == .int8 || type == .uint8 else { throw call.wrongType(0, type) }
      let (largest, indices) = pooled(
        x, least: type.integerRange.lowerBound, estimate: { Double($0) }, { $0[$1] })
      return [.integer(largest, type), indices]
    }
  }
}
