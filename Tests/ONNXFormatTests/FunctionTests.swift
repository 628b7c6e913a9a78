import Forward
import Recurrent
import Tensors
import TestSupport
import Testing

@testable import ONNXFormat

/// Functions around a recurrence: each comes back as the same model from every opset that can hold it, and as what it is in files of
/// others.
@Suite struct FunctionTests {
  /// A recurrence and an operation on what it gives.
  private func model(_ operations: [Layer.Operation], type: ElementType = .float32) -> Model {
    var specification = LayerSpecification(.rnn)
    specification.hiddenSize = 4
    var model = specification.model(seed: 1)
    model.layers[0].outputs = [model.layers[0].outputs[0], nil]
    var value = model.outputs[0].value
    for (k, operation) in operations.enumerated() {
      let isBinary =
        if case .arithmetic(let arithmetic) = operation { arithmetic.constant == nil } else { false }
      let inputs = isBinary ? [value, "f0"] : [value]
      model.layers.append(Layer("f\(k)", operation, inputs: inputs, outputs: ["f\(k)"]))
      value = "f\(k)"
    }
    model.outputs = [.sequence(value, features: 4)]
    return model
  }

  static let activations: [(Activation, since: Int64)] = [
    (Activation(.clip, alpha: -0.5, beta: 0.25), 7), (Activation(.exp), 7), (Activation(.log), 7),
    (Activation(.abs), 7), (Activation(.sin), 7), (Activation(.cos), 7), (Activation(.erf), 9),
    (Activation(.power, alpha: 2), 7), (Activation(.power, alpha: 0.5), 7),
    (Activation(.power, alpha: -1), 7), (Activation(.power, alpha: 3), 7),
    (Activation(.power, alpha: -0.5), 7),
    (Activation(.power, alpha: 1.75), 7), (Activation(.hardSwish), 7), (Activation(.geluTanh), 7),
    (Activation(.selu, alpha: 1.5, beta: 1.25), 7), (Activation(.celu, alpha: 0.75), 12),
  ]

  @Test(arguments: activations.indices, [7, 9, 10, 11, 13, 17, 20, 24] as [Int64])
  func `a function is read back from whatever it is written as`(index: Int, opset: Int64) throws {
    let (activation, since) = Self.activations[index]
    let model = model([.activation(activation)])
    guard opset >= since else {
      let error = #expect(throws: ONNXError.self) { try ONNXExporter.export(model, opset: opset) }
      #expect("\(try #require(error))".contains("opset \(since)"))
      return
    }
    let file = try ONNXExporter.export(model, opset: opset).model
    let back = try ONNXImporter.importModel(file).model
    #expect(back.fingerprint == model.fingerprint, "\(activation): \(back.layers.map(\.operation.name))")
  }

  @Test func `every function that is no activation of a cell is tried`() {
    let kinds = Set(Self.activations.map(\.0.kind))
    #expect(kinds == Set(Activation.Kind.allCases.filter { !$0.isOfCells }))
  }

  @Test(
    arguments: [Arithmetic.Operator.maximum, .minimum, .prelu, .multiply], [7, 8, 13, 17, 24] as [Int64])
  func `a greater, a lesser, slopes and a change of sign come back`(
    _ arithmetic: Arithmetic.Operator, opset: Int64
  ) throws {
    let constants: [Tensor?] = [
      nil, Tensor([-1] as [Float], shape: [1]), Tensor([0.5, -1, 0.25, 2] as [Float], shape: [4]),
    ]
    for constant in constants {
      let model = model([
        .activation(.sigmoid), .arithmetic(arithmetic, constant: constant, constantFirst: false),
      ])
      if opset == 7, constant != nil, [.maximum, .minimum].contains(arithmetic) {
        #expect(throws: ONNXError.self) { try ONNXExporter.export(model, opset: opset) }
        continue
      }
      let file = try ONNXExporter.export(model, opset: opset).model
      #expect(try ONNXImporter.importModel(file).model.fingerprint == model.fingerprint)
      let isNegation = arithmetic == .multiply && constant?.count == 1
      #expect(file.graph.nodes.contains { $0.operation == "Neg" } == isNegation)
    }
  }

  // MARK: Files of others

  /// What nodes behind a recurrence become; `x` is what they read, `y` what they give.
  private func imported(
    _ nodes: [ONNXNode], _ constants: [String: Tensor] = [:], opset: Int64 = 17
  ) throws -> [Layer.Operation] {
    let file = try ONNXExporter.export(model([.activation(.sigmoid)]), opset: opset).model.followed(
      by: nodes, constants)
    let layers = try ONNXImporter.importModel(file).model.layers
    return layers.drop { if case .activation(.sigmoid) = $0.operation { false } else { true } }.dropFirst()
      .map(
        \.operation)
  }

  private func number(_ value: Float) -> Tensor { Tensor([value], shape: []) }

  @Test func `a Clip of one side is a greater or a lesser, of none nothing`() throws {
    func clip(_ inputs: [String], _ constants: [String: Tensor] = [:]) throws -> [Layer.Operation] {
      try imported([node("Clip", ["x"] + inputs)], constants)
    }
    let (zero, six) = (number(0), number(6))
    #expect(
      try clip(["l", "h"], ["l": zero, "h": six]) == [.activation(Activation(.clip, alpha: 0, beta: 6))])
    let one = try zero.reshaped([1])
    #expect(
      try clip(["l"], ["l": zero]) == [.arithmetic(.maximum, constant: one, constantFirst: false)])
    #expect(
      try clip(["", "h"], ["h": zero]) == [.arithmetic(.minimum, constant: one, constantFirst: false)])
    #expect(
      try clip(["l", "h"], ["l": zero, "h": number(.infinity)]) == [
        .arithmetic(.maximum, constant: one, constantFirst: false)
      ])
    #expect(try clip([]) == [])
    // Before opset 11 what is left out is Float32's end.
    #expect(
      try imported([node("Clip", ["x"], "y", ["min": .float(0.5)])], opset: 10) == [
        .activation(Activation(.clip, alpha: 0.5, beta: Double(Float.greatestFiniteMagnitude)))
      ])
  }

  @Test func `Max and Min of many are those of pairs, of one nothing`() throws {
    let many = try imported(
      [node("Relu", ["x"], "r"), node("Max", ["c", "x", "r", "x"])], ["c": number(0.5)])
    #expect(
      many == [
        .activation(.relu), .arithmetic(.maximum, constant: nil, constantFirst: false),
        .arithmetic(.maximum, constant: nil, constantFirst: false),
        .arithmetic(.maximum, constant: try number(0.5).reshaped([1]), constantFirst: false),
      ])
    #expect(try imported([node("Min", ["x"])]) == [])
    // ReLU6 as some write it.
    let six = try imported(
      [node("Max", ["x", "a"], "m"), node("Min", ["m", "b"])], ["a": number(0), "b": number(6)])
    #expect(six.count == 2)
  }

  @Test func `powers of a constant exponent, of whatever type`() throws {
    for (name, exponent) in [
      ("e", number(3)), ("e", Tensor([3] as [Int64], shape: [1])),
      ("e", Tensor([3] as [Double], shape: [1, 1])),
    ] {
      #expect(
        try imported([node("Pow", ["x", name])], [name: exponent]) == [
          .activation(Activation(.power, alpha: 3))
        ])
    }
    #expect(try imported([node("Sqrt", ["x"])]) == [.activation(Activation(.power, alpha: 0.5))])
    #expect(try imported([node("Reciprocal", ["x"])]) == [.activation(Activation(.power, alpha: -1))])
  }

  @Test func `Gelu by tanh in the ways that PyTorch's exporters write it`() throws {
    let constants = [
      "k": number(0.044715), "s": number(0.7978846), "one": number(1), "half": number(0.5),
      "three": number(3),
    ]
    let head = [
      node("Mul", ["k", "c"], "kc"), node("Add", ["x", "kc"], "a"), node("Mul", ["s", "a"], "u"),
      node("Tanh", ["u"], "t"), node("Add", ["one", "t"], "t1"),
    ]
    let cubes = [
      [node("Pow", ["x", "three"], "c")], [node("Mul", ["x", "x"], "q"), node("Mul", ["x", "q"], "c")],
    ]
    let tails = [
      [node("Mul", ["x", "t1"], "p"), node("Mul", ["half", "p"])],
      [node("Mul", ["half", "x"], "p"), node("Mul", ["p", "t1"])],
      [node("Mul", ["t1", "half"], "p"), node("Mul", ["x", "p"])],
    ]
    for cube in cubes {
      for tail in tails {
        #expect(try imported(cube + head + tail, constants) == [.activation(Activation(.geluTanh))])
      }
    }
    // Another number is another function, written out.
    var other = constants
    other["k"] = number(0.05)
    #expect(try imported(cubes[0] + head + tails[0], other).count > 5)
    #expect(
      try imported([node("Gelu", ["x"], "y", ["approximate": .string("tanh")])], opset: 20) == [
        .activation(Activation(.geluTanh))
      ])
  }

  @Test(arguments: [(Activation(.hardSwish), "1/6"), (Activation(.geluTanh), "0.044715")])
  func `what is written out says what was rounded, on the way out and back`(
    _ activation: Activation, says: String
  )
    throws
  {
    let file = try ONNXExporter.export(model([.activation(activation)]), opset: 13)
    let back = try ONNXImporter.importModel(file.model)
    for notes in [file.notes, back.notes] {
      #expect(notes.contains { $0.exactness == .rounded && $0.detail.contains(says) })
    }
  }

  @Test func `Swish of another alpha is a product with a gate, and comes back as one`() throws {
    let swish = try imported([node("Swish", ["x"], "y", ["alpha": .float(1.5)])], opset: 24)
    let alpha = Tensor([1.5] as [Float], shape: [1])
    let layers: [Layer.Operation] = [
      .arithmetic(.multiply, constant: alpha, constantFirst: false), .activation(.sigmoid),
      .arithmetic(.multiply, constant: nil, constantFirst: false),
    ]
    #expect(swish == layers)
    // x · σ(1.702x), as CLIP has it.
    let written = try imported(
      [node("Mul", ["x", "a"], "s"), node("Sigmoid", ["s"], "g"), node("Mul", ["x", "g"])], ["a": alpha])
    #expect(written.count == 3)
    #expect(try imported([node("Swish", ["x"])], opset: 24) == [.activation(Activation(.silu))])
  }

  @Test func `features that no recurrence reads may come behind any function`() throws {
    for (operation, inputs) in [
      ("Exp", ["x"]), ("Clip", ["x", "c"]), ("Max", ["x", "c"]), ("Softsign", ["x"]),
    ] {
      var graph = ONNXGraph(name: "g")
      graph.inputs = [ONNXValueInfo("x", .float32, [.symbol("batch"), .fixed(3)])]
      graph.outputs = [ONNXValueInfo("y", .float32, [.symbol("batch"), .fixed(3)])]
      graph.nodes = [ONNXNode(operation, inputs: inputs, outputs: ["y"])]
      graph.initializers = [.init("c", number(0.5))]
      let file = ONNXModel(irVersion: 8, opsets: ["": 17], graph: graph)
      let model = try ONNXImporter.importModel(file).model
      #expect(model.inputs[0].kind == .vector(features: 3))
    }
  }

  @Test func `HardSwish written out below opset 14, and a HardSigmoid of other numbers`() throws {
    func written(_ alpha: Float) throws -> [Layer.Operation] {
      try imported(
        [node("HardSigmoid", ["x"], "g", ["alpha": .float(alpha)]), node("Mul", ["x", "g"])], opset: 13)
    }
    #expect(try written(1 / 6) == [.activation(Activation(.hardSwish))])
    #expect(try written(0.2).count == 2)
  }

  static let senseless: [(ONNXOperatorCall, says: String)] = [
    (.init("Clip", ["x", "n", "h"]), "NaN"), (.init("Clip", ["x", "h", "l"]), "1.0 … -1.0"),
    (.init("Clip", ["x", "inf"]), "inf"), (.init("Clip", ["x", "v"]), "shape [4]"),
    (.init("Clip", ["x", "h", "x"]), "computed from the inputs"),
    (.init("Clip", ["x"], ["min": .float(0)]), "min"),
    (.init("Clip", ["x", "i"]), "I64"), (.init("Pow", ["x", "v"]), "shape [4]"),
    (.init("Swish", ["x"], ["alpha": .float(.nan)]), "alpha"), (.init("Pow", ["x", "inf"]), "inf"),
    (.init("Pow", ["x", "x"]), "computed from the inputs"), (.init("Pow", ["h", "x"]), "constant exponents"),
    (.init("Celu", ["x"], ["alpha": .float(0)]), "not positive"),
    (.init("Celu", ["x"], ["alpha": .float(-1)]), "not positive"),
    (.init("Selu", ["x"], ["gamma": .float(.infinity)]), "finite"),
    (.init("Gelu", ["x"], ["approximate": .string("sigmoid")]), "neither none nor tanh"),
    (.init("PRelu", ["h", "x"]), "slopes"), (.init("Exp", ["x"], ["base": .float(2)]), "base"),
    (.init("Max", ["x", "m"]), "shape [4, 4]"), (.init("Floor", ["x"]), "not supported"),
  ]

  struct ONNXOperatorCall: Sendable, CustomTestStringConvertible {
    let operation: String
    let inputs: [String]
    let attributes: [String: ONNXAttribute]
    init(_ operation: String, _ inputs: [String], _ attributes: [String: ONNXAttribute] = [:]) {
      (self.operation, self.inputs, self.attributes) = (operation, inputs, attributes)
    }
    var testDescription: String { "\(operation) of \(inputs) \(attributes)" }
  }

  @Test(arguments: senseless.indices)
  func `senseless parameters are refused, and the message says which`(_ index: Int) throws {
    let (call, says) = Self.senseless[index]
    let constants = [
      "i": Tensor([1] as [Int64], shape: [1]), "n": number(.nan), "h": number(1), "l": number(-1),
      "inf": number(.infinity),
      "v": Tensor([1, 2, 3, 4] as [Float], shape: [4]),
      "m": Tensor([Float](repeating: 1, count: 16), shape: [4, 4]),
    ]
    let error = #expect(throws: ONNXError.self) {
      try imported([node(call.operation, call.inputs, "y", call.attributes)], constants)
    }
    #expect("\(try #require(error))".contains(says))
  }

  @Test func `no cell takes what no recurrent operator knows`() throws {
    var generator = SeededGenerator(seed: 1)
    for kind in Activation.Kind.allCases where !kind.isOfCells {
      var specification = LayerSpecification(.gru(resetAfter: true))
      specification.hiddenSize = 3
      var (model, layer) = (specification.model(seed: 1), specification.layer(&generator))
      layer.directions[0].candidateActivation = Activation(kind, alpha: 0.5, beta: 1)
      model.layers[0].operation = .recurrent(layer)
      let error = #expect(throws: ModelError.self) { try model.validated() }
      #expect("\(try #require(error))".contains("\(kind.rawValue) is no activation of a cell"))
    }
  }

  @Test func `a function whose parameters make no sense is no layer`() {
    for activation in [
      Activation(.clip, alpha: 1, beta: -1), Activation(.clip, alpha: .nan, beta: 1),
      Activation(.power, alpha: .infinity), Activation(.celu, alpha: 0), Activation(.celu, alpha: .nan),
    ] {
      #expect(throws: ModelError.self) { try self.model([.activation(activation)]).validated() }
    }
  }
}
