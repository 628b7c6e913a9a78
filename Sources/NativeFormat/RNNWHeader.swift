internal import ByteIO
internal import Recurrent
internal import Tensors

/// The JSON header, parsed but for its layers, which need the tensors.
struct RNNWHeader {
  /// Top-level keys that begin so are other people's: a reader that does not know them skips them.
  static let optionalPrefix = "x-"

  let name: String
  let inputs: [Model.Port]
  let outputs: [Model.Port]
  let layers: [HeaderNode]
  let metadata: [String: String]
  let tensors: [RNNWTensorEntry]

  init(parsing bytes: ByteBuffer, _ preamble: RNNWPreamble, limits: Limits) throws(RNNWError) {
    let start = RNNWPreamble.size
    let text = bytes.slice(offset: start, count: preamble.headerLength)!
    let json: JSONValue
    do { json = try JSONValue(parsing: text, limits: limits) } catch {
      throw .json(ParseError(offset: start + error.offset, reason: error.reason))
    }
    self = try HeaderNode(json, path: "header").object { object throws(RNNWError) in
      try RNNWHeader(&object)
    }
    // One model, one text: two files differ only where their models do.
    if let canonical = try? json.canonicalBytes(), let place = text.firstDifference(from: canonical) {
      throw .notCanonical(offset: start + place)
    }
    guard tensors.count <= limits.tensors else { throw .tooManyTensors(limit: limits.tensors) }
    try checkFeatures(preamble.features)
  }

  private init(_ object: inout HeaderObject) throws(RNNWError) {
    name = try object.required("name").text()
    inputs = try object.required("inputs").list().map { node throws(RNNWError) in
      try Model.Port(parsing: node)
    }
    outputs = try object.required("outputs").list().map { node throws(RNNWError) in
      try Model.Port(parsing: node)
    }
    layers = try object.required("layers").list()
    metadata = try object.required("metadata").stringDictionary()
    tensors = try object.required("tensors").list().map { node throws(RNNWError) in
      try RNNWTensorEntry(parsing: node)
    }
    object.skip(prefix: Self.optionalPrefix)
  }

  /// Each flag is set exactly where a tensor or an output needs it.
  private func checkFeatures(_ stored: RNNWFeatures) throws(RNNWError) {
    let used = RNNWFeatures(tensors.map(\.features) + outputs.map(\.features))
    for (feature, name) in RNNWFeatures.known where stored.contains(feature) != used.contains(feature) {
      throw .wrongFlag(name, isSet: stored.contains(feature))
    }
  }
}

extension ByteBuffer {
  fileprivate func firstDifference(from other: [UInt8]) -> Int? {
    withUnsafeBytes { bytes in
      if bytes.elementsEqual(other) { return nil }
      return zip(bytes, other).enumerated().first { $1.0 != $1.1 }?.offset ?? min(bytes.count, other.count)
    }
  }
}

extension HeaderNode {
  fileprivate func stringDictionary() throws(RNNWError) -> [String: String] {
    guard case .object(let members) = value else {
      throw .wrongKind(path: path, expected: "an object", found: value.kindName)
    }
    var result: [String: String] = [:]
    for member in members {
      let text = try HeaderNode(member.value, path: "\(path).\(member.key)").text()
      // Distinct bytes can still be one Swift string ("é" composed and decomposed); neither may vanish.
      guard result.updateValue(text, forKey: member.key) == nil else {
        throw .header(path: path, reason: "two keys are canonically equivalent to '\(member.key)'")
      }
    }
    return result
  }
}

// MARK: Ports

extension Model.Port {
  init(parsing node: HeaderNode) throws(RNNWError) {
    self = try node.object { port throws(RNNWError) in
      let kind = try ValueKind(parsing: &port)
      return Model.Port(
        name: try port.required("name").text(), value: try port.required("value").text(),
        elementType: try port.required("dtype").name("element type"), kind: kind,
        axes: try port.required("axes").list().map { axis throws(RNNWError) in try PortAxis(parsing: axis) })
    }
  }

  var json: JSONValue {
    .present(
      [
        ("name", .string(name)), ("value", .string(value)), ("dtype", .string(elementType.rawValue)),
        ("axes", .array(axes.map(\.json))),
      ] + kind.members)
  }
}

extension Model.Port {
  /// What a reader must know to give this output.
  var features: RNNWFeatures { axes.contains(where: \.isDroppedAtOne) ? .droppedAxes : [] }
}

extension ValueKind {
  /// From the members `kind` and `features`.
  init(parsing object: inout HeaderObject) throws(RNNWError) {
    let node = try object.required("kind")
    switch try node.text() {
    case "sequence": self = .sequence(features: try object.required("features").size())
    case "vector": self = .vector(features: try object.required("features").size())
    case "tokens": self = .tokens
    case "indices": self = .indices
    case let name: throw .unknownName(path: node.path, what: "kind of value", name: name)
    }
  }

  var members: [(String, JSONValue?)] {
    switch self {
    case .sequence(let features): [("kind", "sequence"), ("features", .size(features))]
    case .vector(let features): [("kind", "vector"), ("features", .size(features))]
    case .tokens: [("kind", "tokens")]
    case .indices: [("kind", "indices")]
    }
  }
}

extension PortAxis {
  init(parsing node: HeaderNode) throws(RNNWError) {
    self = try node.object { axis throws(RNNWError) in
      PortAxis(
        try axis.required("factors").list().map { factor throws(RNNWError) in
          try AxisFactor(parsing: factor)
        },
        size: try axis.optional("size")?.size(), symbol: try axis.optional("symbol")?.text(),
        isDroppedAtOne: try axis.optional("droppedAtOne")?.isTrue() ?? false)
    }
  }

  var json: JSONValue {
    .present([
      ("factors", .array(factors.map(\.json))), ("size", size.map(JSONValue.size)),
      ("symbol", symbol.map(JSONValue.string)), ("droppedAtOne", isDroppedAtOne ? .bool(true) : nil),
    ])
  }
}

extension HeaderNode {
  /// True; a key that says no more than its absence does would make two texts of one model.
  fileprivate func isTrue() throws(RNNWError) -> Bool {
    guard value == .bool(true) else {
      throw .wrongKind(path: path, expected: "true, or no such key", found: value.kindName)
    }
    return true
  }
}

extension AxisFactor {
  init(parsing node: HeaderNode) throws(RNNWError) {
    switch node.value {
    case "time": self = .time
    case "batch": self = .batch
    default:
      self = try node.object { factor throws(RNNWError) in
        .features(stride: try factor.required("stride").size(), count: try factor.required("count").size())
      }
    }
  }

  var json: JSONValue {
    switch self {
    case .time: "time"
    case .batch: "batch"
    case .features(let stride, let count): ["stride": .size(stride), "count": .size(count)]
    }
  }
}
