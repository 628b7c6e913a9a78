public import ByteIO
internal import ONNXFormat
internal import Tensors

/// What an ONNX file says of itself that can be evaluated and not imported: enough to see what it is.
public struct GraphSummary: Sendable {
  /// An operator RNN, LSTM or GRU, in the graph or in one inside it.
  public struct RecurrentLayer: Sendable, Equatable {
    /// Of its node; what it makes where that has none.
    public let name: String
    /// Such as `LSTM`.
    public let cell: String
    public let direction: String
    /// Nil where its weights are computed.
    public let inputSize: Int?
    public let hiddenSize: Int?

    /// `LSTM 5 → 4, bidirectional`
    public var description: String {
      let sizes = "\(inputSize.map(String.init) ?? "?") → \(hiddenSize.map(String.init) ?? "?")"
      return "\(cell) \(sizes), \(direction)"
    }
  }

  public let inputs, outputs: [Extraction.Port]
  public let recurrentLayers: [RecurrentLayer]
  /// How often each operator occurs, those of graphs inside included; one of another domain than ONNX' with that before it.
  public let operators: [(name: String, count: Int)]
  /// Numbers in its constants of floats.
  public let weightCount: Int
  /// Everything that keeps it from being imported, a line each.
  public let reasons: [String]
}

extension ModelFile {
  /// Of a file that can be evaluated and not imported; nil for others.
  public var graphSummary: GraphSummary? {
    guard let graph = content.onnx?.model.graph, case .failure(let error) = content.model else { return nil }
    let defaults = Set(graph.initializers.map(\.name))
    var layers: [GraphSummary.RecurrentLayer] = []
    var shapes: [String: [Int]] = [:]
    graph.collectRecurrent(into: &layers, &shapes)
    return GraphSummary(
      inputs: graph.inputs.filter { !defaults.contains($0.name) }.map(\.port),
      outputs: graph.outputs.map(\.port),
      recurrentLayers: layers, operators: graph.operatorCounts,
      weightCount: storedTensorsOfFloats.reduce(0) { $0 + $1 },
      reasons: error.details.isEmpty ? [error.summary] : error.details)
  }

  private var storedTensorsOfFloats: [Int] {
    ((try? storedTensors) ?? []).filter { ElementType(rawValue: $0.elementType)?.isFloat ?? false }
      .map { $0.shape.reduce(1, *) }
  }

  /// What `inspect --json` shows of such a file (schemas/cli-json.md).
  public func graphJSON(_ graph: GraphSummary) throws(RNNConvError) -> JSONValue {
    func number(_ value: Int?) -> JSONValue { value.map { .integer(Int64($0)) } ?? .null }
    return .object([
      JSONMember("path", .string(path)), JSONMember("format", .string(format.name)),
      JSONMember("fileBytes", .integer(Int64(byteCount))), JSONMember("imported", .bool(false)),
      JSONMember("reasons", .array(graph.reasons.map(JSONValue.string))),
      JSONMember("inputs", .array(graph.inputs.map(\.json))),
      JSONMember("outputs", .array(graph.outputs.map(\.json))),
      JSONMember("parameters", number(graph.weightCount)),
      JSONMember("facts", .object(facts.map { JSONMember($0.name, .string($0.value)) })),
      JSONMember("tensorCount", .integer(Int64(try storedTensors.count))),
      JSONMember(
        "operators",
        .object(graph.operators.map { JSONMember($0.name, .integer(Int64($0.count))) })),
      JSONMember(
        "layers",
        .array(
          graph.recurrentLayers.map { layer in
            .object([
              JSONMember("name", .string(layer.name)), JSONMember("operation", .string(layer.cell)),
              JSONMember("direction", .string(layer.direction)),
              JSONMember("inputSize", number(layer.inputSize)),
              JSONMember("hiddenSize", number(layer.hiddenSize)),
            ])
          })),
    ])
  }
}

extension ONNXGraph {
  /// - Parameter shapes: of constants of the graphs around this one, to which its own are added.
  fileprivate func collectRecurrent(
    into layers: inout [GraphSummary.RecurrentLayer], _ shapes: inout [String: [Int]]
  ) {
    for initializer in initializers { shapes[initializer.name] = initializer.tensor.shape }
    for node in nodes {
      if node.operation == "Constant", case .tensor(let tensor)? = node.attributes["value"],
        let name = node.outputs.first
      {
        shapes[name] = tensor.shape
      }
      if node.isRecurrentOperator {
        // W [D, G·H, I], R [D, G·H, H]
        let w = node.inputs.count > 1 ? shapes[node.inputs[1]] : nil
        let r = node.inputs.count > 2 ? shapes[node.inputs[2]] : nil
        var hidden = r?.count == 3 ? r?[2] : nil
        if case .int(let size)? = node.attributes["hidden_size"] { hidden = Int(exactly: size) }
        var direction = "forward"
        if case .string(let text)? = node.attributes["direction"] { direction = text }
        layers.append(
          GraphSummary.RecurrentLayer(
            name: node.name.isEmpty ? node.outputs.first { !$0.isEmpty } ?? node.label : node.name,
            cell: node.operation, direction: direction, inputSize: w?.count == 3 ? w?[2] : nil,
            hiddenSize: hidden))
      }
      for (_, attribute) in node.attributes.sorted(by: { $0.key < $1.key }) {
        if case .graph(let inner) = attribute { inner.collectRecurrent(into: &layers, &shapes) }
      }
    }
  }
}

extension ONNXNode {
  fileprivate var isRecurrentOperator: Bool { domain.isEmpty && ["RNN", "LSTM", "GRU"].contains(operation) }
}
