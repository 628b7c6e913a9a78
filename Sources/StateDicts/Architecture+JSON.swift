internal import ByteIO
internal import Tensors

// The architecture as text, beside the tensors that rnnconv writes, or as the user gives it: names and choices; sizes are the
// tensors' own.

extension Architecture {
  /// Under which the text stands in a file's metadata.
  package static let metadataKey = "rnnconv:architecture"

  /// One line of JSON.
  package var json: String {
    let steps = self.steps.map { step -> JSONValue in
      switch step {
      case .embedding(let names): .object([JSONMember("embedding", .string(names.name))])
      case .linear(let names): .object([JSONMember("linear", .string(names.name))])
      case .layerNorm(let names, let epsilon):
        .object([JSONMember("layer_norm", .string(names.name)), JSONMember("eps", .string("\(epsilon)"))])
      case .convolution(let convolution):
        .object(
          [JSONMember("conv", .string(convolution.names.name))] + convolution.axes.json(hasKernel: false)
            + [JSONMember("groups", .integer(Int64(convolution.groups)))])
      case .pool(let pool):
        .object(
          [JSONMember("pool", .string(pool.function.rawValue))] + pool.axes.json(hasKernel: true)
            + [JSONMember("ceil_mode", .bool(pool.roundsUp))])
      case .batchNorm(let norm):
        .object([JSONMember("batch_norm", .string(norm.name)), JSONMember("eps", .string("\(norm.epsilon)"))])
      case .activation(let activation): .object([JSONMember("activation", .string(activation.rawValue))])
      case .select(let selection): .object([JSONMember("select", .string(selection.rawValue))])
      case .recurrent(let module):
        .object([
          JSONMember("recurrent", .string(module.name)), JSONMember("mode", .string(module.mode.rawValue)),
        ])
      }
    }
    func ports(_ ports: [Port]) -> JSONValue {
      .array(
        ports.map { port in
          var members = [
            JSONMember("role", .string(port.role.rawValue)), JSONMember("name", .string(port.name)),
          ]
          if let type = port.elementType { members.append(JSONMember("dtype", .string(type.rawValue))) }
          if !port.sizes.isEmpty {
            let sizes = port.sizes.map { $0.map { JSONValue.integer(Int64($0)) } ?? .null }
            members.append(JSONMember("sizes", .array(sizes)))
          }
          return .object(members)
        })
    }
    let value = JSONValue.object([
      JSONMember("batch_first", .bool(batchFirst)), JSONMember("inputs", ports(inputs)),
      JSONMember("outputs", ports(outputs)), JSONMember("steps", .array(steps)),
    ])
    // No real number is in it and no key twice, the two things that writing could fail on.
    return String(decoding: try! value.compactBytes(), as: UTF8.self)
  }

  init(json text: String, _ index: ModuleIndex) throws(StateDictError) {
    let json: JSONValue
    do { json = try JSONValue(parsing: ByteBuffer(Array(text.utf8))) } catch {
      throw .badArchitecture(reason: error.description)
    }
    guard case .array(let steps)? = json["steps"],
      case .bool(let batchFirst) = json["batch_first"] ?? .bool(false)
    else {
      throw .badArchitecture(reason: "it has no steps, or batch_first is neither true nor false")
    }
    func ports(_ key: String, standard: [Port]) throws(StateDictError) -> [Port] {
      guard let given = json[key] else { return standard }
      guard case .array(let values) = given else { throw .badArchitecture(reason: "\(key) is no list") }
      return try values.map { (value) throws(StateDictError) in
        guard let role = value.text("role").flatMap(Port.Role.init(rawValue:)), let name = value.text("name")
        else {
          throw .badArchitecture(reason: "\(key) holds something that is no port")
        }
        var port = Port(role, name, elementType: value.text("dtype").flatMap(ElementType.init(rawValue:)))
        if case .array(let sizes)? = value["sizes"] {
          port.sizes = try sizes.map { (size) throws(StateDictError) in
            switch size {
            case .null: return nil
            case .integer(let number) where (0...Int64(Int32.max)).contains(number): return Int(number)
            default: throw .badArchitecture(reason: "\(key) holds a size that is no number")
            }
          }
        }
        return port
      }
    }
    self.init(
      steps: try steps.map { (step) throws(StateDictError) in try Step(step, index) }, batchFirst: batchFirst,
      inputs: try ports("inputs", standard: [Port(.input)]),
      outputs: try ports("outputs", standard: [Port(.output)]))
  }
}

extension Architecture.Step {
  fileprivate init(_ json: JSONValue, _ index: ModuleIndex) throws(StateDictError) {
    if let text = json.text("activation"), let activation = Architecture.Activation(rawValue: text) {
      self = .activation(activation)
    } else if let text = json.text("select"), let selection = Architecture.Selection(rawValue: text) {
      self = .select(selection)
    } else if let name = json.text("recurrent"), let text = json.text("mode"),
      let mode = Architecture.Recurrent.Mode(rawValue: text)
    {
      guard var module = index.modules.first(where: { $0.name == name && $0.recurrent != nil })?.recurrent
      else {
        throw .badArchitecture(reason: "there is no recurrent module '\(name)'")
      }
      guard module.mode.blocks == mode.blocks else {
        throw .badArchitecture(reason: "'\(name)' is \(module.mode.rawValue) by its shapes, not \(text)")
      }
      module.mode = mode
      self = .recurrent(module)
    } else if let name = json.text("layer_norm"), let epsilon = json.text("eps").flatMap(Double.init) {
      guard let found = index.vector(name) else {
        throw .badArchitecture(reason: "there is no LayerNorm '\(name)'")
      }
      self = .layerNorm(found.names, epsilon: epsilon)
    } else if let windowed = try Self(windowed: json, index) {
      self = windowed
    } else if let name = json.text("embedding") ?? json.text("linear") {
      let found = index.modules.lazy.compactMap { module -> Architecture.Parameters? in
        if module.name == name, case .matrix(let names, _, _) = module.kind { names } else { nil }
      }.first
      guard let found else { throw .badArchitecture(reason: "there is no matrix '\(name)'") }
      self = json["embedding"] == nil ? .linear(found) : .embedding(found)
    } else {
      throw .badArchitecture(reason: "it has a step of an unknown kind")
    }
  }
}

extension JSONValue {
  func text(_ key: String) -> String? {
    if case .string(let text)? = self[key] { text } else { nil }
  }
}
