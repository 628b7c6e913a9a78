public import ByteIO
internal import Forward
internal import Recurrent
internal import Tensors
public import Verification

/// A verification written down so that anybody can do it again (schemas/evidence.md).
public struct Evidence: Sendable, Equatable {
  /// What the file holds.
  public let json: JSONValue
  package let request: RecordedRequest

  /// Of what is written; nothing else is read.
  public static let version: Int64 = 1

  /// The verdict that was recorded; `different` where it is none that is known.
  public var verdict: Verdict {
    guard case .string(let text)? = json["report"]?["verdict"] else { return .different }
    return Verdict(rawValue: text) ?? .different
  }

  /// Records a request and what came of it.
  ///
  /// - Throws: where a file cannot be read again, such as standard input.
  public init(
    _ request: VerificationRequest, _ outcome: VerificationRequest.Outcome,
    finding find: (String) -> String = { $0 }
  ) throws(RNNConvError) {
    let tensors = [request.inputs, request.expected, request.bindings].joined().map(\.path)
    var files: [JSONValue] = []
    for path in request.files + outcome.companions + tensors {
      guard path != "-" else { throw .arguments("evidence needs files: standard input cannot be read again") }
      do {
        let bytes = try ByteBuffer.open(path: find(path))
        files.append(
          .object([
            JSONMember("path", .string(path)), JSONMember("bytes", .integer(Int64(bytes.count))),
            JSONMember("sha256", .string(sha256(of: bytes))),
          ]))
      } catch { throw .file(error) }
    }
    let recorded = RecordedRequest(request)
    self.request = recorded
    json = .object([
      JSONMember("evidence", .integer(Self.version)), JSONMember("tool", .string("rnnconv")),
      JSONMember("version", .string(RNNConvVersion.current)), JSONMember("request", recorded.json),
      JSONMember("files", .array(files)), JSONMember("rounding", Self.rounding(request)),
      JSONMember("probes", .array(try outcome.probes().map(\.evidence))),
      JSONMember("report", outcome.report.json),
    ])
  }

  private static func rounding(_ request: VerificationRequest) -> JSONValue {
    let single = request.expected.isEmpty ? RoundingModel.float32 : request.options.rounding
    return .array([single.json, RoundingModel.float64.json])
  }

  /// Writes the file, as JSON.
  ///
  /// - Throws: `RNNConvError.file`.
  public func write(to path: String) throws(RNNConvError) {
    do { try AtomicFile.write(try json.prettyBytes(), to: path) } catch let error as FileError {
      throw .file(error)
    } catch {
      throw .unreadable(path: path, reason: "\(error)")
    }
  }
}

extension Probe {
  /// Its tensors by hash: what a seed must give again.
  fileprivate var evidence: JSONValue {
    let tensors = inputs.sorted { $0.key < $1.key }.map { name, tensor -> JSONValue in
      .object([
        JSONMember("name", .string(name)), JSONMember("elementType", .string(tensor.elementType.rawValue)),
        JSONMember("shape", .array(tensor.shape.map { .integer(Int64($0)) })),
        JSONMember("sha256", .string(sha256(of: tensor.bytes))),
      ])
    }
    return .object([JSONMember("name", .string(name)), JSONMember("inputs", .array(tensors))])
  }
}

extension RoundingModel {
  fileprivate var json: JSONValue {
    func function(_ error: FunctionError) -> JSONValue {
      .object([
        JSONMember("relative", .number(error.relative)), JSONMember("absolute", .number(error.absolute)),
      ])
    }
    return .object([
      JSONMember("format", .string(format.rawValue)), JSONMember("unitRoundoff", .number(unitRoundoff)),
      JSONMember("underflow", .number(underflow)), JSONMember("sigmoid", function(sigmoid)),
      JSONMember("tanh", function(tanh)), JSONMember("elementary", function(elementary)),
    ])
  }
}
