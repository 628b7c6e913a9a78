internal import ByteIO
internal import Forward
internal import StateDicts
internal import Verification

/// A request as evidence holds it.
package struct RecordedRequest: Sendable, Equatable {
  let json: JSONValue

  init(_ request: VerificationRequest) {
    func list(_ arguments: [TensorArgument]) -> JSONValue {
      .array(arguments.map { .string($0.description) })
    }
    let tolerance = request.options.tolerance.map { tolerance -> JSONValue in
      .object([
        JSONMember("absolute", .number(tolerance.absolute)),
        JSONMember("relative", .number(tolerance.relative)),
      ])
    }
    // Evidence of models that hold their architecture stays as it was before there were others.
    let architecture =
      (request.architecture == ArchitectureOptions()
        ? [] : [JSONMember("architecture", request.architecture.json)])
      + (request.leftArchitecture.map { [JSONMember("leftArchitecture", $0.json)] } ?? [])
      + (request.rightArchitecture.map { [JSONMember("rightArchitecture", $0.json)] } ?? [])
    let activationError =
      request.options.activationError.map { [JSONMember("activationError", .number($0))] } ?? []
    json = .object(
      [
        JSONMember("files", .array(request.files.map(JSONValue.string))),
        JSONMember("inputs", list(request.inputs)), JSONMember("expected", list(request.expected)),
        JSONMember("bindings", list(request.bindings)),
        JSONMember("format", request.format.map(JSONValue.string) ?? .null),
        JSONMember("seed", .integer(Int64(bitPattern: request.options.seed))),
        JSONMember("suite", .string(request.options.suite.rawValue)),
        JSONMember("runtime", .string(request.options.runtime.rawValue)),
        JSONMember("storage", request.options.storage.map { .string($0.rawValue) } ?? .null),
        JSONMember("tolerance", tolerance ?? .null),
      ] + architecture + activationError + (request.allowsLoss ? [JSONMember("allowsLoss", .bool(true))] : [])
        + (request.options.isDiagnosing ? [] : [JSONMember("isDiagnosing", .bool(false))])
    )
  }

  init(_ json: JSONValue) { self.json = json }

  /// The request again; throws naming the key that is missing or holds something else.
  package var request: VerificationRequest {
    get throws(EvidenceError) {
      var request = VerificationRequest(try strings("files"))
      request.inputs = try strings("inputs").map { TensorArgument($0) }
      request.expected = try strings("expected").map { TensorArgument($0) }
      request.bindings = try strings("bindings").map { TensorArgument($0) }
      switch json["format"] {
      case .string(let name): request.format = name
      case .null: break
      default: throw .wrong("request.format")
      }
      guard let architecture = ArchitectureOptions(json["architecture"] ?? .object([])) else {
        throw .wrong("request.architecture")
      }
      request.architecture = architecture
      request.leftArchitecture = try Self.architecture(json, "leftArchitecture")
      request.rightArchitecture = try Self.architecture(json, "rightArchitecture")
      guard case .integer(let seed)? = json["seed"] else { throw .wrong("request.seed") }
      request.options.seed = UInt64(bitPattern: seed)
      guard case .string(let name)? = json["suite"], let suite = ProbeSuite(rawValue: name) else {
        throw .wrong("request.suite")
      }
      request.options.suite = suite
      guard case .string(let runtime)? = json["runtime"],
        let known = VerificationOptions.Runtime(rawValue: runtime)
      else { throw .wrong("request.runtime") }
      request.options.runtime = known
      switch json["activationError"] {
      case .number(let error): request.options.activationError = error
      case nil: break
      default: throw .wrong("request.activationError")
      }
      switch json["allowsLoss"] {
      case .bool(let allows): request.allowsLoss = allows
      case nil: break
      default: throw .wrong("request.allowsLoss")
      }
      switch json["isDiagnosing"] {
      case .bool(let isDiagnosing): request.options.isDiagnosing = isDiagnosing
      case nil: break
      default: throw .wrong("request.isDiagnosing")
      }
      switch json["storage"] {
      case .string(let name):
        guard let storage = WeightStorage(rawValue: name) else { throw .wrong("request.storage") }
        request.options.storage = storage
      case .null, nil: break
      default: throw .wrong("request.storage")
      }
      switch json["tolerance"] {
      case .null: break
      case .object(let members)?:
        guard case .number(let absolute)? = JSONValue.object(members)["absolute"],
          case .number(let relative)? = JSONValue.object(members)["relative"]
        else { throw .wrong("request.tolerance") }
        request.options.tolerance = Tolerance(absolute: absolute, relative: relative)
      default: throw .wrong("request.tolerance")
      }
      return request
    }
  }

  /// Of one file alone; nil where nothing was said of it.
  private static func architecture(
    _ json: JSONValue, _ key: String
  ) throws(EvidenceError) -> ArchitectureOptions? {
    guard let value = json[key] else { return nil }
    guard let options = ArchitectureOptions(value) else { throw .wrong("request.\(key)") }
    return options
  }

  private func strings(_ key: String) throws(EvidenceError) -> [String] {
    guard case .array(let values)? = json[key] else { throw .wrong("request.\(key)") }
    var result: [String] = []
    for value in values {
      guard case .string(let text) = value else { throw .wrong("request.\(key)") }
      result.append(text)
    }
    return result
  }
}

/// What is wrong with a file of evidence.
package enum EvidenceError: Error, Equatable, CustomStringConvertible {
  case notEvidence
  case newer(Int64)
  case wrong(String)

  package var description: String {
    switch self {
    case .notEvidence: "not a file of evidence: no key 'evidence'"
    case .newer(let version): "evidence of version \(version); this rnnconv reads \(Evidence.version)"
    case .wrong(let key): "the key '\(key)' is missing or holds something else"
    }
  }
}
