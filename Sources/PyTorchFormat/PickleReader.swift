internal import ByteIO

/// Interprets a pickle as data: protocols 0 to 5, <https://docs.python.org/3/library/pickletools.html>.
///
/// One loop over the opcodes, no recursion; every opcode makes at most one value, so time and memory grow with the
/// bytes alone. Nothing is imported and nothing is called: see `PickleGlobals`.
struct PickleReader {
  var reader: ByteReader
  var heap = PickleHeap()
  private var stack: [PickleValue] = []
  private var marks: [Int] = []
  private var memo = PickleMemo()
  let limits: Limits
  /// Whether this pickle is inside another one.
  let isNested: Bool
  private(set) var spent = 0
  /// Where the opcode at work begins.
  private(set) var place = 0

  init(_ reader: ByteReader, limits: Limits, isNested: Bool = false) {
    self.reader = reader
    self.limits = limits
    self.isNested = isNested
  }

  /// Reads one pickle up to its STOP; the heap of the values before it stays.
  mutating func load() throws(PyTorchError) -> PickleValue {
    stack = []
    marks = []
    memo = PickleMemo()
    while true {
      try spend(1)
      place = reader.offset
      let code: UInt8 = try number("opcode")
      guard let opcode = PickleOpcode(rawValue: code) else {
        throw .unsupportedOpcode(code, offset: place, reason: PickleOpcode.refusal(code))
      }
      if opcode == .stop {
        let result = try pop()
        guard stack.isEmpty, marks.isEmpty else {
          throw failure("\(stack.count) values are left over at the end of the pickle")
        }
        return result
      }
      try run(opcode)
    }
  }

  func failure(_ reason: String) -> PyTorchError { .pickle(offset: place, reason: reason) }

  /// Counts opcodes, and values that a call copies: a pickle may name one long list again and again.
  mutating func spend(_ count: Int) throws(PyTorchError) {
    spent += count
    guard spent <= limits.pickleValues else {
      throw .overLimit(what: "values in one pickle", limit: limits.pickleValues)
    }
  }

  // MARK: The stack

  mutating func push(_ value: PickleValue) { stack.append(value) }

  mutating func pop() throws(PyTorchError) -> PickleValue {
    // What lies below a mark belongs to whoever set it.
    guard stack.count > (marks.last ?? 0) else { throw failure("the pickle takes a value that is not there") }
    return stack.removeLast()
  }

  private func top() throws(PyTorchError) -> PickleValue {
    guard stack.count > (marks.last ?? 0) else { throw failure("the pickle uses a value that is not there") }
    return stack.last!
  }

  /// Everything above the last mark.
  private mutating func popMark() throws(PyTorchError) -> [PickleValue] {
    guard let mark = marks.popLast() else { throw failure("no mark has been set") }
    let values = Array(stack[mark...])
    stack.removeSubrange(mark...)
    return values
  }

  // MARK: Opcodes

  private mutating func run(_ opcode: PickleOpcode) throws(PyTorchError) {
    switch opcode {
    case .proto:
      let version: UInt8 = try number("protocol")
      guard version <= 5 else { throw failure("pickle protocol \(version) is not supported; 0 to 5 are") }
    case .frame: _ = try number("frame length") as UInt64
    case .stop: break
    case .mark: marks.append(stack.count)
    case .pop:
      // POP may also take a mark away.
      if let mark = marks.last, mark == stack.count { marks.removeLast() } else { _ = try pop() }
    case .popMark: _ = try popMark()
    case .dup: push(try top())
    case .none: push(.none)
    case .newTrue: push(.bool(true))
    case .newFalse: push(.bool(false))
    case .int: push(try textInteger(line(), isLong: false))
    case .long: push(try textInteger(line(), isLong: true))
    case .binInt: push(.integer(Int64(try number("integer") as Int32)))
    case .binInt1: push(.integer(Int64(try number("integer") as UInt8)))
    case .binInt2: push(.integer(Int64(try number("integer") as UInt16)))
    case .long1: push(try binaryInteger(Int(try number("length") as UInt8)))
    case .long4: push(try binaryInteger(Int(try number("length") as Int32)))
    case .float:
      let text = try line()
      guard let value = Double(text) else { throw failure("'\(text.prefix(40))' is not a number") }
      push(.real(value))
    case .binFloat:
      let bytes = try take(8, "float")
      push(
        .real(
          bytes.withUnsafeBytes { Double(bitPattern: UInt64(bigEndian: $0.loadUnaligned(as: UInt64.self))) }))
    case .string: push(.bytes(ByteBuffer(Array(try quoted(line()).utf8))))
    case .binString: push(.bytes(try take(Int(try number("length") as Int32), "string")))
    case .shortBinString: push(.bytes(try take(Int(try number("length") as UInt8), "string")))
    case .unicode: push(.text(try line()))
    case .binUnicode: push(try text(UInt64(try number("length") as UInt32)))
    case .shortBinUnicode: push(try text(UInt64(try number("length") as UInt8)))
    case .binUnicode8: push(try text(try number("length") as UInt64))
    case .binBytes: push(.bytes(try take(UInt64(try number("length") as UInt32), "bytes")))
    case .shortBinBytes: push(.bytes(try take(UInt64(try number("length") as UInt8), "bytes")))
    case .binBytes8, .byteArray8: push(.bytes(try take(try number("length") as UInt64, "bytes")))
    case .emptyList: push(heap.list([]))
    case .emptyTuple: push(heap.tuple([]))
    case .emptyDict: push(heap.dictionary([]))
    case .emptySet: push(heap.set([]))
    case .list: push(heap.list(try popMark()))
    case .tuple: push(heap.tuple(try popMark()))
    case .frozenSet: push(heap.set(try popMark()))
    case .dict: push(heap.dictionary(try items(popMark())))
    case .tuple1: try tuple(1)
    case .tuple2: try tuple(2)
    case .tuple3: try tuple(3)
    case .append:
      let value = try pop()
      try append([value], to: top())
    case .appends, .addItems:
      let values = try popMark()
      try append(values, to: top())
    case .setItem:
      let value = try pop()
      let key = try pop()
      try set(items([key, value]), in: top())
    case .setItems:
      let values = try popMark()
      try set(items(values), in: top())
    case .get: push(try recall(textIndex(line())))
    case .binGet: push(try recall(Int(try number("memo index") as UInt8)))
    case .longBinGet: push(try recall(Int(try number("memo index") as UInt32)))
    case .put: memo.put(try top(), at: try textIndex(line()))
    case .binPut: memo.put(try top(), at: Int(try number("memo index") as UInt8))
    case .longBinPut: memo.put(try top(), at: Int(try number("memo index") as UInt32))
    case .memoize: memo.put(try top(), at: memo.count)
    case .global: push(try global(line(), line()))
    case .stackGlobal:
      let name = try pop()
      let module = try pop()
      guard let module = module.text, let name = name.text else {
        throw failure("a global's name is no string")
      }
      push(try global(module, name))
    case .reduce:
      let arguments = try pop()
      try reduce(pop(), arguments)
    case .build:
      let state = try pop()
      try build(top(), state)
    case .newObj:
      let arguments = try pop()
      try newObject(pop(), arguments)
    case .newObjEx:
      _ = try pop()
      let arguments = try pop()
      try newObject(pop(), arguments)
    case .inst:
      let (module, name) = (try line(), try line())
      let arguments = heap.tuple(try popMark())
      try newObject(global(module, name), arguments)
    case .obj:
      var values = try popMark()
      guard !values.isEmpty else { throw failure("an object has no class") }
      let name = values.removeFirst()
      try newObject(name, heap.tuple(values))
    case .persID: try persistent(.text(line()))
    case .binPersID: try persistent(pop())
    }
  }

  private mutating func tuple(_ count: Int) throws(PyTorchError) {
    var values: [PickleValue] = []
    for _ in 0..<count { values.append(try pop()) }
    push(heap.tuple(values.reversed()))
  }

  private func items(_ values: [PickleValue]) throws(PyTorchError) -> [PickleItem] {
    guard values.count % 2 == 0 else { throw failure("a key has no value") }
    return try stride(from: 0, to: values.count, by: 2).map { (index) throws(PyTorchError) in
      switch values[index] {
      case .list, .dictionary, .set: throw failure("\(values[index].kindName) is no key of a dictionary")
      default: return PickleItem(key: values[index], value: values[index + 1])
      }
    }
  }

  private mutating func append(_ values: [PickleValue], to target: PickleValue) throws(PyTorchError) {
    switch target {
    case .list(let index), .set(let index): heap.sequences[index] += values
    case .record(let index): heap.records[index].elements += values
    default: throw failure("values are appended to \(target.kindName)")
    }
  }

  private mutating func set(_ items: [PickleItem], in target: PickleValue) throws(PyTorchError) {
    switch target {
    case .dictionary(let index): heap.dictionaries[index] += items
    case .record(let index): heap.records[index].items += items
    default: throw failure("an item is set in \(target.kindName), which is no dictionary")
    }
  }

  private func recall(_ index: Int) throws(PyTorchError) -> PickleValue {
    guard let value = memo[index] else { throw failure("the memo holds nothing under \(index)") }
    return value
  }

  mutating func global(_ module: String, _ name: String) throws(PyTorchError) -> PickleValue {
    let (full, isAllowed) = PickleGlobals.name(module: module, name)
    guard isAllowed else { throw .forbiddenGlobal(full, offset: place) }
    // Looking a name up takes longer than other opcodes, and picklers name each global once.
    try spend(16)
    heap.globals.append(full)
    return .global(heap.globals.count - 1)
  }

  // MARK: Fields

  private mutating func number<Value: FileInteger>(_ field: String) throws(PyTorchError) -> Value {
    do { return try reader.littleEndian(Value.self, field) } catch { throw ended(error) }
  }

  private mutating func take(_ count: UInt64, _ field: String) throws(PyTorchError) -> ByteBuffer {
    guard let count = Int(exactly: count) else {
      throw failure("\(field) of \(count) bytes reaches beyond the end of the file")
    }
    return try take(count, field)
  }

  private mutating func take(_ count: Int, _ field: String) throws(PyTorchError) -> ByteBuffer {
    guard count >= 0 else { throw failure("\(field) has a negative length") }
    do { return try reader.take(count, field) } catch { throw ended(error) }
  }

  private func ended(_ error: ParseError) -> PyTorchError {
    .pickle(offset: error.offset, reason: "the pickle ends too early: \(error.reason)")
  }

  private mutating func text(_ count: UInt64) throws(PyTorchError) -> PickleValue {
    let bytes = try take(count, "string")
    guard bytes.count <= limits.stringBytes else {
      throw .overLimit(what: "bytes in one string", limit: limits.stringBytes)
    }
    guard let text = bytes.withUnsafeBytes({ String(validating: $0, as: UTF8.self) }) else {
      throw failure("a string is not UTF-8")
    }
    return .text(text)
  }

  /// The text up to the next line feed, which is taken too.
  private mutating func line() throws(PyTorchError) -> String {
    let rest = reader.buffer.slice(offset: reader.offset, count: reader.remaining)!
    guard let length = rest.withUnsafeBytes({ $0.firstIndex(of: 0x0A) }) else {
      throw failure("a line has no end")
    }
    let bytes = try take(length, "line")
    _ = try take(1, "line feed")
    guard let text = bytes.withUnsafeBytes({ String(validating: $0, as: UTF8.self) }) else {
      throw failure("a line is not UTF-8")
    }
    return text
  }

  private func textIndex(_ text: String) throws(PyTorchError) -> Int {
    guard let index = Int(text), index >= 0 else { throw failure("'\(text.prefix(40))' is no memo index") }
    return index
  }

  private func textInteger(_ text: String, isLong: Bool) throws(PyTorchError) -> PickleValue {
    if !isLong, text == "00" || text == "01" { return .bool(text == "01") }
    let digits = isLong && text.hasSuffix("L") ? text.dropLast() : text[...]
    if let value = Int64(digits) { return .integer(value) }
    let unsigned = digits.hasPrefix("-") ? digits.dropFirst() : digits
    guard !unsigned.isEmpty, unsigned.utf8.allSatisfy({ (0x30...0x39).contains($0) }) else {
      throw failure("'\(text.prefix(40))' is not an integer")
    }
    return .largeInteger
  }

  /// Little-endian two's complement.
  private mutating func binaryInteger(_ count: Int) throws(PyTorchError) -> PickleValue {
    let bytes = try take(count, "integer").array
    if bytes.count > 8 { return .largeInteger }
    var value: Int64 = (bytes.last ?? 0) & 0x80 == 0 ? 0 : -1
    for byte in bytes.reversed() { value = value << 8 | Int64(byte) }
    return .integer(value)
  }

  private func quoted(_ text: String) throws(PyTorchError) -> String {
    guard text.count >= 2, let first = text.first, first == text.last, first == "'" || first == "\"" else {
      throw failure("a string has no quotes")
    }
    let inner = text.dropFirst().dropLast()
    guard !inner.contains("\\") else { throw failure("escapes in strings of protocol 0 are not supported") }
    return String(inner)
  }
}
