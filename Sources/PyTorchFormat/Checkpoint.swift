internal import ByteIO
internal import StateDicts
internal import Tensors

/// Finds the state dict in what a pickle holds: at the top, nested (`{"model_state": …, "epoch": …}`), or spread over the
/// modules of a pickled model.
struct Checkpoint {
  let heap: PickleHeap
  let root: PickleValue

  /// Tensors under names, and where they were.
  private struct Candidate {
    let path: String
    var tensors: [(name: String, value: PickleValue)] = []
    /// Items that are no tensors.
    var others: [(name: String, value: PickleValue)] = []
    var modules: [String: Hyperparameters] = [:]
    /// Modules whose weights dynamic quantisation packed, and whether as 8-bit integers.
    var packed: [String: Bool] = [:]

    var isRecurrent: Bool { tensors.contains { TorchNames.isRecurrentWeight($0.name) } }

    /// Whether it is the scale 1 or zero point 0 of a dynamically quantised Linear's output, which is not quantised.
    func isTrivialScale(_ name: String, _ tensor: Tensor) -> Bool {
      guard tensor.shape.isEmpty, let dot = name.lastIndex(of: "."), packed[String(name[..<dot])] != nil
      else {
        return false
      }
      return name.hasSuffix(".scale") && tensor.doubles == [1]
        || name.hasSuffix(".zero_point") && tensor.doubles == [0]
    }
  }

  func stateDict(
    key: String?, _ storages: inout StorageBytes, limits: Limits
  ) throws(PyTorchError) -> StateDict {
    let all = try candidates(limits)
    let chosen = try choose(all, key)
    var result = StateDict(entries: [], key: chosen.path)
    var positions: [ExactString: Int] = [:]
    for (name, value) in chosen.tensors {
      if case .tensor(let index) = value, heap.tensors[index].type.elementType == nil {
        result.unread.append(.init(name, "a tensor of \(heap.tensors[index].type.name)"))
        continue
      }
      guard let tensor = try tensor(value, name, &storages, isFloat: !chosen.packed.isEmpty)
      else {
        result.unread.append(.init(name, "a NumPy array of something else than numbers"))
        continue
      }
      if chosen.isTrivialScale(name, tensor) { continue }
      // The last of equal keys counts, in the place of the first, as in Python.
      if let place = positions[ExactString(name)] {
        result.entries[place] = .init(name, tensor)
      } else {
        positions[ExactString(name)] = result.entries.count
        result.entries.append(.init(name, tensor))
      }
    }
    for (name, value) in chosen.others {
      if let text = scalar(value) {
        result.metadata["pytorch:" + name] = text
      } else if case .record(let index) = value {
        result.unread.append(.init(name, "an object of \(heap.records[index].className)"))
      }
    }
    var aside: [String] = []
    if !chosen.path.isEmpty, let items = heap.items(root) {
      for item in items {
        guard let name = item.key.text, name != chosen.path, !chosen.path.hasPrefix(name + ".") else {
          continue
        }
        if let text = scalar(item.value) {
          result.metadata["pytorch:" + name] = text
        } else {
          aside.append(name)
        }
      }
    }
    if !aside.isEmpty { result.metadata["pytorch:left_aside"] = aside.joined(separator: ", ") }
    result.modules = chosen.modules
    for (module, isInteger) in chosen.packed.sorted(by: { $0.key < $1.key }) {
      result.derived.append(.init(module, isInteger ? Self.integerRemark : Self.halfRemark))
    }
    return result
  }

  private static let integerRemark =
    "8-bit weights of a dynamically quantised module, as the numbers that they stand for; PyTorch also rounds what it "
    + "multiplies them with to 8 bits, which is not done here"
  private static let halfRemark = "weights of a module that was dynamically quantised to float16"

  /// - Parameter isFloat: quantised elements become the numbers that they stand for.
  private func tensor(
    _ value: PickleValue, _ name: String, _ storages: inout StorageBytes, isFloat: Bool
  ) throws(PyTorchError) -> Tensor? {
    guard case .tensor(let index) = value else { return try heap.array(value, name: name) }
    let tensor = try storages.tensor(heap.tensors[index], name: name)
    guard tensor.quantization != nil, isFloat else { return tensor }
    do { return try tensor.converted(to: .float32).tensor } catch {
      throw .tensor(name, reason: error.description)
    }
  }

  /// A number or short text, for metadata.
  private func scalar(_ value: PickleValue) -> String? {
    switch value {
    case .bool(let flag): String(flag)
    case .integer(let number): String(number)
    case .real(let number): String(number)
    case .text(let text) where text.utf8.count <= 4_096: text
    default: nil
    }
  }

  private func choose(_ all: [Candidate], _ key: String?) throws(PyTorchError) -> Candidate {
    let paths = all.map { $0.path.isEmpty ? "." : $0.path }
    let list = paths.prefix(20).joined(separator: ", ")
    if let key {
      guard let found = all.first(where: { $0.path == (key == "." ? "" : key) }) else {
        throw .key(key, reason: "no tensors are there; there are some in \(list.isEmpty ? "no place" : list)")
      }
      return found
    }
    let recurrent = all.filter(\.isRecurrent)
    if recurrent.count == 1 { return recurrent[0] }
    guard recurrent.isEmpty else {
      let places = recurrent.map { $0.path.isEmpty ? "." : $0.path }.joined(separator: ", ")
      throw .key(
        "", reason: "several places hold recurrent weights: \(places); choose one with \(Setting.key)")
    }
    guard let first = all.first else {
      throw .key("", reason: "the file holds \(root.kindName) without tensors under names")
    }
    guard all.count == 1 else {
      throw .key(
        "", reason: "no place holds recurrent weights; tensors are in \(list): choose with \(Setting.key)")
    }
    return first
  }

  // MARK: Walking

  /// Every place with tensors, each visited once whatever refers to it.
  private func candidates(_ limits: Limits) throws(PyTorchError) -> [Candidate] {
    var found: [Candidate] = []
    var visited: Set<Int> = []
    // Depth first, in the order of the file.
    var waiting: [(path: String, value: PickleValue, depth: Int)] = [("", root, 0)]
    while let (path, value, depth) = waiting.popLast() {
      switch value {
      case .dictionary(let index):
        guard visited.insert(2 * index).inserted else { continue }
      case .record(let index):
        guard visited.insert(2 * index + 1).inserted else { continue }
        if let module = try self.module(path, value, limits) {
          if !module.tensors.isEmpty { found.append(try unpacked(module)) }
          continue
        }
      default: continue
      }
      var candidate = Candidate(path: path)
      var nested: [(path: String, value: PickleValue, depth: Int)] = []
      for item in heap.items(value) ?? [] {
        guard let name = try name(item, in: path) else { continue }
        switch item.value {
        case .tensor: candidate.tensors.append((name, item.value))
        case .record where heap.isArray(item.value) || heap.packed(item.value) != nil:
          candidate.tensors.append((name, item.value))
        case .tuple where name.hasSuffix("_packed_params") && heap.packed(item.value) != nil:
          candidate.tensors.append((name, item.value))
        case .dictionary, .record:
          guard depth < limits.nesting else {
            throw .overLimit(what: "nested dictionaries", limit: limits.nesting)
          }
          nested.append((path.isEmpty ? name : "\(path).\(name)", item.value, depth + 1))
          candidate.others.append((name, item.value))
        default: candidate.others.append((name, item.value))
        }
      }
      if !candidate.tensors.isEmpty { found.append(try unpacked(candidate)) }
      waiting += nested.reversed()
    }
    return found
  }

  private func unpacked(_ candidate: Candidate) throws(PyTorchError) -> Candidate {
    let weights = try PackedWeights(candidate.tensors, candidate.modules, heap)
    var candidate = candidate
    candidate.tensors = weights.tensors
    candidate.packed = weights.modules
    return candidate
  }

  /// The tensors of a pickled `nn.Module` or a TorchScript object and of all modules in it; nil for other objects.
  private func module(
    _ path: String, _ value: PickleValue, _ limits: Limits
  ) throws(PyTorchError) -> Candidate? {
    guard case .record(let first) = value, isModule(first) else { return nil }
    var candidate = Candidate(path: path)
    var visited: Set<Int> = []
    var waiting: [(prefix: String, index: Int, depth: Int)] = [("", first, 0)]
    while let (prefix, index, depth) = waiting.popLast() {
      // A module that is used twice keeps its first name, as `named_modules()` does.
      guard visited.insert(index).inserted else { continue }
      guard depth < limits.nesting else { throw .overLimit(what: "nested modules", limit: limits.nesting) }
      let record = heap.records[index]
      candidate.modules[prefix] = hyperparameters(record)
      let attributes = heap.items(record.state) ?? []
      var nested: [(prefix: String, index: Int, depth: Int)] = []
      func visit(_ items: [PickleItem]) throws(PyTorchError) {
        for item in items {
          guard let name = try name(item, in: prefix) else { continue }
          let full = prefix.isEmpty ? name : "\(prefix).\(name)"
          switch item.value {
          case .tensor: candidate.tensors.append((full, item.value))
          case .record where heap.packed(item.value) != nil: candidate.tensors.append((full, item.value))
          case .record(let inner) where isModule(inner): nested.append((full, inner, depth + 1))
          default: break
          }
        }
      }
      try visit(attributes)
      for name in ["_parameters", "_buffers", "_modules"] {
        try visit(heap.value(name, in: record.state).flatMap { heap.items($0) } ?? [])
      }
      waiting += nested.reversed()
    }
    return candidate
  }

  /// The name of an item; paths are short, so that many items below one long name stay small.
  private func name(_ item: PickleItem, in path: String) throws(PyTorchError) -> String? {
    guard let name = item.key.text else { return nil }
    let count = path.utf8.count + name.utf8.count
    guard count <= 512 else { throw .overLimit(what: "bytes in the name '\(name.prefix(40))…'", limit: 512) }
    return name
  }

  private func isModule(_ index: Int) -> Bool {
    let record = heap.records[index]
    return heap.value("_parameters", in: record.state) != nil || record.className.hasPrefix("__torch__.")
  }

  private func hyperparameters(_ record: PickleRecord) -> Hyperparameters {
    var result = Hyperparameters(className: record.className)
    if case .bool(let flag)? = heap.value("batch_first", in: record.state) { result.batchFirst = flag }
    if case .bool(let flag)? = heap.value("bidirectional", in: record.state) { result.isBidirectional = flag }
    if case .real(let epsilon)? = heap.value("eps", in: record.state) { result.epsilon = epsilon }
    result.nonlinearity = heap.value("nonlinearity", in: record.state)?.text
    switch heap.value("mode", in: record.state)?.text {
    case "RNN_TANH": result.nonlinearity = "tanh"
    case "RNN_RELU": result.nonlinearity = "relu"
    default: break
    }
    return result
  }
}
