internal import ReferenceMath
internal import Tensors

/// What a name of the graph stands for: a value, or a large weight of the file that is not converted yet.
enum Operand<S: ReferenceScalar> {
  case value(Value<S>)
  case weight(StoredWeight<S>)

  /// Nil where a uint64 does not fit Int64.
  init?(_ tensor: Tensor) {
    if tensor.elementType.isFloat, Weight<S>.staysStored(tensor, products: 1) {
      self = .weight(StoredWeight(tensor))
    } else {
      guard let value = Value<S>(tensor) else { return nil }
      self = .value(value)
    }
  }

  var value: Value<S> {
    switch self {
    case .value(let value): value
    case .weight(let weight): weight.value
    }
  }

  var shape: [Int] {
    switch self {
    case .value(let value): value.shape
    case .weight(let weight): weight.tensor.shape
    }
  }

  var elementType: ElementType {
    switch self {
    case .value(let value): value.elementType
    case .weight(let weight): weight.tensor.elementType
    }
  }

  var count: Int {
    switch self {
    case .value(let value): value.count
    case .weight(let weight): weight.tensor.count
    }
  }
}

/// A float tensor of the file. Operators that need some of its rows, or multiply by it, take the tensor.
final class StoredWeight<S: ReferenceScalar> {
  let tensor: Tensor
  private var converted: Value<S>?
  private var products = 0

  init(_ tensor: Tensor) { self.tensor = tensor }

  /// All of it, for operators that need that; kept for those after them.
  var value: Value<S> {
    if let converted { return converted }
    let value = Value<S>.float(
      NDArray(shape: tensor.shape, elements: S.values(of: tensor)), tensor.elementType)
    converted = value
    return value
  }

  /// The tensor for one more product; nil where by now the converted value is there, or worth to be.
  func forProduct() -> Tensor? {
    products += 1
    return converted == nil && Weight<S>.staysStored(tensor, products: products) ? tensor : nil
  }
}
