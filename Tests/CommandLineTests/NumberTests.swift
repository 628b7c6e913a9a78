import ByteIO
import Foundation
import ONNXFormat
import Tensors
import TestSupport
import Testing

/// Well-formed graphs in which one number is absurd.
@Suite struct NumberTests {
  static let numbers: [Int64] = [.min, .min + 1, -(1 << 32), -1, 0, 1, 2, 1 << 31, 1 << 32, 1 << 62, .max]

  /// Fixtures that between them hold every operator with sizes, axes or lengths.
  static let models: [String] = {
    if let chosen = ProcessInfo.processInfo.environment["RNNCONV_NUMBER_FIXTURES"] {
      return chosen.split(separator: ",").map(String.init)
    }
    return [
      "hostile/valid.onnx", "demo/model.onnx", "onnx/hand-weights-sliced/model.onnx",
      "onnx/hand-split-directions/model.onnx", "onnx/hand-constants-in-nodes/model.onnx",
      "onnx/hand-scan-rnn/model.onnx", "onnx/hand-pooled-mean-18/model.onnx",
      "onnx/torch-legacy-lstm-packed/model.onnx", "onnx/keras-lstm-embedding/model.onnx",
      "onnx/torch-dynamo-lstm-bf-last/model.onnx", "onnx/hand-softmax-3d-13/model.onnx",
    ]
  }()

  /// The model with each of its whole numbers replaced in turn: attributes, integer constants, sizes of inputs.
  static func variants(_ model: ONNXModel, _ body: (ONNXModel, String) throws -> Void) rethrows {
    var changed = model
    func each(_ tensor: Tensor) -> [Tensor] {
      guard tensor.elementType == .int64, let values = try? tensor.integers(), values.count <= 8 else {
        return []
      }
      return values.indices.flatMap { index in
        numbers.map { number in
          var values = values
          values[index] = number
          return Tensor(values, shape: tensor.shape)
        }
      }
    }
    for index in model.graph.initializers.indices {
      for tensor in each(model.graph.initializers[index].tensor) {
        changed.graph.initializers[index].tensor = tensor
        try body(
          changed, "initializer \(model.graph.initializers[index].name): \((try? tensor.integers()) ?? [])")
      }
      changed.graph.initializers[index] = model.graph.initializers[index]
    }
    for index in model.graph.nodes.indices {
      let node = model.graph.nodes[index]
      for (name, attribute) in node.attributes {
        let values: [ONNXAttribute] =
          switch attribute {
          case .int: numbers.map { .int($0) }
          case .ints(let values):
            values.indices.flatMap { position in
              numbers.map { number in
                var values = values
                values[position] = number
                return .ints(values)
              }
            } + [.ints([]), .ints(values + values)]
          case .tensor(let tensor): each(tensor).map { .tensor($0) }
          case .float: [-1, 0, .nan, .infinity, .greatestFiniteMagnitude].map { .float($0) }
          default: []
          }
        for value in values {
          changed.graph.nodes[index].attributes[name] = value
          try body(changed, "\(node.label) \(name) = \(value)")
        }
        changed.graph.nodes[index] = node
      }
      for position in node.inputs.indices {
        changed.graph.nodes[index].inputs[position] = ""
        try body(changed, "\(node.label) without input \(position)")
      }
      changed.graph.nodes[index] = node
    }
    for index in model.graph.inputs.indices {
      let info = model.graph.inputs[index]
      for axis in info.shape?.indices ?? 0..<0 {
        for number in numbers where number > 0 {
          changed.graph.inputs[index].shape?[axis] = .fixed(Int(number))
          try body(changed, "input \(info.name), axis \(axis) = \(number)")
        }
      }
      changed.graph.inputs[index].shape = info.shape?.map { _ in .fixed(1 << 32) }
      try body(changed, "input \(info.name) of 2^32 on every axis")
      changed.graph.inputs[index] = info
    }
  }

  /// x `[T, B, 2]`, then `nodes` from `x` to `y`, then an RNN.
  static func wrapped(_ nodes: [ONNXNode]) -> ONNXModel {
    var graph = ONNXGraph(
      name: "wrapped", nodes: nodes,
      initializers: [
        .init("W", Tensor([Float](repeating: 0.1, count: 4), shape: [1, 2, 2])),
        .init("R", Tensor([Float](repeating: 0.2, count: 4), shape: [1, 2, 2])),
      ],
      inputs: [.init("x", .float32, [.symbol("T"), .symbol("B"), .fixed(2)])],
      outputs: [.init("h", .float32, nil)])
    graph.nodes.append(
      ONNXNode("RNN", inputs: ["y", "W", "R"], outputs: ["", "h"], attributes: ["hidden_size": .int(2)]))
    for index in graph.nodes.indices { graph.nodes[index].index = index }
    return ONNXModel(irVersion: 8, opsets: ["": 17], graph: graph)
  }

  @Test func `branches that meet again and again are followed once`() throws {
    let count = 200
    let nodes = (0..<count).map { index in
      ONNXNode(
        "Add", inputs: Array(repeating: index == 0 ? "x" : "v\(index)", count: 2),
        outputs: [index == count - 1 ? "y" : "v\(index + 1)"])
    }
    #expect(DamageTests.use(Self.wrapped(nodes)))
  }

  @Test func `thousands of nodes in a row do not overflow the stack`() throws {
    // The long way leads through the second input of each.
    let count = 5_000
    let nodes = (0..<count).map { index in
      ONNXNode(
        "Add", inputs: ["x", index == 0 ? "x" : "v\(index)"],
        outputs: [index == count - 1 ? "y" : "v\(index + 1)"])
    }
    #expect(DamageTests.use(Self.wrapped(nodes)))
  }

  @Test func `a size squared without end is refused`() throws {
    let count = 80
    var nodes = [
      ONNXNode("Shape", inputs: ["x"], outputs: ["s0"]), ONNXNode("Identity", inputs: ["x"], outputs: ["y"]),
    ]
    for index in 0..<count {
      nodes.append(
        ONNXNode("Mul", inputs: ["s\(index)", "s\(index)"], outputs: ["s\(index + 1)"], index: index + 2))
    }
    let model = Self.wrapped(nodes)
    #expect(throws: ONNXError.self) { try ONNXImporter.importModel(model) }
  }

  @Test(arguments: models)
  func `a graph with one absurd number is refused or run, without a trap or a hang`(name: String) throws {
    let model = try ONNXDecoder.decode(
      ByteBuffer(try DamageTests.bytes(name)),
      folder: Repository.fixtures.appending(path: name).deletingLastPathComponent().path)
    var (count, refused) = (0, 0)
    let trace = ProcessInfo.processInfo.environment["RNNCONV_TRACE"] != nil
    Self.variants(model) { variant, what in
      if trace { FileHandle.standardError.write(Data("\(name): \(what)\n".utf8)) }
      count += 1
      if !DamageTests.use(variant) { refused += 1 }
    }
    #expect(count > 20 && refused > 0)
  }
}
