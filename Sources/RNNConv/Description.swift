public import ByteIO
public import Recurrent
public import StateDicts
internal import Tensors
public import Verification

// Facts about models and verdicts as JSON, for `--json` (schemas/cli-json.md).

extension ModelFile {
  /// Everything that `inspect` shows.
  public func summary() throws(RNNConvError) -> JSONValue {
    let model = try model
    let layers = model.layers.map { layer -> JSONValue in
      var members: [JSONMember] = [
        JSONMember("name", .string(layer.name)), JSONMember("operation", .string(layer.operation.name)),
      ]
      if case .recurrent(let recurrent) = layer.operation {
        members.append(JSONMember("direction", .string(recurrent.direction.rawValue)))
        members.append(JSONMember("inputSize", .integer(Int64(recurrent.inputSize))))
        members.append(JSONMember("hiddenSize", .integer(Int64(recurrent.hiddenSize))))
        if let size = recurrent.projectionSize {
          members.append(JSONMember("projectionSize", .integer(Int64(size))))
        }
        members.append(JSONMember("gateOrder", .string(recurrent.cell.gateOrder.description)))
        if let clip = recurrent.clip { members.append(JSONMember("clip", .number(clip))) }
        switch recurrent.path {
        case .time: break
        case .timeAtPlaces(let count): members.append(JSONMember("timeAtPlaces", .integer(Int64(count))))
        case .places(let count): members.append(JSONMember("places", .integer(Int64(count))))
        }
        if recurrent.inputForget { members.append(JSONMember("inputForget", .bool(true))) }
        if let resetAfter = recurrent.cell.kind.resetAfter {
          members.append(JSONMember("resetAfter", .bool(resetAfter)))
        }
      }
      let tensors = layer.operation.tensors.map { role, tensor -> JSONValue in
        .object([
          JSONMember("role", .string(role)), JSONMember("elementType", .string(tensor.elementType.rawValue)),
          JSONMember("shape", .array(tensor.shape.map { .integer(Int64($0)) })),
          JSONMember("bytes", .integer(Int64(tensor.bytes.count))),
        ])
      }
      members.append(JSONMember("inputs", .array(layer.inputs.map { $0.map(JSONValue.string) ?? .null })))
      members.append(JSONMember("outputs", .array(layer.outputs.map { $0.map(JSONValue.string) ?? .null })))
      members.append(JSONMember("tensors", .array(tensors)))
      return .object(members)
    }
    return .object([
      JSONMember("path", .string(path)), JSONMember("format", .string(format.name)),
      JSONMember("fileBytes", .integer(Int64(byteCount))), JSONMember("name", .string(model.name)),
      JSONMember("fingerprint", .string(model.fingerprint.description)),
      JSONMember("parameters", .integer(Int64(model.parameterCount))),
      JSONMember("weightBytes", .integer(Int64(model.tensors.reduce(0) { $0 + $1.tensor.bytes.count }))),
      JSONMember("inputs", .array(model.inputs.map(\.json))),
      JSONMember("outputs", .array(model.outputs.map(\.json))),
      JSONMember("facts", .object(facts.map { JSONMember($0.name, .string($0.value)) })),
      JSONMember("tensorCount", .integer(Int64(try storedTensors.count))),
      JSONMember("layers", .array(layers)),
      JSONMember(
        "metadata",
        .object(model.metadata.sorted { $0.key < $1.key }.map { JSONMember($0.key, .string($0.value)) })),
      JSONMember("notes", .array(notes.map(\.json))),
      JSONMember("findings", .array(findings.map(\.json))),
    ])
  }
}

extension Finding {
  /// As `inspect --json` lists it (schemas/cli-json.md).
  public var json: JSONValue {
    .object([
      JSONMember("kind", .string(kind.rawValue)), JSONMember("subject", .string(subject)),
      JSONMember("detail", .string(detail)),
      JSONMember("option", setting.map { .string($0.description) } ?? .null),
    ])
  }
}

extension Model.Port {
  /// `[T, B, 8]`; `T?` is an axis that is not there where its size is 1.
  public var shapeDescription: String {
    "["
      + axes.map { axis -> String in
        if axis.factors.isEmpty { return "1" }
        let size = axis.factors.map { factor -> String in
          switch factor {
          case .time: "T"
          case .batch: "B"
          case .features(_, let count): String(count)
          }
        }.joined(separator: "·")
        if let fixed = axis.size, String(fixed) != size { return "\(size)=\(fixed)" }
        return axis.isDroppedAtOne ? "\(size)?" : size
      }.joined(separator: ", ") + "]"
  }

  var json: JSONValue {
    .object([
      JSONMember("name", .string(name)), JSONMember("elementType", .string(elementType.rawValue)),
      JSONMember("shape", .string(shapeDescription)),
    ])
  }
}

extension ConversionNote {
  /// As `convert --json` lists it (schemas/cli-json.md).
  public var json: JSONValue {
    .object([
      JSONMember("layer", .string(layer)), JSONMember("exactness", .string(exactness.rawValue)),
      JSONMember("detail", .string(detail)),
    ])
  }
}

extension VerificationReport {
  /// As `verify --json` prints it (schemas/cli-json.md).
  public var json: JSONValue {
    .object([
      JSONMember("verdict", .string(verdict.rawValue)), JSONMember("left", .string(left)),
      JSONMember("right", .string(right)),
      JSONMember("fingerprints", .array(fingerprints.map { $0.map(JSONValue.string) ?? .null })),
      JSONMember("structure", structure?.json ?? .null),
      JSONMember("outputs", .array(outputs.map(\.json))),
      JSONMember(
        "roads",
        .array(
          roads.map { road in
            .object([
              JSONMember("side", .string(road.side)), JSONMember("verdict", .string(road.verdict.rawValue)),
              JSONMember("outputs", .array(road.outputs.map(\.json))),
              JSONMember("isSecond", .bool(road.isSecond)),
            ])
          })),
      JSONMember("probes", .array(probes.map(JSONValue.string))),
      JSONMember("seed", seed.map { .integer(Int64(bitPattern: $0)) } ?? .null),
      JSONMember("reasons", .array(reasons.map(JSONValue.string))),
      JSONMember("blindRadius", radius?.json ?? .null),
      JSONMember("diagnosis", diagnosis?.json ?? .null),
    ])
  }
}

extension Diagnosis {
  /// As it stands in a report (schemas/cli-json.md).
  public var json: JSONValue {
    .object([
      JSONMember("suspect", .string(suspect)), JSONMember("reference", .string(reference)),
      JSONMember("certain", .bool(isCertain)), JSONMember("summary", .string(summary)),
      JSONMember(
        "explanations",
        .array(
          explanations.map { explanation in
            .object([
              JSONMember("mistake", .string(explanation.mistake)),
              JSONMember("name", .string(explanation.name)),
              JSONMember("place", .string(explanation.place)),
              JSONMember("evidence", .string(explanation.evidence.rawValue)),
            ])
          })),
      JSONMember("places", .array(places.map(JSONValue.string))),
      JSONMember("tried", .integer(Int64(tried))), JSONMember("complete", .bool(isComplete)),
      JSONMember("mendable", .bool(mended != nil)), JSONMember("suggestion", suggestion?.json ?? .null),
    ])
  }
}

extension Diagnosis.Suggestion {
  var json: JSONValue {
    switch self {
    case .select(let left, let right):
      .object([JSONMember("select", .array([.string(left), .string(right)]))])
    case .batchFirst: .object([JSONMember("batchFirst", .bool(true))])
    }
  }
}

extension PowerReport {
  /// As `verify --power --json` prints it (schemas/cli-json.md).
  public var json: JSONValue {
    .object([
      JSONMember("model", .string(model)), JSONMember("probes", .array(probes.map(JSONValue.string))),
      JSONMember("seed", seed.map { .integer(Int64(bitPattern: $0)) } ?? .null),
      JSONMember(
        "mistakes",
        .array(
          mistakes.map { item in
            .object([
              JSONMember("mistake", .string(item.mistake)), JSONMember("name", .string(item.name)),
              JSONMember("ways", .integer(Int64(item.ways))),
              JSONMember("noticed", .integer(Int64(item.noticed))),
              JSONMember("unnoticed", .array(item.unnoticed.map(JSONValue.string))),
              JSONMember("reasons", .array(item.reasons.map(JSONValue.string))),
            ])
          })),
    ])
  }
}

extension BlindRadius {
  /// As it stands in a report (schemas/cli-json.md).
  public var json: JSONValue {
    .object([
      JSONMember("output", output.json), JSONMember("comparesWeights", .bool(comparesWeights)),
      JSONMember(
        "layers",
        .array(
          layers.map { radius in
            .object([
              JSONMember("layer", .string(radius.layer)), JSONMember("role", .string(radius.role)),
              JSONMember("share", radius.share.json),
            ])
          })), JSONMember("summary", .string(summary)),
    ])
  }
}

extension Structure {
  /// How the parameters of two models relate (schemas/cli-json.md).
  public var json: JSONValue {
    .object([
      JSONMember("outcome", .string(outcome.rawValue)), JSONMember("parameters", .integer(Int64(parameters))),
      JSONMember("tensors", .integer(Int64(tensors))),
      JSONMember("unaligned", unaligned.map(JSONValue.string) ?? .null),
      JSONMember("differences", .array(differences.map(\.json))),
      JSONMember(
        "attributes",
        .array(
          attributes.map { mismatch in
            .object([
              JSONMember("layer", .string(mismatch.layer)), JSONMember("name", .string(mismatch.name)),
              JSONMember("left", .string(mismatch.left)), JSONMember("right", .string(mismatch.right)),
              JSONMember("isRounding", .bool(mismatch.isRounding)),
            ])
          })),
    ])
  }
}

extension ParameterDifference {
  var json: JSONValue {
    let kind: (name: String, rounding: JSONValue) =
      switch relation {
      case .rounded(let rounding): ("rounded", .string(rounding.description))
      case .near: ("near", .null)
      case .different: ("different", .null)
      }
    return .object([
      JSONMember("left", .string(left)), JSONMember("right", .string(right)),
      JSONMember("role", .string(role)),
      JSONMember("relation", .string(kind.name)), JSONMember("rounding", kind.rounding),
      JSONMember("elements", .integer(Int64(elements))), JSONMember("differing", .integer(Int64(differing))),
      JSONMember("unexplained", .integer(Int64(unexplained))), JSONMember("largestUlps", largestUlps.json),
      JSONMember("largestDifference", largestDifference.json),
      JSONMember("gates", .array(gates.map { .string($0.rawValue) })),
      JSONMember("rows", .integer(Int64(rows))),
      JSONMember("rowCount", .integer(Int64(rowCount))),
      JSONMember("first", .array(first.index.map { .integer(Int64($0)) })),
      JSONMember("summary", .string(summary)),
    ])
  }
}

extension OutputComparison {
  var json: JSONValue {
    .object([
      JSONMember("name", .string(name)), JSONMember("verdict", .string(verdict.rawValue)),
      JSONMember("elements", .integer(Int64(elements))), JSONMember("undecided", .integer(Int64(undecided))),
      JSONMember("stochastic", .integer(Int64(stochastic))), JSONMember("proven", .bool(isProven)),
      JSONMember("noiseMultiple", noiseMultiple.json), JSONMember("noiseRMS", noiseRMS.json),
      JSONMember("blindShare", blindShare.json),
      JSONMember("maxDeviation", maxDeviation.json), JSONMember("maxBound", maxBound.json),
      JSONMember("maxAllowed", maxAllowed.json),
      JSONMember("bound", boundThere.json),
      JSONMember("tightness", tightness.json), JSONMember("firstOutside", firstOutside?.json ?? .null),
      JSONMember("worst", worst?.json ?? .null),
    ])
  }
}

extension OutputComparison.Place {
  var json: JSONValue {
    .object([
      JSONMember("probe", .string(probe)), JSONMember("index", .array(index.map { .integer(Int64($0)) })),
      JSONMember("left", left.json), JSONMember("right", right.json),
    ])
  }
}

extension Double {
  /// JSON has no infinity or NaN: they are written as text.
  var json: JSONValue { isFinite ? .number(self) : .string("\(self)") }
}
