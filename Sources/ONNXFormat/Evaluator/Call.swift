internal import ByteIO
internal import ReferenceMath
internal import Tensors

/// One node being run: its inputs, its attributes, and the errors that name it.
struct Call<S: ReferenceScalar> {
  let step: Program.Step
  let inputs: [Entry<S>?]
  let evaluation: Evaluation<S>
  /// The values around the node, for its subgraphs.
  let scope: Evaluation<S>.Scope

  var opset: Int64 { step.opset }
  var signature: Signature { step.signature }

  // MARK: Errors

  func invalid(_ reason: String) -> ONNXError { .invalid(node: step.label, reason: reason) }

  func unsupported(_ attribute: String, _ reason: String) -> ONNXError {
    .unsupportedAttribute(node: step.label, attribute: attribute, reason: reason)
  }

  func mismatch(_ position: Int, expected: String, found: [Int]) -> ONNXError {
    .shapeMismatch(node: step.label, input: signature.inputName(position), expected: expected, found: found)
  }

  func wrongType(_ position: Int, _ type: ElementType) -> ONNXError {
    .wrongElementType(node: step.label, input: signature.inputName(position), found: type)
  }

  // MARK: Inputs

  func has(_ position: Int) -> Bool { position < inputs.count && inputs[position] != nil }

  func entry(_ position: Int) throws(ONNXError) -> Entry<S> {
    guard position < inputs.count, let entry = inputs[position] else {
      throw .missingInput(node: step.label, input: signature.inputName(position))
    }
    return entry
  }

  func operand(_ position: Int) throws(ONNXError) -> Operand<S> {
    guard case .tensor(let operand) = try entry(position) else {
      throw invalid("its input '\(signature.inputName(position))' is a sequence, not a tensor")
    }
    return operand
  }

  /// A float input, which may be a weight that is not converted yet.
  func floatOperand(_ position: Int) throws(ONNXError) -> Operand<S> {
    let operand = try operand(position)
    guard operand.elementType.isFloat else { throw wrongType(position, operand.elementType) }
    return operand
  }

  func value(_ position: Int) throws(ONNXError) -> Value<S> { try operand(position).value }

  /// The right side of one product, where it is a weight that need not be converted for it.
  func stored(_ position: Int) throws(ONNXError) -> Tensor? {
    if case .weight(let weight) = try operand(position) { weight.forProduct() } else { nil }
  }

  func float(_ position: Int) throws(ONNXError) -> (array: NDArray<S>, type: ElementType) {
    switch try value(position) {
    case .float(let array, let type): return (array, type)
    case .integer(_, let type): throw wrongType(position, type)
    }
  }

  func integer(_ position: Int) throws(ONNXError) -> (array: NDArray<Int64>, type: ElementType) {
    switch try value(position) {
    case .integer(let array, let type): return (array, type)
    case .float(_, let type): throw wrongType(position, type)
    }
  }

  /// A boolean input.
  func bool(_ position: Int) throws(ONNXError) -> NDArray<Bool> {
    let (array, type) = try integer(position)
    guard type == .bool else { throw wrongType(position, type) }
    return array.map { $0 != 0 }
  }

  /// Integers of an input of rank 0 or 1: axes, shapes, repeats.
  func list(_ position: Int) throws(ONNXError) -> [Int] {
    let (array, type) = try integer(position)
    guard type != .bool else { throw wrongType(position, type) }
    guard array.rank <= 1 else { throw mismatch(position, expected: "[n]", found: array.shape) }
    return array.elements.map { Int($0) }
  }

  /// Integers that old opsets have as an attribute and new ones as an input.
  func list(_ attribute: String, orInput position: Int) throws(ONNXError) -> [Int] {
    if let values = ints(attribute) { return values }
    return try list(position)
  }

  func scalar(_ position: Int) throws(ONNXError) -> Int {
    let (array, type) = try integer(position)
    guard type != .bool else { throw wrongType(position, type) }
    guard array.count == 1 else { throw mismatch(position, expected: "[]", found: array.shape) }
    return Int(array.elements[0])
  }

  /// Every input, which must all be there and of one element type.
  func variadic() throws(ONNXError) -> [Value<S>] {
    var values: [Value<S>] = []
    for position in inputs.indices { values.append(try value(position)) }
    guard let first = values.first else {
      throw .missingInput(node: step.label, input: signature.inputName(0))
    }
    for (position, value) in values.enumerated() where value.elementType != first.elementType {
      throw wrongType(position, value.elementType)
    }
    return values
  }

  // MARK: Attributes: the signature has checked their types and filled in defaults

  func int(_ name: String) -> Int? {
    if case .int(let value)? = step.attributes[name] { Int(value) } else { nil }
  }

  func real(_ name: String) -> S? {
    if case .float(let value)? = step.attributes[name] { S(value) } else { nil }
  }

  func string(_ name: String) -> String? {
    if case .string(let value)? = step.attributes[name] { value } else { nil }
  }

  func ints(_ name: String) -> [Int]? {
    if case .ints(let values)? = step.attributes[name] { values.map { Int($0) } } else { nil }
  }

  func reals(_ name: String) -> [S] {
    if case .floats(let values)? = step.attributes[name] { values.map { S($0) } } else { [] }
  }

  /// An attribute that is 0 or 1.
  func flag(_ name: String) throws(ONNXError) -> Bool {
    switch int(name) ?? 0 {
    case 0: return false
    case 1: return true
    case let value: throw unsupported(name, "it must be 0 or 1, not \(value)")
    }
  }

  // MARK: Axes and shapes

  /// An axis that may count from the end, as one that counts from the start.
  func axis(_ axis: Int, rank: Int) throws(ONNXError) -> Int {
    guard axis >= -rank, axis < rank else { throw invalid("axis \(axis) of a tensor of rank \(rank)") }
    return axis < 0 ? axis + rank : axis
  }

  /// The attribute `axis` of a tensor of this rank.
  func axisAttribute(rank: Int) throws(ONNXError) -> Int { try axis(int("axis") ?? 0, rank: rank) }

  func axes(_ axes: [Int], rank: Int) throws(ONNXError) -> [Int] {
    var result: [Int] = []
    for entry in axes {
      let normal = try axis(entry, rank: rank)
      guard !result.contains(normal) else { throw invalid("axis \(entry) is given twice") }
      result.append(normal)
    }
    return result
  }

  /// The shape, once it is known not to ask for more than the limits allow.
  @discardableResult
  func checked(_ shape: [Int]) throws(ONNXError) -> [Int] {
    guard shape.allSatisfy({ $0 >= 0 }) else { throw invalid("shape \(shape) has a negative size") }
    let limit = evaluation.elementsAllowed
    // Zeros count as ones, so that no product of some of the sizes can overflow either.
    guard let count = checkedProduct(shape.map { max($0, 1) }), count <= limit else {
      throw .overLimit(
        node: step.label, reason: "a tensor of shape \(shape) is over the limit of \(limit) elements")
    }
    return shape
  }

  func broadcastShape(_ a: [Int], _ b: [Int]) throws(ONNXError) -> [Int] {
    guard let shape = broadcast(a, b) else {
      throw invalid("shapes \(a) and \(b) cannot be broadcast together")
    }
    return try checked(shape)
  }

  /// An integer result, which must fit its element type.
  func fitted(_ array: NDArray<Int64>, _ type: ElementType) throws(ONNXError) -> Value<S> {
    let range = type.integerRange
    if let wrong = array.elements.first(where: { !range.contains($0) }) {
      throw invalid("the result \(wrong) overflows \(type.rawValue)")
    }
    return .integer(array, type)
  }
}

extension ElementType {
  /// The integers of this type that Int64 can hold.
  var integerRange: ClosedRange<Int64> {
    switch self {
    case .int32: Int64(Int32.min)...Int64(Int32.max)
    case .int16: Int64(Int16.min)...Int64(Int16.max)
    case .int8: Int64(Int8.min)...Int64(Int8.max)
    case .uint64: 0...Int64.max
    case .uint32: 0...Int64(UInt32.max)
    case .uint16: 0...Int64(UInt16.max)
    case .uint8: 0...Int64(UInt8.max)
    case .bool: 0...1
    default: Int64.min...Int64.max
    }
  }
}
