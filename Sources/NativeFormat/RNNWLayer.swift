internal import ByteIO
internal import Recurrent
internal import Tensors

extension Layer {
  init(parsing node: HeaderNode, _ tensors: inout RNNWTensors) throws(RNNWError) {
    self = try node.object { layer throws(RNNWError) in
      let operation = try layer.required("operation")
      return Layer(
        try layer.required("name").string(),
        try layer.required("attributes").object { attributes throws(RNNWError) in
          try Operation(parsing: operation, &attributes, &tensors)
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
    try array().map { node throws(RNNWError) in node.value == .null ? nil : try node.string() }
  }
}

// MARK: Operations

extension Operation {
  /// The inverse of `attributes`: `node` holds the operation's name.
  init(
    parsing node: HeaderNode, _ attributes: inout HeaderObject, _ tensors: inout RNNWTensors
  ) throws(RNNWError) {
    switch try node.string() {
    case "RNN": self = .recurrent(try RecurrentLayer(.rnn, parsing: &attributes, &tensors))
    case "LSTM": self = .recurrent(try RecurrentLayer(.lstm, parsing: &attributes, &tensors))
    case "GRU":
      let resetAfter = try attributes.required("resetAfter").bool()
      self = .recurrent(try RecurrentLayer(.gru(resetAfter: resetAfter), parsing: &attributes, &tensors))
    case "Embedding": self = .embedding(table: try tensors.take(attributes.required("table")))
    case "Dense":
      self = .dense(
        weight: try tensors.take(attributes.required("weight")),
        bias: try tensors.take(attributes.optional("bias")))
    case "Activation": self = .activation(try Activation(parsing: attributes.required("activation")))
    case "Softmax": self = .softmax
    case "LogSoftmax": self = .logSoftmax
    case "Select": self = .select(try Selection(parsing: &attributes))
    case "Concat": self = .concat
    case "Slice":
      self = .slice(
        start: try attributes.required("start").integer(), count: try attributes.required("count").integer())
    case "Arithmetic":
      self = .arithmetic(
        try attributes.required("arithmetic").name("arithmetic"),
        constant: try tensors.take(attributes.optional("constant")),
        constantFirst: try attributes.required("constantFirst").bool())
    case "Constant": self = .constant(try tensors.take(attributes.required("value")))
    case "Dropout": self = .dropout(ratio: try attributes.required("ratio").real())
    case "Reverse": self = .reverse
    case "ArgMax": self = .argMax
    case "Generate": self = .generate(try Generate(parsing: &attributes, &tensors))
    case let name: throw .unknownName(path: node.path, what: "operation", name: name)
    }
  }

  func attributes(layer name: String, _ table: inout RNNWTensorTable) throws(RNNWError) -> JSONValue {
    func add(_ tensor: Tensor?, _ role: String) throws(RNNWError) -> JSONValue? {
      try table.add(tensor, "\(name).\(role)")
    }
    switch self {
    case .recurrent(let layer): return try layer.attributes(layer: name, &table)
    case .embedding(let tensor): return .present([("table", try add(tensor, "table"))])
    case .dense(let weight, let bias):
      return .present([("weight", try add(weight, "weight")), ("bias", try add(bias, "bias"))])
    case .activation(let activation): return ["activation": try activation.json("layer '\(name)'")]
    case .select(let selection): return selection.json
    case .slice(let start, let count): return ["start": .size(start), "count": .size(count)]
    case .arithmetic(let arithmetic, let constant, let constantFirst):
      return .present([
        ("arithmetic", .string(arithmetic.rawValue)), ("constant", try add(constant, "constant")),
        ("constantFirst", .bool(constantFirst)),
      ])
    case .constant(let tensor): return .present([("value", try add(tensor, "value"))])
    case .generate(let generate): return try generate.attributes(layer: name, &table)
    case .dropout(let ratio): return ["ratio": try real(ratio, "layer '\(name)', ratio")]
    case .softmax, .logSoftmax, .concat, .reverse, .argMax: return [:]
    }
  }
}

extension Selection {
  fileprivate init(parsing attributes: inout HeaderObject) throws(RNNWError) {
    let node = try attributes.required("selection")
    switch try node.string() {
    case "step": self = .step(try attributes.required("step").integer())
    case "lastValid": self = .lastValid
    case "mean": self = .mean
    case "max": self = .max
    case let name: throw .unknownName(path: node.path, what: "selection", name: name)
    }
  }

  fileprivate var json: JSONValue {
    switch self {
    case .step(let step): ["selection": "step", "step": .size(step)]
    case .lastValid: ["selection": "lastValid"]
    case .mean: ["selection": "mean"]
    case .max: ["selection": "max"]
    }
  }
}

extension Activation {
  init(parsing node: HeaderNode) throws(RNNWError) {
    self = try node.object { activation throws(RNNWError) in
      let kind = try activation.required("kind").name("activation", Kind.self)
      return Activation(
        kind,
        alpha: kind.parameterCount >= 1 ? try activation.required("alpha").real() : 0,
        beta: kind.parameterCount >= 2 ? try activation.required("beta").real() : 0)
    }
  }

  /// α and β exactly where the formula has them.
  func json(_ path: String) throws(RNNWError) -> JSONValue {
    .present([
      ("kind", .string(kind.rawValue)),
      ("alpha", kind.parameterCount >= 1 ? try real(alpha, "\(path), alpha") : nil),
      ("beta", kind.parameterCount >= 2 ? try real(beta, "\(path), beta") : nil),
    ])
  }
}

// MARK: Recurrent layers

extension RecurrentLayer {
  fileprivate init(
    _ cell: Cell, parsing attributes: inout HeaderObject, _ tensors: inout RNNWTensors
  ) throws(RNNWError) {
    let directions = try attributes.required("directions").array().map { node throws(RNNWError) in
      try DirectionParameters(parsing: node, &tensors)
    }
    self.init(
      cell: cell, direction: try attributes.required("direction").name("direction"),
      inputSize: try attributes.required("inputSize").size(),
      hiddenSize: try attributes.required("hiddenSize").size(), clip: try attributes.optional("clip")?.real(),
      inputForget: cell == .lstm ? try attributes.required("inputForget").bool() : false,
      directions: directions)
  }

  fileprivate func attributes(layer name: String, _ table: inout RNNWTensorTable) throws(RNNWError)
    -> JSONValue
  {
    var resetAfter: JSONValue?
    if case .gru(let after) = cell { resetAfter = .bool(after) }
    var parameters: [JSONValue] = []
    for (direction, label) in zip(directions, directionNames) {
      parameters.append(try direction.json("\(name).\(label)", &table))
    }
    return .present([
      ("direction", .string(direction.rawValue)), ("inputSize", .size(inputSize)),
      ("hiddenSize", .size(hiddenSize)),
      ("clip", try clip.map { clip throws(RNNWError) in try real(clip, "layer '\(name)', clip") }),
      ("inputForget", cell == .lstm ? .bool(inputForget) : nil), ("resetAfter", resetAfter),
      ("directions", .array(parameters)),
    ])
  }
}

extension DirectionParameters {
  fileprivate init(parsing node: HeaderNode, _ tensors: inout RNNWTensors) throws(RNNWError) {
    self = try node.object { object throws(RNNWError) in
      DirectionParameters(
        inputWeight: try tensors.take(object.required("inputWeight")),
        recurrentWeight: try tensors.take(object.required("recurrentWeight")),
        inputBias: try tensors.take(object.optional("inputBias")),
        recurrentBias: try tensors.take(object.optional("recurrentBias")),
        peepholes: try tensors.take(object.optional("peepholes")),
        projection: try tensors.take(object.optional("projection")),
        gateActivation: try Activation(parsing: object.required("gateActivation")),
        candidateActivation: try Activation(parsing: object.required("candidateActivation")),
        outputActivation: try Activation(parsing: object.required("outputActivation")))
    }
  }

  fileprivate func json(_ path: String, _ table: inout RNNWTensorTable) throws(RNNWError) -> JSONValue {
    .present([
      ("inputWeight", try table.add(inputWeight, "\(path).inputWeight")),
      ("recurrentWeight", try table.add(recurrentWeight, "\(path).recurrentWeight")),
      ("inputBias", try table.add(inputBias, "\(path).inputBias")),
      ("recurrentBias", try table.add(recurrentBias, "\(path).recurrentBias")),
      ("peepholes", try table.add(peepholes, "\(path).peepholes")),
      ("projection", try table.add(projection, "\(path).projection")),
      // All three, also those that the cell does not use: a round trip loses nothing.
      ("gateActivation", try gateActivation.json("\(path).gateActivation")),
      ("candidateActivation", try candidateActivation.json("\(path).candidateActivation")),
      ("outputActivation", try outputActivation.json("\(path).outputActivation")),
    ])
  }
}
