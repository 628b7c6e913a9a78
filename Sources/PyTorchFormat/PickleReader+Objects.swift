internal import ByteIO

// What REDUCE, NEWOBJ, BUILD and persistent ids mean for data. The calls are those of `PickleGlobals`.

extension PickleReader {
  private func name(of value: PickleValue) -> String? {
    guard case .global(let index) = value else { return nil }
    return heap.globals[index]
  }

  mutating func reduce(_ callable: PickleValue, _ arguments: PickleValue) throws(PyTorchError) {
    guard let name = name(of: callable) else { throw failure("\(callable.kindName) is called") }
    guard case .tuple(let index) = arguments else {
      throw failure("\(name) is called with \(arguments.kindName), not with a tuple")
    }
    push(try call(name, heap.sequences[index]))
  }

  private mutating func call(_ name: String, _ arguments: [PickleValue]) throws(PyTorchError) -> PickleValue {
    guard let rebuild = PickleGlobals.calls[name] else {
      guard PickleGlobals.isClass(name) else { throw .unknownCall(name, offset: place) }
      return heap.record(name, arguments)
    }
    switch rebuild {
    case .dictionary: return heap.dictionary(try initialItems(name, arguments))
    case .list: return heap.list(try initialElements(name, arguments))
    case .tuple: return heap.tuple(try initialElements(name, arguments))
    case .set: return heap.set(try initialElements(name, arguments))
    case .first, .parameter:
      guard let first = arguments.first else { throw failure("\(name) is called without arguments") }
      if rebuild == .parameter {
        switch first {
        case .tensor, .record: break
        default: throw failure("\(name) is called with \(first.kindName), not with a tensor")
        }
      }
      return first
    case .tensor, .tensorV2, .tensorV3, .quantised: return heap.tensor(try tensor(name, rebuild, arguments))
    case .subclass:
      // (function, class, its arguments, state)
      guard arguments.count >= 3, let function = self.name(of: arguments[0]),
        let inner = heap.elements(arguments[2])
      else { throw failure("\(name) is called with other arguments than torch's own") }
      guard function != name else { throw failure("\(name) is called through itself") }
      return try call(function, inner)
    case .encodedBytes:
      // Bytes in protocols before 3: text whose characters are the bytes.
      guard arguments.count == 2, let text = arguments[0].text, arguments[1].text == "latin1" else {
        throw failure("\(name) is called for something else than bytes in latin1")
      }
      var bytes: [UInt8] = []
      try spend(text.utf8.count / 32)
      for scalar in text.unicodeScalars {
        guard let byte = UInt8(exactly: scalar.value) else {
          throw failure("a character is no byte in latin1")
        }
        bytes.append(byte)
      }
      return .bytes(ByteBuffer(bytes))
    case .reconstructor:
      guard let first = arguments.first, let className = self.name(of: first) else {
        throw failure("\(name) is called without a class")
      }
      return heap.record(className, Array(arguments.dropFirst()))
    case .storageBytes:
      guard arguments.count == 1, case .bytes(let bytes) = arguments[0] else {
        throw failure("\(name) is called with something else than bytes")
      }
      guard !isNested else { throw failure("\(name) is called inside what it is called with") }
      // A memo may name the same bytes again and again.
      try spend(bytes.count / 1024)
      let inner = try LegacyStream.storage(bytes, limits: limits)
      try spend(inner.spent)
      heap.storages.append(inner.storage)
      return .storage(heap.storages.count - 1)
    case .inert: return heap.record(name, arguments)
    case .member:
      // How some versions of Python pickle an Enum: the attribute of a class, by its name.
      guard arguments.count == 2, let className = self.name(of: arguments[0]),
        PickleGlobals.isClass(className), let member = arguments[1].text, !member.hasPrefix("_")
      else { throw .unknownCall(name, offset: place) }
      return heap.record(className, [arguments[1]])
    }
  }

  private mutating func initialElements(
    _ name: String, _ arguments: [PickleValue]
  ) throws(PyTorchError) -> [PickleValue] {
    if arguments.isEmpty { return [] }
    switch arguments[0] {
    case .list(let index), .tuple(let index), .set(let index):
      try spend(heap.sequences[index].count)
      return heap.sequences[index]
    default: throw failure("\(name) is called with \(arguments[0].kindName)")
    }
  }

  /// Of `OrderedDict([(key, value), …])` or `defaultdict(factory)`.
  private mutating func initialItems(
    _ name: String, _ arguments: [PickleValue]
  ) throws(PyTorchError) -> [PickleItem] {
    guard let first = arguments.last else { return [] }
    switch first {
    case .dictionary(let index):
      try spend(heap.dictionaries[index].count)
      return heap.dictionaries[index]
    case .global, .none: return []
    default: break
    }
    guard let pairs = heap.elements(first) else { throw failure("\(name) is called with \(first.kindName)") }
    try spend(pairs.count)
    return try pairs.map { (pair) throws(PyTorchError) in
      guard let pair = heap.elements(pair), pair.count == 2 else {
        throw failure("\(name) is called with something else than pairs")
      }
      return PickleItem(key: pair[0], value: pair[1])
    }
  }

  // MARK: Objects

  mutating func newObject(_ value: PickleValue, _ arguments: PickleValue) throws(PyTorchError) {
    guard let name = name(of: value) else { throw failure("an object is made of \(value.kindName)") }
    guard let elements = heap.elements(arguments) else {
      throw failure("an object of \(name) is made with \(arguments.kindName)")
    }
    switch PickleGlobals.calls[name] {
    case nil: push(heap.record(name, elements))
    case .some: push(try call(name, elements))
    }
  }

  mutating func build(_ target: PickleValue, _ state: PickleValue) throws(PyTorchError) {
    switch target {
    case .record(let index): heap.records[index].state = state
    // `_metadata` of a state dict: versions of its modules, which its tensors do not depend on.
    case .dictionary, .tensor: break
    default: throw failure("a state is given to \(target.kindName)")
    }
  }

  // MARK: Storages

  mutating func persistent(_ identifier: PickleValue) throws(PyTorchError) {
    guard let parts = heap.elements(identifier), let kind = parts.first?.text else {
      throw failure("a persistent id is \(identifier.kindName), not a tuple that names a storage")
    }
    switch kind {
    case "module" where parts.count == 4:
      // A class with the source text of its file, by which old versions warned of changes.
      guard name(of: parts[1]) != nil else { throw failure("a persistent id names no class") }
      push(parts[1])
    case "storage" where (5...6).contains(parts.count):
      guard let className = name(of: parts[1]) else { throw failure("a storage has no type") }
      let short = className.split(separator: ".").last.map(String.init) ?? ""
      guard className.hasPrefix("torch."), let type = StorageType.classes[short] else {
        throw failure("\(className) is no type of storage that can be read")
      }
      guard let key = parts[2].text ?? parts[2].integer.map(String.init) else {
        throw failure("a storage's key is \(parts[2].kindName)")
      }
      guard let count = parts[4].integer, count >= 0 else {
        throw failure(
          "storage '\(key)' has \(parts[4].integer.map(String.init) ?? parts[4].kindName) elements")
      }
      var view: Range<Int>?
      if parts.count == 6, parts[5] != .none {
        guard let fields = heap.elements(parts[5]), fields.count == 3, let offset = fields[1].integer,
          let size = fields[2].integer, offset >= 0, size >= 0, offset <= count, size <= count - offset
        else { throw failure("storage '\(key)' is a view that does not lie inside it") }
        view = offset..<offset + size
      }
      heap.storages.append(StorageReference(key: key, type: type, count: count, view: view))
      push(.storage(heap.storages.count - 1))
    default: throw failure("a persistent id of kind '\(kind.prefix(40))' with \(parts.count) parts")
    }
  }

  private func tensor(
    _ name: String, _ rebuild: PickleGlobals.Rebuild, _ arguments: [PickleValue]
  ) throws(PyTorchError) -> TensorReference {
    let least = [.tensor: 4, .tensorV2: 6, .tensorV3: 7, .quantised: 7][rebuild] ?? 4
    guard arguments.count >= least else {
      throw failure("\(name) is called with \(arguments.count) arguments")
    }
    guard case .storage(let index) = arguments[0] else {
      throw failure("\(name) is called with \(arguments[0].kindName), not with a storage")
    }
    let storage = heap.storages[index]
    guard let offset = arguments[1].integer, let shape = heap.sizes(arguments[2]),
      let strides = heap.sizes(arguments[3]), offset >= 0, shape.count == strides.count
    else { throw failure("\(name) is called with sizes that make no tensor") }
    var type = storage.type
    if rebuild == .tensorV3 {
      guard let stated = self.name(of: arguments[6]), let known = StorageType.named(stated) else {
        throw failure("\(name): unknown element type")
      }
      type = known
    }
    var result = TensorReference(storage: storage, type: type, offset: offset, shape: shape, strides: strides)
    if rebuild == .quantised {
      guard let parameters = heap.elements(arguments[4]), parameters.count == 3,
        self.name(of: parameters[0]) == "torch.per_tensor_affine", case .real(let scale) = parameters[1],
        let zeroPoint = parameters[2].integer
      else { throw failure("\(name): only tensors quantised by one scale and zero point can be read") }
      result.scale = scale
      result.zeroPoint = zeroPoint
    }
    return result
  }
}
