internal import Recurrent

/// Where a port's tensor keeps the elements of a canonical value.
struct PortArrangement {
  let shape: [Int]
  /// The sizes of all axes, those included that the shape goes without.
  let sizes: [Int]
  /// The canonical index of each element of the tensor; nil where the two orders are the same.
  let positions: [Int]?

  /// The arrangement of a value of T steps, B rows and F features.
  init(_ port: Model.Port, steps: Int, batch: Int) {
    let features = port.kind.features
    var sizes: [Int] = []
    var factors: [(size: Int, stride: Int)] = []
    for axis in port.axes {
      var size = 1
      for factor in axis.factors {
        switch factor {
        case .time: factors.append((steps, batch * features))
        case .batch: factors.append((batch, features))
        case .features(let stride, let count): factors.append((count, stride))
        }
        size *= factors.last!.size
      }
      sizes.append(size)
    }
    self.sizes = sizes
    shape = zip(port.axes, sizes).compactMap { $0.isDroppedAtOne && $1 == 1 ? nil : $1 }
    // The factors of all axes, one after another, are the digits of the element's row-major index.
    var expected = 1
    var isCanonical = true
    for factor in factors.reversed() where factor.size != 1 {
      isCanonical = isCanonical && factor.stride == expected
      expected *= factor.size
    }
    if isCanonical {
      positions = nil
    } else {
      positions = factors.reduce([0]) { positions, factor in
        positions.flatMap { base in (0..<factor.size).map { base + $0 * factor.stride } }
      }
    }
  }

  /// From the port's order to the canonical one.
  func canonical<Element>(_ elements: [Element]) -> [Element] {
    guard let positions else { return elements }
    var result = elements
    for (index, position) in positions.enumerated() { result[position] = elements[index] }
    return result
  }

  /// From the canonical order to the port's.
  func arranged<Element>(_ elements: [Element]) -> [Element] {
    guard let positions else { return elements }
    return positions.map { elements[$0] }
  }
}

extension Model.Port {
  /// The B that a tensor of this shape tells, or nil where no axis tells it.
  func batch(of shape: [Int]) throws(ForwardError) -> Int? {
    guard shape.count == axes.count else { throw wrongShape(shape) }
    var batch = hasBatch ? nil : 1
    for (axis, size) in zip(axes, shape) {
      if let fixed = axis.size, fixed != size { throw wrongShape(shape) }
      let features = axis.featureCount
      guard size % features == 0 else { throw wrongShape(shape) }
      if !axis.factors.contains(.time) {
        if axis.factors.contains(.batch) {
          batch = size / features
        } else if size != features {
          throw wrongShape(shape)
        }
      }
    }
    return batch
  }

  /// The T that a tensor of this shape tells, given B; 1 without a time axis.
  func steps(of shape: [Int], batch: Int) throws(ForwardError) -> Int {
    var steps = 1
    for (axis, size) in zip(axes, shape) where axis.factors.contains(.time) {
      let others = axis.featureCount * (axis.factors.contains(.batch) ? batch : 1)
      guard others == 0 ? size == 0 : size % others == 0 else { throw wrongShape(shape) }
      steps = others == 0 ? 0 : size / others
    }
    return steps
  }

  func wrongShape(_ found: [Int]) -> ForwardError {
    .wrongShape(port: name, expected: "[\(axes.map(\.text).joined(separator: ", "))]", found: found)
  }
}

extension PortAxis {
  /// The product of the feature factors: validation has bounded it by F.
  fileprivate var featureCount: Int {
    factors.reduce(1) { product, factor in
      if case .features(_, let count) = factor { product * count } else { product }
    }
  }

  fileprivate var text: String {
    if let size { return "\(size)" }
    if let symbol { return symbol }
    if factors.isEmpty { return "1" }
    return factors.map { factor in
      switch factor {
      case .time: "T"
      case .batch: "B"
      case .features(_, let count): "\(count)"
      }
    }.joined(separator: "·")
  }
}
