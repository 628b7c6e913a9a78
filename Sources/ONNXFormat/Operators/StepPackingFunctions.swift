internal import Recurrent
internal import Tensors

/// Steps that rows skip, in ONNX: a function of the model's own, made of ONNX's operators. What the exporter writes is what the
/// importer knows; nobody else's function is taken for it.
extension StepPacking.Direction {
  static let domain = "rnnconv"
  /// CastLike; the IR that comes with it has functions of a model's own.
  static let firstOpset: Int64 = 15

  private var functionName: String {
    switch self {
    case .pack: "PackSteps"
    case .unpack: "UnpackSteps"
    case .unpackHolding: "UnpackStepsHolding"
    }
  }

  /// x `[T, B, F]` and tokens `[T, B]`, of type int64; the attribute `skipped`.
  func function(opset: Int64) -> ONNXFunction {
    var nodes: [ONNXNode] = []
    func add(
      _ operation: String, _ inputs: [String], _ output: String, _ attributes: [String: ONNXAttribute] = [:]
    ) {
      nodes.append(
        ONNXNode(operation, inputs: inputs, outputs: [output], attributes: attributes, index: nodes.count))
    }
    func integers(_ name: String, _ values: [Int64]) {
      add("Constant", [], name, ["value": .tensor(Tensor(values, shape: [values.count]))])
    }
    let int64 = ONNXAttribute.int(Int64(ONNXDataType.code(.int64)))
    integers("first", [0])
    integers("one", [1])
    integers("last", [2])
    add("Constant", [], "zero", ["value": .tensor(Tensor([0] as [Int64], shape: []))])
    add("Constant", [], "skipped", ["value_int": .reference("skipped", type: 2)])
    add("Equal", ["tokens", "skipped"], "skips")
    add("Not", ["skips"], "keeps")
    add("Cast", ["keeps"], "kept", ["to": int64])
    add("Shape", ["x"], "shape")
    if self == .pack {
      // Steps in falling order of T·kept − t: those that are kept first.
      add("Shape", ["tokens"], "sizes")
      add("Slice", ["sizes", "first", "one", "first"], "steps")
      add("Mul", ["kept", "steps"], "ahead")
      add("Expand", ["one", "sizes"], "ones")
      add("CumSum", ["ones", "zero"], "counted")
      add("Sub", ["ahead", "counted"], "order")
      nodes.append(
        ONNXNode(
          "TopK", inputs: ["order", "steps"], outputs: ["sorted", "places"],
          attributes: ["axis": .int(0)], index: nodes.count))
    } else {
      // The k-th kept step's place is k.
      add("CumSum", ["kept", "zero"], "counted")
      add("Sub", ["counted", "one"], "before")
      add("Max", ["before", "first"], "places")
    }
    add("Unsqueeze", ["places", "last"], "place")
    add("Expand", ["place", "shape"], "all")
    add("GatherElements", ["x", "all"], self == .pack ? "y" : "moved", ["axis": .int(0)])
    if self == .pack {
      add("ReduceSum", ["kept", "first"], "lengths", ["keepdims": .int(0)])
    } else {
      let isThere: String
      if self == .unpack {
        isThere = "keeps"
      } else {
        add("Less", ["before", "first"], "none")
        add("Not", ["none"], "any")
        isThere = "any"
      }
      add("Unsqueeze", [isThere, "last"], "there")
      add("CastLike", ["first", "x"], "nothing")
      add("Where", ["there", "moved", "nothing"], "y")
    }
    return ONNXFunction(
      ONNXFunction.Name(domain: Self.domain, name: functionName), inputs: ["x", "tokens"],
      outputs: self == .pack ? ["y", "lengths"] : ["y"], attributes: ["skipped": nil], nodes: nodes,
      opsets: ["": opset])
  }

  /// The direction that a function is, where it is exactly what is written.
  init?(_ function: ONNXFunction) {
    guard function.name.domain == Self.domain, let opset = function.opsets[""],
      let known = Self.allCases.first(where: { $0.function(opset: opset) == function })
    else { return nil }
    self = known
  }
}

extension ONNXImporter {
  /// A call of a function that `exportStepPacking` writes; false where it is another node.
  mutating func importStepPacking(_ node: ONNXNode) throws(ONNXError) -> Bool {
    guard let function = packings[node.function] else { return false }
    var attributes = AttributeReader(node)
    guard let skipped = try attributes.int("skipped") else {
      throw .missingAttribute(node: node.label, attribute: "skipped")
    }
    try attributes.finish()
    let x = try view(node, 0)
    let tokens = try view(node, 1)
    try require(x, [[.time], [.batch], View.features(x.kind.features)], node, "x")
    try require(tokens, [[.time], [.batch]], node, "tokens")
    guard x.clock == tokens.clock, tokens.kind == .tokens, tokens.offset == 0, tokens.wrapping == nil else {
      throw .notImportable(node: node.label, reason: "its tokens are not those of its steps")
    }
    let outputs = node.outputs.map { $0.isEmpty ? nil : $0 }
    layers.append(
      Layer(
        uniqueLayer(node), .stepPacking(StepPacking(skipped: skipped, function)),
        inputs: [x.value, tokens.value], outputs: outputs))
    if let y = outputs.first ?? nil {
      var view = x
      view.value = y
      set(y, .view(view), type(node))
    }
    if outputs.count > 1, let lengths = outputs[1] {
      set(lengths, .view(View(value: lengths, kind: .indices, axes: [[.batch]])), .int64)
    }
    return true
  }
}

extension ONNXExporter {
  mutating func exportStepPacking(_ layer: Layer, _ packing: StepPacking) throws(ONNXError) {
    guard opset >= StepPacking.Direction.firstOpset else {
      throw .notExpressible(
        layer: layer.name,
        reason:
          "steps that are skipped by their tokens need opset \(StepPacking.Direction.firstOpset) or newer")
    }
    let function = packing.direction.function(opset: opset)
    if !functions.contains(function) { functions.append(function) }
    let features = kinds[layer.inputs[0]!]!.features
    let x = try materialise(layer.inputs[0]!, [[.time], [.batch], View.features(features)], layer.name)
    var tokens = try materialise(layer.inputs[1]!, [[.time], [.batch]], layer.name)
    if !model.inputs.contains(where: { $0.value == layer.inputs[1]! && $0.elementType == .int64 }) {
      tokens = cast(tokens, .int64)
    }
    let outputs = function.outputs.indices.map { position in output(layer, position).map { unique($0) } ?? ""
    }
    nodes.append(
      ONNXNode(
        function.name.name, name: layer.name, domain: function.name.domain, inputs: [x, tokens],
        outputs: outputs, attributes: ["skipped": .int(Int64(packing.skipped))]))
    hold(output(layer, 0), outputs[0], [[.time], [.batch], View.features(features)])
    if outputs.count > 1 { hold(output(layer, 1), outputs[1], [[.batch]]) }
  }
}
