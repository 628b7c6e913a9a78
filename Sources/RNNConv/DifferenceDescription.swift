public import ByteIO
internal import Recurrent
public import Verification

// What `diff --json` prints (schemas/cli-json.md).

extension ModelDifference {
  /// - Parameter paths: of the left and the right file.
  public func json(paths: (String, String)) -> JSONValue {
    .object([
      JSONMember("same", .bool(isSame)), JSONMember("left", .string(paths.0)),
      JSONMember("right", .string(paths.1)),
      JSONMember("fingerprints", .array(fingerprints.map(JSONValue.string))),
      JSONMember("ports", .array(ports.map(\.json))), JSONMember("layers", .array(layers.map(\.json))),
    ])
  }
}

extension AttributeDifference {
  var json: JSONValue {
    .object([
      JSONMember("name", .string(name)), JSONMember("left", left.map(JSONValue.string) ?? .null),
      JSONMember("right", right.map(JSONValue.string) ?? .null), JSONMember("isNominal", .bool(isNominal)),
    ])
  }
}

extension LayerDifference {
  var json: JSONValue {
    .object([
      JSONMember("same", .bool(isSame)), JSONMember("left", left.map(JSONValue.string) ?? .null),
      JSONMember("right", right.map(JSONValue.string) ?? .null), JSONMember("operation", .string(operation)),
      JSONMember("attributes", .array(attributes.map(\.json))),
      JSONMember("tensors", .array(tensors.map(\.json))),
      JSONMember("notes", .array(notes.map(JSONValue.string))),
    ])
  }
}

extension TensorDifference {
  var json: JSONValue {
    .object([
      JSONMember("role", .string(role)), JSONMember("same", .bool(isSame)),
      JSONMember("left", left.map { .string($0.description) } ?? .null),
      JSONMember("right", right.map { .string($0.description) } ?? .null),
      JSONMember("blocks", .array(blocks.map(\.json))),
    ])
  }
}

extension BlockDifference {
  var json: JSONValue {
    .object([
      JSONMember("gate", gate.map { .string($0.rawValue) } ?? .null),
      JSONMember("elements", .integer(Int64(elements))), JSONMember("differing", .integer(Int64(differing))),
      JSONMember("maxUlps", Self.json(maxUlps)), JSONMember("medianUlps", Self.json(medianUlps)),
      JSONMember(
        "maxDifference", maxDifference.isFinite ? .number(maxDifference) : .string("\(maxDifference)")),
    ])
  }

  private static func json(_ ulps: UInt64) -> JSONValue {
    ulps == .max ? .string("nan") : Int64(exactly: ulps).map(JSONValue.integer) ?? .number(Double(ulps))
  }
}
