public import ByteIO
internal import Forward
internal import Recurrent
internal import Verification

extension GradientFlowReport {
  /// Everything but the Jacobians; schemas/cli-json.md.
  public var json: JSONValue {
    .object([
      JSONMember("model", .string(model)), JSONMember("probe", .string(probe)),
      JSONMember("seed", seed.map { .integer(Int64(bitPattern: $0)) } ?? .null),
      JSONMember("flows", .array(flows.map(\.json))),
    ])
  }
}

extension GradientFlow {
  var json: JSONValue {
    .object([
      JSONMember("layer", .string(layer)), JSONMember("cell", .string(cell.name)),
      JSONMember("direction", .string(isReverse ? "reverse" : "forward")),
      JSONMember("steps", .integer(Int64(steps))), JSONMember("outputSize", .integer(Int64(outputSize))),
      JSONMember("cellSize", .integer(Int64(cellSize))), JSONMember("verdict", verdict.json),
      JSONMember(
        "log10Norms",
        .object([
          JSONMember("state", stateNorms.json), JSONMember("hidden", hiddenNorms.json),
          JSONMember("cell", cellNorms.json),
        ])),
      JSONMember("lyapunovExponents", exponents.json),
      JSONMember(
        "spectralRadii",
        .array(
          radii.map {
            .object([JSONMember("gate", .string($0.gate.rawValue)), JSONMember("radius", $0.radius.json)])
          })),
      JSONMember(
        "gates",
        .array(
          gates.map {
            .object([
              JSONMember("gate", .string($0.gate.rawValue)), JSONMember("mean", $0.mean.json),
              JSONMember("leastUnit", $0.units.lowerBound.json),
              JSONMember("greatestUnit", $0.units.upperBound.json),
            ])
          })),
    ])
  }
}

extension GradientVerdict {
  var json: JSONValue {
    let (kind, steps): (String, Double?) =
      switch self {
      case .vanishes(let halfLife): ("vanishes", halfLife)
      case .stable: ("stable", nil)
      case .explodes(let doubling): ("explodes", doubling)
      case .cut(let distance): ("cut", Double(distance))
      case .undecided: ("undecided", nil)
      }
    return .object([
      JSONMember("kind", .string(kind)), JSONMember("steps", steps?.json ?? .null),
      JSONMember("words", .string(words)),
    ])
  }
}

extension [Double] {
  fileprivate var json: JSONValue { .array(map(\.json)) }
}
