internal import ONNXFormat
internal import Tensors
internal import Verification

/// Inputs for a graph that nothing is known of but what it says of its inputs, to see what it computes.
struct MadeUpInputs {
  let infos: [ONNXValueInfo]
  /// Values that the user gave: for inputs, and for sizes that are open.
  let bindings: [String: Tensor]

  /// Inputs of growing and of equal sizes, one set after another: a graph may take some of them only.
  ///
  /// Nil where an input's rank or type is not stated.
  var sets: [[String: Tensor]]? {
    guard infos.allSatisfy({ bindings[$0.name] != nil || $0.shape != nil && $0.elementType != nil }) else {
      return nil
    }
    // Of the sizes that are open: the first one, and how much larger each next one is.
    let sizes: [(first: Int, step: Int)] = [
      (3, 2), (2, 5), (5, 1), (4, 0), (8, 0), (16, 0), (1, 0), (64, 0), (128, 64),
    ]
    return sizes.enumerated().map { index, size in
      set(first: size.first, step: size.step, seed: UInt64(index + 1))
    }
  }

  private func set(first: Int, step: Int, seed: UInt64) -> [String: Tensor] {
    var generator = SplitMix(state: seed)
    var symbols: [String: Int] = [:]
    var result: [String: Tensor] = [:]
    for info in infos {
      if let given = bindings[info.name] {
        result[info.name] = given
        continue
      }
      let shape = (info.shape ?? []).enumerated().map { axis, size -> Int in
        if case .fixed(let number) = size { return number }
        let names = info.sizeNames(axis)
        let bound = names.compactMap { bindings[$0] }.first.flatMap { try? $0.integers() }
        if let bound, bound.count == 1, (1...(1 << 24)).contains(bound[0]) { return Int(bound[0]) }
        let name = names.first ?? info.name
        let number = symbols[name] ?? first + step * symbols.count
        symbols[name] = number
        return number
      }
      result[info.name] = tensor(info.elementType ?? .float32, shape, &generator)
    }
    return result
  }

  /// Floats between −1 and 1; integers of one axis, which may be lengths, are 1, others small; of several no more than a few million.
  private func tensor(_ type: ElementType, _ shape: [Int], _ generator: inout SplitMix) -> Tensor {
    var count = 1
    for size in shape {
      let (product, overflow) = count.multipliedReportingOverflow(by: size)
      count = overflow ? .max : product
    }
    guard count <= 1 << 24 else { return Tensor([Float](), shape: [0]) }
    if type.isFloat {
      let values = (0..<count).map { _ in Float(Int64.random(in: -1024...1024, using: &generator)) / 1024 }
      return Tensor(values, shape: shape)
    }
    let values = (0..<count).map { _ in
      type == .bool
        ? Int64.random(in: 0...1, using: &generator)
        : shape.count < 2 ? 1 : Int64.random(in: 0...2, using: &generator)
    }
    if type == .bool { return Tensor(values.map { $0 != 0 }, shape: shape) }
    return (try? Tensor(values, shape: shape).converted(to: type).tensor) ?? Tensor(values, shape: shape)
  }
}
