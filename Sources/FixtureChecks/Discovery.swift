internal import ByteIO
internal import RNNConv

/// Finds fixtures in a folder: models that share a name, with the tensors that lie beside them.
struct Discovery {
  private(set) var fixtures: [Fixture] = []
  /// What looked like a model or tensors, and why it is not in a fixture.
  private(set) var leftOut: [String] = []

  private let folder: String
  /// A walk that goes on and on has got into something that is no folder of fixtures.
  private static let limits = (files: 200_000, depth: 32)
  private var files = 0

  /// Endings of models, the one that says most about itself first: it becomes the reference.
  private static let endings = [
    ".onnx", ".model.json", ".rnnw", ".safetensors.index.json", ".safetensors", ".pt", ".pth", ".ckpt",
  ]

  init(in folder: String) {
    self.folder = folder
    walk("", depth: 0)
    leaveOutParts()
  }

  /// Of a file's name, without the folders.
  static func stem(of name: String) -> String {
    endings.first { name.hasSuffix($0) }.map { String(name.dropLast($0.count)) } ?? name
  }

  /// The weights of a description are not a model of their own, nor is a shard.
  private mutating func leaveOutParts() {
    let paths = fixtures.flatMap { $0.models.map(\.path) }.filter { $0.hasSuffix(".json") }
    let parts = Set(paths.flatMap(named))
    fixtures = fixtures.compactMap { fixture in
      var fixture = fixture
      fixture.models.removeAll { parts.contains($0.path) }
      return fixture.models.isEmpty ? nil : fixture
    }
  }

  /// What a description or an index of shards names, beside it or below.
  private func named(by model: String) -> [String] {
    guard Folder.refusal(of: model, beneath: folder) == nil,
      let bytes = try? ByteBuffer.open(
        path: Folder.join(folder, model), limit: Limits.standard.headerBytes),
      let json = try? JSONValue(parsing: bytes)
    else { return [] }
    return json.strings.map { Folder.join(Folder.parent(of: model), Folder.plain($0)) }
  }

  private mutating func walk(_ path: String, depth: Int) {
    let entries = Folder.entries(of: Folder.join(folder, path)).filter { entry in
      let isPlain = entry.name.unicodeScalars.allSatisfy {
        $0.value >= 0x20 && $0.value != 0x7F && $0 != "\u{FFFD}"
      }
      if !isPlain { leftOut.append("\(Folder.join(path, entry.name)): a name that a manifest cannot hold") }
      return isPlain
    }
    files += entries.count
    guard depth < Self.limits.depth, files <= Self.limits.files else {
      leftOut.append("\(path): too deep, or too many files")
      return
    }
    if !path.isEmpty, entries.contains(where: { $0.name == Manifest.fileName }) {
      leftOut.append("\(path): has a manifest of its own")
      return
    }
    take(path, entries.filter { !$0.isFolder }.map(\.name), entries.filter(\.isFolder).map(\.name))
    for entry in entries where entry.isFolder { walk(Folder.join(path, entry.name), depth: depth + 1) }
  }

  private mutating func take(_ path: String, _ names: [String], _ folders: [String]) {
    var stems: [String: [String]] = [:]
    var order: [String] = []
    for ending in Self.endings {
      for name in names where name.hasSuffix(ending) && name.count > ending.count {
        let stem = String(name.dropLast(ending.count))
        // `a.safetensors.index.json` ends like nothing else; its shards are parts of it.
        if ending == ".safetensors", Self.isShard(stem) { continue }
        if stems[stem] == nil { order.append(stem) }
        stems[stem, default: []].append(name)
      }
    }
    let all = Set(names)
    for stem in order.sorted() {
      let models = stems[stem]!.map { name -> Fixture.Model in
        var model = Fixture.Model(Folder.join(path, name))
        model.recordsFingerprint = true
        return model
      }
      let isMain = stem == "model" || stem == Folder.lastName(of: path)
      var fixture = Fixture(isMain && !path.isEmpty ? path : Folder.join(path, stem), models)
      let isAlone = order.count == 1
      if let (inputs, expected) = tensors(of: stem, isAlone: isAlone, all) {
        fixture.inputs = [TensorArgument(name: nil, path: Folder.join(path, inputs))]
        fixture.expected = expected.map { [TensorArgument(name: nil, path: Folder.join(path, $0))] } ?? []
      }
      var sets = isAlone ? dataSets(path, folders) : []
      if fixture.inputs.isEmpty, sets.isEmpty || fixture.models.count > 1 { fixtures.append(fixture) }
      if !fixture.inputs.isEmpty { fixtures.append(fixture) }
      for index in sets.indices {
        sets[index].name = Folder.join(fixture.name, sets[index].name)
        sets[index].models = models
      }
      fixtures += sets
    }
  }

  /// `-00001-of-00002`
  private static func isShard(_ stem: String) -> Bool {
    let parts = stem.split(separator: "-")
    return parts.count >= 3 && parts[parts.count - 2] == "of" && parts.last!.allSatisfy(\.isNumber)
      && parts[parts.count - 3].allSatisfy(\.isNumber)
  }

  /// `lstm.inputs.npz` and `lstm.outputs.npz`; `inputs.npz` and `outputs.npz` where there is one model in the folder.
  private func tensors(
    of stem: String, isAlone: Bool, _ names: Set<String>
  ) -> (inputs: String, expected: String?)? {
    let beginnings = [".", "-", "_"].map { stem + $0 } + (isAlone ? [""] : [])
    func first(_ words: [String]) -> String? {
      for beginning in beginnings {
        for word in words {
          for ending in [".npz", ".npy", ".pb"] where names.contains(beginning + word + ending) {
            return beginning + word + ending
          }
        }
      }
      return nil
    }
    guard let inputs = first(["inputs", "input"]) else { return nil }
    return (inputs, first(["outputs", "output", "expected"]))
  }

  /// ONNX's `test_data_set_0/input_0.pb`, `output_0.pb`.
  private func dataSets(_ path: String, _ folders: [String]) -> [Fixture] {
    folders.filter { $0.hasPrefix("test_data_set_") }.compactMap { name in
      let place = Folder.join(path, name)
      let names = Set(Folder.entries(of: Folder.join(folder, place)).map(\.name))
      func numbered(_ word: String) -> [TensorArgument] {
        (0..<names.count).map { "\(word)_\($0).pb" }.prefix { names.contains($0) }.map {
          TensorArgument(name: nil, path: Folder.join(place, $0))
        }
      }
      var fixture = Fixture(name, [])
      fixture.inputs = numbered("input")
      fixture.expected = numbered("output")
      return fixture.inputs.isEmpty ? nil : fixture
    }
  }
}

extension JSONValue {
  /// Every string that is a value in it.
  fileprivate var strings: [String] {
    switch self {
    case .string(let text): [text]
    case .array(let elements): elements.flatMap(\.strings)
    case .object(let members): members.flatMap(\.value.strings)
    case .null, .bool, .integer, .number: []
    }
  }
}
