internal import ReferenceMath
internal import Synchronization
internal import Tensors

/// What a name of the graph stands for.
enum Entry<S: ReferenceScalar> {
  case tensor(Operand<S>)
  case sequence(ValueSequence<S>)

  /// Elements of all its tensors; an empty tensor of a sequence counts as one.
  var count: Int {
    switch self {
    case .tensor(let operand): operand.count
    case .sequence(let sequence): sequence.values.reduce(0) { $0 + max($1.count, 1) }
    }
  }
}

/// A tensor of the graph: a value, or a weight of the file that is not converted yet.
enum Operand<S: ReferenceScalar> {
  case value(Value<S>)
  case weight(StoredWeight<S>)

  /// An initializer; nil where a uint64 does not fit Int64.
  init?(_ tensor: Tensor, _ place: WeightPlace) {
    if tensor.elementType.isFloat, tensor.shape.count > 1 {
      self = .weight(StoredWeight(tensor, place))
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
  let place: WeightPlace
  private var converted: Value<S>?
  private var products = 0

  init(_ tensor: Tensor, _ place: WeightPlace) {
    self.tensor = tensor
    self.place = place
  }

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

/// Where a weight of the file stands: its name in a graph, which may be one inside another.
struct WeightPlace: Hashable {
  let graph: ObjectIdentifier
  let name: String
}

/// Gates of small weights as products take them, kept from one evaluation to the next.
///
/// Converting and transposing them costs as much as some steps do, and a verification evaluates a graph many times.
final class GateCache<S: ReferenceScalar>: Sendable {
  struct Key: Hashable {
    let place: WeightPlace
    let rows: Range<Int>
    let width: Int
  }

  private let kept = Mutex<[Key: Weight<S>]>([:])

  /// - Parameter make: runs outside the lock; where two threads make the same gate, both have the same numbers.
  func gate(_ key: Key, of tensor: Tensor, make: () -> Weight<S>) -> Weight<S> {
    // What is large is not worth the memory.
    guard !Weight<S>.staysStored(tensor, products: 1) else { return make() }
    if let known = kept.withLock({ $0[key] }) { return known }
    let made = make()
    kept.withLock { $0[key] = made }
    return made
  }
}
