package import ByteIO
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
    // Evidence of models that hold their architecture stays as it was before there were others.
    let architecture =
      (request.architecture == ArchitectureOptions()
        ? [] : [JSONMember("architecture", request.architecture.json)])
      + (request.leftArchitecture.map { [JSONMember("leftArchitecture", $0.json)] } ?? [])
      + (request.rightArchitecture.map { [JSONMember("rightArchitecture", $0.json)] } ?? [])
    let options = VerificationOption.allCases.compactMap { option in
      option.isAlwaysRecorded || !request.options.isStandard(option)
        ? JSONMember(option.rawValue, request.options.json(option)) : nil
    }
    json = .object(
      [
        JSONMember("files", .array(request.files.map(JSONValue.string))),
        JSONMember("inputs", list(request.inputs)), JSONMember("expected", list(request.expected)),
        JSONMember("bindings", list(request.bindings)),
        JSONMember("format", request.format.map { .string($0.name) } ?? .null),
      ] + options + architecture + (request.allowsLoss ? [JSONMember("allowsLoss", .bool(true))] : [])
    )
  }

  init(_ json: JSONValue) { self.json = json }

  /// The request again; throws naming the key that is missing, unknown or holds something else.
  package var request: VerificationRequest {
    get throws(EvidenceError) {
      try JSONNode<EvidenceError>(json, path: "request").object { object throws(EvidenceError) in
        var request = VerificationRequest(try object.required("files").texts())
        request.inputs = try object.required("inputs").texts().map { TensorArgument($0) }
        request.expected = try object.required("expected").texts().map { TensorArgument($0) }
        request.bindings = try object.required("bindings").texts().map { TensorArgument($0) }
        request.format = try object.required("format").given?.format()
        request.architecture = try object.optional("architecture")?.architecture() ?? ArchitectureOptions()
        request.leftArchitecture = try object.optional("leftArchitecture")?.architecture()
        request.rightArchitecture = try object.optional("rightArchitecture")?.architecture()
        request.allowsLoss = try object.optional("allowsLoss")?.flag() ?? false
        for option in VerificationOption.allCases {
          let node =
            option.isRequired ? try object.required(option.rawValue) : object.optional(option.rawValue)
          guard let node, node.value != .null || !option.isRecordedAsNull else { continue }
          try request.options.set(option, node)
          // People leave out what is standard; we never did.
          if option == .tolerance {
            for key in ["absolute", "relative"] where node.value[key] == nil {
              throw node.failure(.missing(key: key))
            }
          }
        }
        return request
      }
    }
  }
}

extension JSONNode<EvidenceError> {
  /// Nil for what was not set.
  fileprivate var given: Self? { value == .null ? nil : self }

  fileprivate func texts() throws(EvidenceError) -> [String] {
    try list().map { (node) throws(EvidenceError) in try node.text() }
  }

  fileprivate func format() throws(EvidenceError) -> Format {
    let name = try text()
    do { return try Format.named(name) } catch { throw wrong(error.description) }
  }

  /// Of a file of weights alone.
  fileprivate func architecture() throws(EvidenceError) -> ArchitectureOptions {
    guard let options = ArchitectureOptions(value) else { throw wrong("it holds something else") }
    return options
  }
}

/// What is wrong with a file of evidence.
package enum EvidenceError: Error, Equatable, CustomStringConvertible {
  case notEvidence
  case newer(Int64)
  case wrong(path: String, reason: String)

  package var description: String {
    switch self {
    case .notEvidence: "not a file of evidence: no key 'evidence'"
    case .newer(let version): "evidence of version \(version); this rnnconv reads \(Evidence.version)"
    case .wrong(let path, let reason): "\(path): \(reason)"
    }
  }
}

extension EvidenceError: JSONFailure {
  package static func json(_ fault: JSONFault, path: String, offset: Int?) -> EvidenceError {
    .wrong(path: path, reason: fault.reason)
  }

  package static var comment: String? { nil }
}
