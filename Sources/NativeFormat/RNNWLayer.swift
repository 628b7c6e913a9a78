internal import ByteIO
internal import Recurrent
internal import Tensors

extension Layer {
  init(parsing node: HeaderNode, _ tensors: inout RNNWTensors) throws(RNNWError) {
    self = try node.object { layer throws(RNNWError) in
      let operation = try layer.required("operation")
      return Layer(
        try layer.required("name").text(),
        try layer.required("attributes").object { attributes throws(RNNWError) in
          try Layer.Operation(parsing: operation, &attributes, &tensors)
        },
        inputs: try layer.required("inputs").values(), outputs: try layer.required("outputs").values())
    }
  }

  /// `prefix` goes before the names of its tensors.
  func json(_ table: inout RNNWTensorTable, prefix: String = "") throws(RNNWError) -> JSONValue {
    let values = { (names: [String?]) in JSONValue.array(names.map { $0.map(JSONValue.string) ?? .null }) }
    return [
      "name": .string(name), "operation": .string(operation.name),
      "attributes": try operation.attributes(layer: prefix + name, &table),
      "inputs": values(inputs), "outputs": values(outputs),
    ]
  }
}

extension HeaderNode {
  /// Names of values; null for one left out.
  func values() throws(RNNWError) -> [String?] {
    try list().map { node throws(RNNWError) in node.value == .null ? nil : try node.text() }
  }
}

// MARK: Operations

extension Layer.Operation {
  /// The inverse of `attributes`: `node` holds the operation's name.
  fileprivate init(
    parsing node: HeaderNode, _ attributes: inout HeaderObject, _ tensors: inout RNNWTensors
  ) throws(RNNWError) {
    let name: LayerName = try node.name("operation")
    var fields = LayerFields(attributes, &tensors)
    self = try Layer.Operation(name, from: &fields)
    (attributes, tensors) = (fields.object, fields.tensors)
  }

  /// Its tensors are named *layer*`.`*part*`.`*role*.
  fileprivate func attributes(layer name: String, _ table: inout RNNWTensorTable) throws(RNNWError)
    -> JSONValue
  {
    var fields = LayerMembers(layer: name, &table)
    try kind.write(to: &fields)
    table = fields.table
    return .object(fields.members)
  }
}

/// Takes what a layer says of itself as members of JSON.
private struct LayerMembers: FieldWriter {
  typealias Failure = RNNWError

  private(set) var members: [JSONMember] = []
  private(set) var table: RNNWTensorTable
  /// What stands around the part that is being written: its key, and the members before it.
  private var outer: [(key: String, members: [JSONMember])] = []
  private var path: [String]

  /// Takes the table: two copies of it would both be whole.
  init(layer name: String, _ table: inout RNNWTensorTable) {
    path = [name]
    self.table = table
    table = RNNWTensorTable(codec: table.codec)
  }

  mutating func add(_ key: String, _ value: JSONValue) { members.append(JSONMember(key, value)) }

  mutating func integer(_ key: String, _ value: Int) { add(key, .size(value)) }
  mutating func flag(_ key: String, _ value: Bool) { add(key, .bool(value)) }
  mutating func text(_ key: String, _ value: String) { add(key, .string(value)) }

  mutating func real(_ key: String, _ value: Double?) throws(RNNWError) {
    guard let value else { return }
    add(key, try finite(value, "\(place), \(key)"))
  }

  mutating func tensor(_ key: String, _ value: Tensor?) throws(RNNWError) {
    if let name = try table.add(value, (path + [key]).joined(separator: ".")) { add(key, name) }
  }

  mutating func activation(_ key: String, _ value: Activation) throws(RNNWError) {
    add(key, try value.json("\(place), \(key)"))
  }

  mutating func begin(_ key: String, part name: String) {
    outer.append((key, members))
    members = []
    path.append(name)
  }

  mutating func end() {
    let part = JSONValue.object(members)
    let key: String
    (key, members) = outer.removeLast()
    path.removeLast()
    if case .array(let parts)? = members.last?.value, members.last?.key == key {
      members[members.count - 1] = JSONMember(key, .array(parts + [part]))
    } else {
      add(key, .array([part]))
    }
  }

  mutating func loop(_ value: Generate) throws(RNNWError) {
    members += try value.members(layer: path.joined(separator: "."), &table)
  }

  private var place: String { "layer '\(path.joined(separator: "."))'" }
}

/// Gives a layer what stands in the header.
private struct LayerFields: FieldReader {
  typealias Failure = RNNWError

  private(set) var object: HeaderObject
  private(set) var tensors: RNNWTensors
  private var outer: [HeaderObject] = []
  private var parts: [String: [HeaderNode]] = [:]

  /// Takes the tensors: two copies of them would both be whole.
  init(_ object: HeaderObject, _ tensors: inout RNNWTensors) {
    (self.object, self.tensors) = (object, tensors)
    tensors = RNNWTensors()
  }

  mutating func integer(_ key: String) throws(RNNWError) -> Int { try object.required(key).integer() }
  mutating func size(_ key: String) throws(RNNWError) -> Int { try object.required(key).size() }
  mutating func optionalSize(_ key: String) throws(RNNWError) -> Int? { try object.optional(key)?.size() }
  mutating func real(_ key: String) throws(RNNWError) -> Double { try object.required(key).real() }
  mutating func optionalReal(_ key: String) throws(RNNWError) -> Double? { try object.optional(key)?.real() }
  mutating func flag(_ key: String) throws(RNNWError) -> Bool { try object.required(key).flag() }
  mutating func optionalFlag(_ key: String) throws(RNNWError) -> Bool? { try object.optional(key)?.flag() }

  mutating func name<Name: RawRepresentable<String>>(
    _ key: String, _ what: String
  ) throws(RNNWError) -> Name {
    try object.required(key).name(what)
  }

  mutating func tensor(_ key: String) throws(RNNWError) -> Tensor { try tensors.take(object.required(key)) }

  mutating func optionalTensor(_ key: String) throws(RNNWError) -> Tensor? {
    try tensors.take(object.optional(key))
  }

  mutating func activation(_ key: String) throws(RNNWError) -> Activation {
    try Activation(parsing: object.required(key))
  }

  mutating func partCount(_ key: String) throws(RNNWError) -> Int {
    let nodes = try object.required(key).list()
    parts[key] = nodes
    return nodes.count
  }

  mutating func begin(_ key: String, part index: Int) throws(RNNWError) {
    outer.append(object)
    object = try HeaderObject(parts[key]![index])
  }

  mutating func end() throws(RNNWError) {
    try object.finish()
    object = outer.removeLast()
  }

  mutating func loop() throws(RNNWError) -> Generate { try Generate(parsing: &object, &tensors) }
}

extension Activation {
  fileprivate init(parsing node: HeaderNode) throws(RNNWError) {
    self = try node.object { activation throws(RNNWError) in
      let kind = try activation.required("kind").name("activation", Kind.self)
      return Activation(
        kind,
        alpha: kind.parameterCount >= 1 ? try activation.required("alpha").real() : 0,
        beta: kind.parameterCount >= 2 ? try activation.required("beta").real() : 0)
    }
  }

  /// α and β exactly where the formula has them.
  fileprivate func json(_ path: String) throws(RNNWError) -> JSONValue {
    .present([
      ("kind", .string(kind.rawValue)),
      ("alpha", kind.parameterCount >= 1 ? try finite(alpha, "\(path), alpha") : nil),
      ("beta", kind.parameterCount >= 2 ? try finite(beta, "\(path), beta") : nil),
    ])
  }
}
