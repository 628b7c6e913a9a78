import Forward
import Glibc
import Recurrent
import Tensors
import TestSupport
import Testing

@Suite struct OperationTests {
  private func run(
    _ operation: Layer.Operation, _ inputs: [String: Tensor], _ ports: [Model.Port], _ output: Model.Port
  ) throws -> [Double] {
    try forward(model(operation, ports, output), inputs: inputs, precision: .float64)["y"]!.doubles
  }

  private let sequence = Tensor((0..<12).map { Double($0 * 7 % 12) }, shape: [3, 2, 2])

  @Test func `Every activation gives what its formula gives`() throws {
    let x = [-30, -2, -0.5, 0, 0.25, 0.6, 3, 40]
    let formulas: [(Activation, (Double) -> Double)] = [
      (Activation(.identity), { $0 }), (.tanh, { (1 - exp(-2 * $0)) / (1 + exp(-2 * $0)) }),
      (.sigmoid, { 1 / (1 + exp(-$0)) }), (.relu, { max(0, $0) }),
      (Activation(.affine, alpha: 2, beta: 3), { 2 * $0 + 3 }),
      (Activation(.leakyRelu, alpha: 0.1), { $0 >= 0 ? $0 : 0.1 * $0 }),
      (Activation(.thresholdedRelu, alpha: 0.25), { $0 > 0.25 ? $0 : 0 }),
      (Activation(.inclusiveThresholdedRelu, alpha: 0.25), { $0 >= 0.25 ? $0 : 0 }),
      (Activation(.scaledTanh, alpha: 1.5, beta: 0.5), { 1.5 * tanh(0.5 * $0) }),
      (Activation(.hardSigmoid, alpha: 0.2, beta: 0.5), { min(max(0.2 * $0 + 0.5, 0), 1) }),
      (Activation(.elu, alpha: 1.5), { $0 >= 0 ? $0 : 1.5 * (exp($0) - 1) }),
      (Activation(.softsign), { $0 / (1 + abs($0)) }), (Activation(.softplus), { log(1 + exp($0)) }),
      (Activation(.gelu), { $0 * 0.5 * (1 + erf($0 / 2.0.squareRoot())) }),
      (Activation(.silu), { $0 / (1 + exp(-$0)) }),
      (Activation(.mish), { $0 * tanh(log(1 + exp($0))) }),
      (Activation(.clip, alpha: -0.5, beta: 0.6), { max(-0.5, min(0.6, $0)) }),
      (Activation(.exp), { pow(M_E, $0) }), (Activation(.log), { log10($0) / log10(M_E) }),
      (Activation(.power, alpha: 2), { $0 * $0 }), (Activation(.power, alpha: 0.5), { $0.squareRoot() }),
      (Activation(.power, alpha: -1), { 1 / $0 }), (Activation(.power, alpha: -3), { 1 / ($0 * $0 * $0) }),
      (Activation(.power, alpha: 0.3), { exp(0.3 * log($0)) }), (Activation(.abs), { max($0, -$0) }),
      (Activation(.erf), { 1 - erfc($0) }), (Activation(.sin), { cos($0 - .pi / 2) }),
      (Activation(.cos), { 1 - 2 * sin($0 / 2) * sin($0 / 2) }),
      (Activation(.selu, alpha: 1.5, beta: 1.1), { 1.1 * (max(0, $0) + min(0, 1.5 * (exp($0) - 1))) }),
      (Activation(.celu, alpha: 2), { max(0, $0) + min(0, 2 * (exp($0 / 2) - 1)) }),
      (Activation(.hardSwish), { $0 * max(0, min(1, $0 / 6 + 0.5)) }),
      (
        Activation(.geluTanh),
        { $0 / 2 * (1 + tanh((2 / Double.pi).squareRoot() * ($0 + 0.044715 * $0 * $0 * $0))) }
      ),
    ]
    #expect(Set(formulas.map(\.0.kind)) == Set(Activation.Kind.allCases))
    for (activation, formula) in formulas {
      let y = try run(
        .activation(activation), ["x": Tensor(x, shape: [1, 8])], [.vector("x", features: 8)],
        .vector("y", features: 8))
      #expect(y.count == x.count)
      for (x, y) in zip(x, y) {
        let expected = formula(x)
        #expect(
          abs(y - expected) <= 1e-14 * max(1, abs(y)) || y == expected || y.isNaN && expected.isNaN,
          "\(activation) of \(x)")
      }
    }
  }

  @Test func `Softplus neither overflows nor vanishes`() throws {
    let y = try run(
      .activation(Activation(.softplus)), ["x": Tensor([1000, -700] as [Double], shape: [1, 2])],
      [.vector("x", features: 2)], .vector("y", features: 2))
    #expect(y == [1000, exp(-700)])
  }

  @Test func `Dense is weight · x + bias for each step and row`() throws {
    let y = try run(
      .dense(
        weight: Tensor([1, 2, 3, 4, 5, 6] as [Double], shape: [3, 2]),
        bias: Tensor([0.5, 0, -0.5] as [Double], shape: [3])),
      ["x": Tensor([1, 1, 0, 2] as [Double], shape: [2, 1, 2])], [.sequence("x", features: 2)],
      .sequence("y", features: 3))
    #expect(y == [3.5, 7, 10.5, 4.5, 8, 11.5])
  }

  @Test func `An embedding counts negative ids from the end of its table`() throws {
    let table = Layer.Operation.embedding(table: Tensor([1, 2, 3, 4, 5, 6] as [Double], shape: [3, 2]))
    let y = try run(
      table, ["ids": Tensor([0, -1, 2, -3] as [Int32], shape: [2, 2])], [integerPort("ids", hasTime: true)],
      .sequence("y", features: 2))
    #expect(y == [1, 2, 5, 6, 5, 6, 1, 2])
    for id in [3, -4] as [Int64] {
      #expect(
        throws: ForwardError.tokenOutOfRange(layer: "layer", step: 1, row: 0, token: id, vocabulary: 3)
      ) {
        try run(
          table, ["ids": Tensor([0, 0, id, 0], shape: [2, 2])], [integerPort("ids", hasTime: true)],
          .sequence("y", features: 2))
      }
    }
  }

  @Test func `Selections take a step, the last valid step, the mean or the maximum`() throws {
    func select(_ selection: Selection) throws -> [Double] {
      try run(
        .select(selection), ["x": sequence], [.sequence("x", features: 2)], .vector("y", features: 2))
    }
    // Steps: [[0, 7], [2, 9]], [[4, 11], [6, 1]], [[8, 3], [10, 5]].
    #expect(try select(.step(1)) == [4, 11, 6, 1])
    #expect(try select(.step(-1)) == [8, 3, 10, 5])
    #expect(try select(.mean) == [4, 7, 6, 5])
    #expect(try select(.max) == [8, 11, 10, 9])
    #expect(throws: ForwardError.stepOutOfRange(layer: "layer", step: -4, steps: 3)) {
      try select(.step(-4))
    }
    let ports = [Model.Port.sequence("x", features: 2), integerPort("lengths", hasTime: false)]
    let lengths = Tensor([2, 3] as [Int64], shape: [2])
    #expect(
      try run(.select(.lastValid), ["x": sequence, "lengths": lengths], ports, .vector("y", features: 2))
        == [4, 11, 10, 5])
    #expect(
      throws: ForwardError.lengthOutOfRange(layer: "layer", row: 1, length: 0, allowed: 1...3)
    ) {
      try run(
        .select(.lastValid), ["x": sequence, "lengths": Tensor([2, 0] as [Int64], shape: [2])], ports,
        .vector("y", features: 2))
    }
  }

  @Test func `Concat and slice join and cut features`() throws {
    let ports = [Model.Port.vector("a", features: 1), .vector("b", features: 2)]
    let inputs = [
      "a": Tensor([1, 2] as [Double], shape: [2, 1]), "b": Tensor([3, 4, 5, 6] as [Double], shape: [2, 2]),
    ]
    #expect(try run(.concat, inputs, ports, .vector("y", features: 3)) == [1, 3, 4, 2, 5, 6])
    #expect(
      try run(
        .slice(start: 1, count: 1), ["x": sequence], [.sequence("x", features: 2)],
        .sequence("y", features: 1)) == [7, 9, 11, 1, 3, 5])
  }

  @Test func `Arithmetic takes constants for every feature or for all, on either side`() throws {
    func apply(_ arithmetic: Arithmetic.Operator, _ constant: [Double], first: Bool) throws -> [Double] {
      try run(
        .arithmetic(arithmetic, constant: Tensor(constant, shape: [constant.count]), constantFirst: first),
        ["x": Tensor([1, 2, 4, 8] as [Double], shape: [2, 2])], [.vector("x", features: 2)],
        .vector("y", features: 2))
    }
    #expect(try apply(.subtract, [1, 2], first: false) == [0, 0, 3, 6])
    #expect(try apply(.subtract, [1, 2], first: true) == [0, 0, -3, -6])
    #expect(try apply(.divide, [8], first: true) == [8, 4, 2, 1])
    #expect(try apply(.add, [10], first: false) == [11, 12, 14, 18])
    #expect(try apply(.multiply, [2, 3], first: true) == [2, 6, 8, 24])
    #expect(try apply(.maximum, [3, 5], first: false) == [3, 5, 4, 8])
    #expect(try apply(.minimum, [3], first: true) == [1, 2, 3, 3])
    #expect(try apply(.prelu, [0.5, 9], first: false) == [1, 2, 4, 8])
    #expect(
      try run(
        .arithmetic(.prelu, constant: Tensor([0.5, 3] as [Double], shape: [2]), constantFirst: false),
        ["x": Tensor([-1, -2, 4, 0] as [Double], shape: [2, 2])], [.vector("x", features: 2)],
        .vector("y", features: 2)) == [-0.5, -6, 4, 0])
  }

  @Test func `ArgMax takes the first of equals`() throws {
    let y = try forward(
      model(.argMax, [.vector("x", features: 3)], integerPort("y", hasTime: false)),
      inputs: ["x": Tensor([1, 3, 3, 5, 5, 5, 0, -1, 2] as [Double], shape: [3, 3])], precision: .float32)[
        "y"]!
    #expect(y == Tensor([1, 0, 2] as [Int64], shape: [3]))
  }

  @Test func `Softmax sums to 1 and its logarithm agrees`() throws {
    let x = ["x": Tensor([1, 2, 3, 1000, 1001, 1002] as [Double], shape: [2, 3])]
    let ports = [Model.Port.vector("x", features: 3)]
    let y = try run(.softmax, x, ports, .vector("y", features: 3))
    #expect(y.count == 6)
    let sum = exp(1.0) + exp(2.0) + exp(3.0)
    for (y, k) in zip(y, [1.0, 2, 3, 1, 2, 3]) { #expect(abs(y - exp(k) / sum) < 1e-15) }
    let logarithms = try run(.logSoftmax, x, ports, .vector("y", features: 3))
    #expect(logarithms.count == 6)
    for (y, k) in zip(logarithms, [1.0, 2, 3, 1, 2, 3]) { #expect(abs(y - (k - log(sum))) < 1e-12) }
  }

  @Test func `LayerNormalization has mean 0 and variance 1 before scale and bias`() throws {
    let x = ["x": Tensor([1, 2, 6, 1000, 1000, 1006] as [Double], shape: [2, 3])]
    let ports = [Model.Port.vector("x", features: 3)]
    func run(_ layer: LayerNormalization) throws -> [Double] {
      try self.run(.layerNormalization(layer), x, ports, .vector("y", features: 3))
    }
    let ones = Tensor([1, 1, 1] as [Double], shape: [3])
    let y = try run(LayerNormalization(scale: ones, epsilon: 0))
    // Variances of (1, 2, 6) and (0, 0, 6): 14/3 and 8.
    let expected =
      [-2, -1, 3].map { $0 / (14.0 / 3).squareRoot() } + [-2, -2, 4].map { $0 / 8.0.squareRoot() }
    for (y, expected) in zip(y, expected) { #expect(abs(y - expected) < 1e-14) }
    let scaled = try run(
      LayerNormalization(
        scale: Tensor([2, 3, -1] as [Double], shape: [3]), bias: Tensor([1, 0, 5] as [Double], shape: [3]),
        epsilon: 0))
    for (k, (y, expected)) in zip(scaled, expected).enumerated() {
      #expect(abs(y - (expected * [2, 3, -1][k % 3] + [1, 0, 5][k % 3])) < 1e-13)
    }
    // The variance counts beside an epsilon of 1.
    let damped = try run(LayerNormalization(scale: ones, epsilon: 1))
    #expect(abs(damped[2] - 3 / (14.0 / 3 + 1).squareRoot()) < 1e-14)
  }

  @Test func `A constant of one row serves every row, one of B rows fixes the batch`() throws {
    func added(_ constant: Tensor) throws -> [Double] {
      let model = Model(
        inputs: [.vector("x", features: 2)], outputs: [.vector("y", features: 2)],
        layers: [
          Layer("state", .constant(constant), inputs: [], outputs: ["k"]),
          Layer(
            "sum", .arithmetic(.add, constant: nil, constantFirst: false), inputs: ["x", "k"], outputs: ["y"]),
        ])
      let x = Tensor([1, 2, 3, 4] as [Double], shape: [2, 2])
      return try forward(model, inputs: ["x": x], precision: .float64)["y"]!.doubles
    }
    #expect(try added(Tensor([10, 20] as [Double], shape: [1, 2])) == [11, 22, 13, 24])
    #expect(try added(Tensor([10, 20, 30, 40] as [Double], shape: [2, 2])) == [11, 22, 33, 44])
    #expect(throws: ForwardError.batchMismatch(source: "layer 'state'", expected: 2, found: 3)) {
      try added(Tensor([Double](repeating: 0, count: 6), shape: [3, 2]))
    }
  }

  @Test func `Sequences of different lengths do not combine`() throws {
    let ports = [Model.Port.sequence("a", features: 1), .sequence("b", features: 1)]
    let inputs = [
      "a": Tensor([1, 2] as [Double], shape: [2, 1, 1]),
      "b": Tensor([1, 2, 3] as [Double], shape: [3, 1, 1]),
    ]
    #expect(throws: ForwardError.stepsMismatch(layer: "layer", expected: 2, found: 3)) {
      try run(.concat, inputs, ports, .sequence("y", features: 2))
    }
  }
}
