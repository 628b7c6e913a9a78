package import ByteIO
internal import Forward
internal import Verification

/// What a verification can be told beside its files, inputs and architectures, declared once: the command line, evidence (and so
/// `replay`) and manifests go through all of them, and the compiler names which of these does not know a new one.
package enum VerificationOption: String, CaseIterable, Sendable {
  case runtime, tolerance, seed, suite, storage, activationError, isDiagnosing

  /// Its key in a manifest, where it has one there.
  package var manifestKey: String {
    switch self {
    case .runtime, .tolerance, .seed, .suite, .storage: rawValue
    case .activationError: "activation_error"
    case .isDiagnosing: "diagnosis"
    }
  }

  /// Whether evidence always holds it, null where it was not given; else only where it is not the standard.
  var isAlwaysRecorded: Bool {
    switch self {
    case .runtime, .tolerance, .seed, .suite, .storage: true
    case .activationError, .isDiagnosing: false
    }
  }

  /// Whether evidence says null where it was not given.
  var isRecordedAsNull: Bool { isAlwaysRecorded && VerificationOptions().json(self) == .null }

  /// Whether evidence without it is wrong: none was ever written so.
  var isRequired: Bool {
    switch self {
    case .runtime, .tolerance, .seed, .suite: true
    case .storage, .activationError, .isDiagnosing: false
    }
  }
}

extension VerificationOptions {
  /// One option as evidence and manifests hold it; null where it is not given.
  package func json(_ option: VerificationOption) -> JSONValue {
    switch option {
    case .runtime: .string(runtime.rawValue)
    case .tolerance:
      tolerance.map {
        .object([
          JSONMember("absolute", .number($0.absolute)), JSONMember("relative", .number($0.relative)),
        ])
      } ?? .null
    case .seed: .integer(Int64(bitPattern: seed))
    case .suite: .string(suite.rawValue)
    case .storage: storage.map { .string($0.rawValue) } ?? .null
    case .activationError: activationError.map(JSONValue.number) ?? .null
    case .isDiagnosing: .bool(isDiagnosing)
    }
  }

  /// Whether an option is what it is where nothing was said.
  package func isStandard(_ option: VerificationOption) -> Bool {
    json(option) == VerificationOptions().json(option)
  }

  /// Takes one option from a value that `json` gave, or that people wrote.
  package mutating func set<Failure>(
    _ option: VerificationOption, _ node: JSONNode<Failure>
  ) throws(Failure) {
    switch option {
    case .runtime: runtime = try node.word(Runtime.self)
    case .tolerance:
      var given = Tolerance()
      for (key, value) in try node.members() where key != Failure.comment {
        switch key {
        case "absolute": given.absolute = try value.amount()
        case "relative": given.relative = try value.amount()
        default: throw .json(.unknown(key: key), path: node.path, offset: value.place?.offset)
        }
      }
      tolerance = given
    case .seed: seed = UInt64(bitPattern: Int64(try node.integer()))
    case .suite: suite = try node.word(ProbeSuite.self)
    case .storage: storage = try node.word(WeightStorage.self)
    case .activationError: activationError = try node.amount()
    case .isDiagnosing: isDiagnosing = try node.flag()
    }
  }
}
