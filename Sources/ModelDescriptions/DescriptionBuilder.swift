internal import ByteIO
internal import Recurrent
internal import Tensors

/// Layers under construction, and what is known of their values.
struct DescriptionBuilder {
  let weights: [String: Tensor]
  /// What messages call the file of the weights.
  let source: String
  /// Whether matrices are stored `[out, in]`; nil where the description does not say.
  let outputsFirst: Bool?
  var kinds: [String: ValueKind] = [:]
  var layers: [Layer] = []

  init(weights: [String: Tensor], source: String, outputsFirst: Bool?) {
    self.weights = weights
    self.source = source
    self.outputsFirst = outputsFirst
  }

  /// Adds the layer that an object describes, and checks it against the values before it.
  mutating func add(_ node: DescriptionNode) throws(DescriptionError) {
    let layer = try node.object { object throws(DescriptionError) in
      let kind = try object.required("layer").word(Self.readers.keys.sorted())
      let name = try object.text("name") ?? "\(kind.lowercased())_\(layers.count)"
      let reader: Reader = Self.readers[kind]!
      return try reader(self, name, &object)
    }
    do { try layer.wire(&kinds) } catch { throw .model(path: node.path, error) }
    layers.append(layer)
  }

  /// Leaves out what nobody reads, such as the sequence of an encoder whose last state alone is used.
  mutating func dropUnread(keeping kept: [String]) {
    let read = Set(layers.flatMap(\.inputs).compactMap { $0 } + kept)
    for index in layers.indices {
      layers[index].outputs = layers[index].outputs.map { $0.flatMap { read.contains($0) ? $0 : nil } }
      while let last = layers[index].outputs.last, last == nil { layers[index].outputs.removeLast() }
    }
  }

  /// What reads the rest of a layer's object, by the layer's kind.
  typealias Reader =
    @Sendable (DescriptionBuilder, String, inout DescriptionObject) throws(DescriptionError) -> Layer

  private static let readers: [String: Reader] = ownReaders.merging(windowReaders) { first, _ in first }

  private static let ownReaders: [String: Reader] = [
    "RNN": { (builder, name, object) throws(DescriptionError) in try builder.recurrent(.rnn, name, &object) },
    "LSTM": { (builder, name, object) throws(DescriptionError) in try builder.recurrent(.lstm, name, &object)
    },
    "GRU": { (builder, name, object) throws(DescriptionError) in
      let reset = try object.required("reset").word(["before", "after"])
      return try builder.recurrent(.gru(resetAfter: reset == "after"), name, &object)
    },
    "minGRU": { (builder, name, object) throws(DescriptionError) in
      try builder.recurrent(.minGRU, name, &object)
    },
    "Generate": { (builder, name, object) throws(DescriptionError) in try builder.generate(name, &object) },
    "Embedding": { (builder, name, object) throws(DescriptionError) in
      try builder.simple(.embedding(table: builder.array(object.required("table"))), name, &object)
    },
    "Dense": { (builder, name, object) throws(DescriptionError) in
      let weight = try builder.matrix(object.required("weight"))
      let bias = try object.optional("bias").map { node throws(DescriptionError) in try builder.array(node) }
      return try builder.simple(.dense(weight: weight, bias: bias), name, &object)
    },
    "Activation": { (builder, name, object) throws(DescriptionError) in
      let activation = try builder.activation(object.required("function"))
      return try builder.simple(.activation(activation), name, &object)
    },
    "Softmax": { (builder, name, object) throws(DescriptionError) in
      try builder.simple(.softmax, name, &object)
    },
    "LogSoftmax": { (builder, name, object) throws(DescriptionError) in
      try builder.simple(.logSoftmax, name, &object)
    },
    "LayerNormalization": { (builder, name, object) throws(DescriptionError) in
      let scale = try builder.array(object.required("scale"))
      let bias = try object.optional("bias").map { node throws(DescriptionError) in try builder.array(node) }
      let epsilon = try object.optional("epsilon")?.number() ?? 1e-5
      return try builder.simple(
        .layerNormalization(LayerNormalization(scale: scale, bias: bias, epsilon: epsilon)), name, &object)
    },
    "ArgMax": { (builder, name, object) throws(DescriptionError) in try builder.simple(.argMax, name, &object)
    },
    "Concat": { (builder, name, object) throws(DescriptionError) in try builder.simple(.concat, name, &object)
    },
    "Slice": { (builder, name, object) throws(DescriptionError) in
      let (start, count) = (try object.required("start").integer(), try object.required("count").integer())
      return try builder.simple(.slice(start: start, count: count), name, &object)
    },
    "Dropout": { (builder, name, object) throws(DescriptionError) in
      try builder.simple(.dropout(ratio: try object.required("ratio").number()), name, &object)
    },
    "Reverse": { (builder, name, object) throws(DescriptionError) in
      let lengths = try object.text("lengths")
      var layer = try builder.simple(.reverse, name, &object)
      if let lengths { layer.inputs.append(lengths) }
      return layer
    },
    "Select": { (builder, name, object) throws(DescriptionError) in
      let (selection, lengths) = try builder.selection(&object)
      var layer = try builder.simple(.select(selection), name, &object)
      if let lengths { layer.inputs.append(lengths) }
      return layer
    },
    "Arithmetic": { (builder, name, object) throws(DescriptionError) in
      let word = try object.required("function").word(Arithmetic.Operator.allCases.map(\.rawValue))
      let constant = try object.optional("constant").map { node throws(DescriptionError) in
        try builder.array(node)
      }
      let inner = try object.optional("inner")?.integer() ?? 1
      let isFirst = try object.optional("constant_first")?.flag() ?? false
      return try builder.simple(
        .arithmetic(
          Arithmetic(
            Arithmetic.Operator(rawValue: word)!, constant: constant, inner: inner, constantFirst: isFirst)),
        name, &object)
    },
    "Constant": { (builder, name, object) throws(DescriptionError) in
      let tensor = try builder.constant(&object)
      return Layer(name, .constant(tensor), inputs: [], outputs: [try object.text("output") ?? name])
    },
  ]

  /// A layer of one output; `input` or `inputs` name what it reads.
  func simple(
    _ operation: Layer.Operation, _ name: String, _ object: inout DescriptionObject
  ) throws(DescriptionError) -> Layer {
    var inputs: [String] = []
    if object.has("inputs") {
      inputs = try object.required("inputs").list().map { node throws(DescriptionError) in try node.text() }
    } else {
      inputs = [try object.required("input").text()]
    }
    return Layer(name, operation, inputs: inputs, outputs: [try object.text("output") ?? name])
  }

  private func selection(_ object: inout DescriptionObject) throws(DescriptionError) -> (Selection, String?) {
    let step = try object.required("step")
    if case .integer = step.value { return (.step(try step.integer()), nil) }
    switch try step.word(["first", "last", "last_valid", "mean", "max", "sum"]) {
    case "first": return (.step(0), nil)
    case "last": return (.step(-1), nil)
    case "mean": return (.mean, nil)
    case "max": return (.max, nil)
    case "sum": return (.sum, nil)
    default: return (.lastValid, try object.required("lengths").text())
    }
  }

  /// For every row alike: `"token": 1`, `"zeros": 16`, or an array `[F]`.
  private func constant(_ object: inout DescriptionObject) throws(DescriptionError) -> Tensor {
    if let token = object.optional("token") { return Tensor([Int64(try token.integer())], shape: [1]) }
    if let zeros = object.optional("zeros") {
      let count = try zeros.integer()
      guard (1...Int(Int16.max)).contains(count) else { throw zeros.wrong("\(count) zeros") }
      return Tensor([Float](repeating: 0, count: count), shape: [1, count])
    }
    let node = try object.required("value")
    let tensor = try array(node)
    do { return tensor.shape.count == 1 ? try tensor.reshaped([1, tensor.count]) : tensor } catch {
      throw node.wrong("\(error)")
    }
  }
}
