internal import ReferenceMath
internal import Tensors

/// A tensor while it is computed with: floats of every type as `S`, integers and booleans of every type as Int64.
///
/// The element type stated beside it is the one the graph means; integers are always in its range.
enum Value<S: ReferenceScalar>: Sendable {
  case float(NDArray<S>, ElementType)
  case integer(NDArray<Int64>, ElementType)

  var shape: [Int] {
    switch self {
    case .float(let array, _): array.shape
    case .integer(let array, _): array.shape
    }
  }

  var rank: Int { shape.count }

  var count: Int {
    switch self {
    case .float(let array, _): array.count
    case .integer(let array, _): array.count
    }
  }

  var elementType: ElementType {
    switch self {
    case .float(_, let type), .integer(_, let type): type
    }
  }

  /// Nil where a uint64 does not fit Int64.
  init?(_ tensor: Tensor) {
    if tensor.elementType.isFloat {
      self = .float(NDArray(shape: tensor.shape, elements: S.values(of: tensor)), tensor.elementType)
    } else {
      guard let integers = try? tensor.integers() else { return nil }
      // `integers()` clamps: the largest value stands for all that do not fit.
      if tensor.elementType == .uint64, integers.contains(.max) { return nil }
      self = .integer(NDArray(shape: tensor.shape, elements: integers), tensor.elementType)
    }
  }

  static func int64(_ values: [Int], shape: [Int]) -> Value {
    .integer(NDArray(shape: shape, elements: values.map(Int64.init)), .int64)
  }

  static func bools(_ array: NDArray<Bool>) -> Value { .integer(array.map { $0 ? 1 : 0 }, .bool) }

  /// Floats as F32 or F64, whichever `S` is; integers in the type that the graph means.
  func tensor() throws(TensorError) -> Tensor {
    switch self {
    case .float(let array, _): S.tensor(array.elements, shape: array.shape)
    case .integer(let array, .bool): Tensor(array.elements.map { $0 != 0 }, shape: array.shape)
    case .integer(let array, let type):
      try Tensor(array.elements, shape: array.shape).converted(to: type).tensor
    }
  }

  /// As a runtime may hold it that rounds to the type which the graph means.
  var held: Value {
    guard case .float(let array, let type) = self, type != .float32, type != .float64,
      let elements = S.held(array.elements, as: type)
    else { return self }
    return .float(NDArray(shape: array.shape, elements: elements), type)
  }

  func reshaped(_ shape: [Int]) -> Value {
    switch self {
    case .float(let array, let type): .float(array.reshaped(shape), type)
    case .integer(let array, let type): .integer(array.reshaped(shape), type)
    }
  }

  /// See `NDArray.strided`.
  func strided(shape: [Int], strides: [Int], offset: Int = 0) -> Value {
    switch self {
    case .float(let array, let type):
      .float(array.strided(shape: shape, strides: strides, offset: offset), type)
    case .integer(let array, let type):
      .integer(array.strided(shape: shape, strides: strides, offset: offset), type)
    }
  }

  func transposed(_ order: [Int]) -> Value {
    let own = rowMajorStrides(shape)
    return strided(shape: order.map { shape[$0] }, strides: order.map { own[$0] })
  }

  /// The element at each position, under a new shape.
  func picked(_ positions: [Int], shape: [Int]) -> Value {
    switch self {
    case .float(let array, let type): .float(array.picked(positions, shape: shape), type)
    case .integer(let array, let type): .integer(array.picked(positions, shape: shape), type)
    }
  }

  func expanded(to target: [Int]) -> Value {
    shape == target ? self : strided(shape: target, strides: broadcastStrides(shape, to: target))
  }

  /// The part of axis `axis` from `start`, `count` long.
  func sliced(axis: Int, start: Int, count: Int) -> Value {
    let strides = rowMajorStrides(shape)
    var target = shape
    target[axis] = count
    return strided(shape: target, strides: strides, offset: start * strides[axis])
  }

  /// Values of one kind and equal sizes on every other axis, one after another along `axis`.
  static func concatenated(_ parts: [Value], axis: Int) -> Value {
    func join<E>(_ arrays: [NDArray<E>]) -> NDArray<E> {
      let outer = arrays[0].shape[..<axis].reduce(1, *)
      var shape = arrays[0].shape
      shape[axis] = arrays.reduce(0) { $0 + $1.shape[axis] }
      var elements: [E] = []
      elements.reserveCapacity(shape.reduce(1, *))
      for block in 0..<outer {
        for array in arrays {
          let width = array.count / outer
          elements += array.elements[(block * width)..<((block + 1) * width)]
        }
      }
      return NDArray(shape: shape, elements: elements)
    }
    switch parts[0] {
    case .float(_, let type):
      return .float(join(parts.compactMap { if case .float(let array, _) = $0 { array } else { nil } }), type)
    case .integer(_, let type):
      return .integer(
        join(parts.compactMap { if case .integer(let array, _) = $0 { array } else { nil } }), type)
    }
  }
}
