internal import ByteIO
internal import Recurrent

extension Generate {
  init(parsing attributes: inout HeaderObject, _ tensors: inout RNNWTensors) throws(RNNWError) {
    self.init(
      body: try attributes.required("body").list().map { node throws(RNNWError) in
        try Layer(parsing: node, &tensors)
      },
      carried: try attributes.required("carried").list().map { node throws(RNNWError) in
        try Carried(parsing: node)
      },
      collected: try attributes.required("collected").list().map { node throws(RNNWError) in
        try node.text()
      },
      stop: try attributes.optional("stop").map { node throws(RNNWError) in try Stop(parsing: node) },
      maxSteps: try attributes.required("maxSteps").size())
  }

  /// Tensors of the body are named *layer*`.`*body's layer*`.`*role*.
  func members(layer name: String, _ table: inout RNNWTensorTable) throws(RNNWError) -> [JSONMember] {
    var layers: [JSONValue] = []
    for layer in body { layers.append(try layer.json(&table, prefix: "\(name).")) }
    return [
      JSONMember("body", .array(layers)), JSONMember("carried", .array(carried.map(\.json))),
      JSONMember("collected", .array(collected.map(JSONValue.string))),
    ] + (stop.map { [JSONMember("stop", $0.json)] } ?? []) + [JSONMember("maxSteps", .size(maxSteps))]
  }
}

extension Generate.Carried {
  fileprivate init(parsing node: HeaderNode) throws(RNNWError) {
    self = try node.object { object throws(RNNWError) in
      Generate.Carried(
        input: try object.required("input").text(), output: try object.required("output").text(),
        kind: try ValueKind(parsing: &object))
    }
  }

  fileprivate var json: JSONValue {
    .present([("input", .string(input)), ("output", .string(output))] + kind.members)
  }
}

extension Generate.Stop {
  fileprivate init(parsing node: HeaderNode) throws(RNNWError) {
    self = try node.object { object throws(RNNWError) in
      Generate.Stop(
        value: try object.required("value").text(), token: Int64(try object.required("token").integer()),
        padding: Int64(try object.required("padding").integer()))
    }
  }

  fileprivate var json: JSONValue {
    ["value": .string(value), "token": .integer(token), "padding": .integer(padding)]
  }
}
