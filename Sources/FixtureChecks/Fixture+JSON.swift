internal import ByteIO
internal import Forward
internal import RNNConv
internal import StateDicts
internal import Verification

// A fixture as a manifest holds it, and as it is handed to a worker.

extension Manifest {
  /// The fixtures, each with its name as it stands in the manifest.
  static func fixtures(_ manifest: ManifestNode) throws(ManifestFault) -> [(
    fixture: Fixture, name: ManifestNode
  )] {
    var defaults: ManifestNode?
    var list: ManifestNode?
    try manifest.object(requiring: ["rnnconv_check", "fixtures"]) { (key, node) throws(ManifestFault) in
      switch key {
      case "$schema": _ = try node.words()
      case "rnnconv_check":
        let version = try node.integer()
        guard version == Int(Manifest.version) else {
          throw node.wrong("version \(version); this rnnconv reads \(Manifest.version)")
        }
      case "defaults":
        let known =
          ["verdict"] + VerificationOption.allCases.filter(\.isOfFixtures).map(\.manifestKey) + ["timeout"]
        for (key, value) in try node.entries() where !known.contains(key) {
          throw value.wrong("only \(known.joined(separator: ", ")) can have a default")
        }
        defaults = node
      case "fixtures":
        guard try !node.list().isEmpty else { throw node.wrong("there are none") }
        list = node
      default: return false
      }
      return true
    }
    var fixtures: [(fixture: Fixture, name: ManifestNode)] = []
    var names: Set<String> = []
    for entry in try list?.list() ?? [] {
      let fixture = try Fixture(entry, defaults: defaults)
      let name = try entry.entries().first { $0.key == "name" }!.node
      guard names.insert(fixture.name).inserted else {
        throw name.wrong("there are two fixtures '\(fixture.name)'")
      }
      fixtures.append((fixture, name))
    }
    return fixtures
  }
}

extension Fixture {
  init(_ node: ManifestNode, defaults: ManifestNode? = nil) throws(ManifestFault) {
    self.init("", [])
    try node.object(requiring: ["name", "models"], completedBy: defaults) {
      (key, value) throws(ManifestFault) in
      switch key {
      case "name":
        name = try value.words()
        guard name.unicodeScalars.allSatisfy({ $0.value >= 0x20 && $0.value != 0x7F }) else {
          throw value.wrong("a control character stands in the name")
        }
      case "models":
        models = try value.list().map { (entry) throws(ManifestFault) in try Model(entry) }
        guard !models.isEmpty else { throw value.wrong("there are none") }
      case "inputs": inputs = try value.tensorFiles()
      case "expected": expected = try value.tensorFiles()
      case "verdict": verdict = try value.word(Verdict.self)
      case "timeout":
        timeout = try value.amount()
        guard timeout! > 0, timeout! <= 86_400 else {
          throw value.wrong("give more than 0 seconds, a day at most")
        }
      case "blind_to":
        for (mistake, reason) in try value.entries() {
          guard mistake == "all" || Mistake.named(mistake) != nil else {
            throw reason.wrong("no known mistake; those of 'rnnconv verify --power --json' are, and 'all'")
          }
          blindTo[mistake] = try reason.words()
        }
      case "refused": refused = try Refusal(value)
      case "skip": skip = try value.words()
      default:
        guard
          let option = VerificationOption.allCases.first(where: { $0.isOfFixtures && $0.manifestKey == key })
        else { return false }
        try options.set(option, value)
        if option == .suite { triesBoth = true }
      }
      return true
    }
    guard expected.isEmpty || !inputs.isEmpty else {
      throw node.wrong("expected outputs need the inputs that they were made with")
    }
    if refused != nil, models.count > 1 || !expected.isEmpty || verdict == .different {
      throw node.wrong("a file that is refused has no counterparts, expected outputs or verdict")
    }
    if verdict == .close, options.tolerance == nil {
      throw node.wrong("the verdict 'close' needs a tolerance")
    }
  }

  var json: JSONValue {
    var members = [
      JSONMember("name", .string(name)), JSONMember("models", .array(models.map(\.json))),
    ]
    func add(_ key: String, _ value: JSONValue?) {
      if let value { members.append(JSONMember(key, value)) }
    }
    func list(_ files: [TensorArgument]) -> JSONValue? {
      files.isEmpty ? nil : .array(files.map { .string($0.description) })
    }
    add("inputs", list(inputs))
    add("expected", list(expected))
    if verdict != .equal { add("verdict", .string(verdict.rawValue)) }
    for option in VerificationOption.allCases where option.isOfFixtures {
      if !options.isStandard(option) || option == .suite && triesBoth {
        add(option.manifestKey, options.json(option))
      }
    }
    add("timeout", timeout.map(JSONValue.number))
    if !blindTo.isEmpty {
      add(
        "blind_to",
        .object(blindTo.sorted { $0.key < $1.key }.map { JSONMember($0.key, .string($0.value)) }))
    }
    add("refused", refused?.json)
    add("skip", skip.map(JSONValue.string))
    return .object(members)
  }
}

extension Fixture.Model {
  init(_ node: ManifestNode) throws(ManifestFault) {
    if case .string = node.value {
      self.init(try node.file())
      return
    }
    self.init("")
    try node.object(requiring: ["path"]) { (key, value) throws(ManifestFault) in
      switch key {
      case "path": path = try value.file()
      case "fingerprint":
        recordsFingerprint = true
        if value.value == .null { break }
        let text = try value.words()
        guard text.utf8.count == 64, text.allSatisfy({ $0.isHexDigit && !$0.isUppercase }) else {
          throw value.wrong("a fingerprint is 64 digits, 0 to 9 and a to f")
        }
        fingerprint = text
      case "format": format = try value.words()
      case "architecture":
        let said = JSONValue.object(try value.entries().map { JSONMember($0.key, $0.node.value) })
        guard let options = ArchitectureOptions(said) else {
          throw value.wrong(
            "expected key, modules, nonlinearity, batch_first, select, head or axes, as the options take them"
          )
        }
        architecture = options
      case "bindings": bindings = try value.tensorFiles()
      case VerificationOption.storage.manifestKey: storage = try value.word(WeightStorage.self)
      default: return false
      }
      return true
    }
  }

  var json: JSONValue {
    var members = [JSONMember("path", .string(path))]
    if recordsFingerprint {
      members.append(JSONMember("fingerprint", fingerprint.map(JSONValue.string) ?? .null))
    }
    if let format { members.append(JSONMember("format", .string(format))) }
    if architecture != ArchitectureOptions() { members.append(JSONMember("architecture", architecture.json)) }
    if !bindings.isEmpty {
      members.append(JSONMember("bindings", .array(bindings.map { .string($0.description) })))
    }
    if let storage { members.append(JSONMember("storage", .string(storage.rawValue))) }
    return members.count == 1 ? .string(path) : .object(members)
  }
}

extension Fixture.Refusal {
  fileprivate init(_ node: ManifestNode) throws(ManifestFault) {
    self.init()
    try node.object(requiring: []) { (key, value) throws(ManifestFault) in
      switch key {
      case "code":
        let number = try value.integer()
        guard (2...4).contains(number) else { throw value.wrong("files are refused with 2, 3 or 4") }
        code = Int32(number)
      case "words": words = try value.list().map { (word) throws(ManifestFault) in try word.words() }
      default: return false
      }
      return true
    }
  }

  fileprivate var json: JSONValue {
    .object(
      (code.map { [JSONMember("code", .integer(Int64($0)))] } ?? [])
        + (words.isEmpty ? [] : [JSONMember("words", .array(words.map(JSONValue.string)))]))
  }
}

extension VerificationOption {
  /// Whether a fixture says it, of all its models.
  fileprivate var isOfFixtures: Bool {
    switch self {
    case .runtime, .tolerance, .seed, .suite, .activationError, .isDiagnosing: true
    // Each counterpart says its own.
    case .storage: false
    }
  }
}

extension ManifestNode {
  fileprivate func tensorFiles() throws(ManifestFault) -> [TensorArgument] {
    try list().map { (entry) throws(ManifestFault) in
      let argument = TensorArgument(try entry.words())
      _ = try ManifestNode(.string(argument.path), path: entry.path, place: entry.place).file()
      return argument
    }
  }
}
