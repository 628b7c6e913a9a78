import Tensors
import TestSupport
import Testing

@testable import ONNXFormat

/// What the importer makes of constants alone is what the evaluator makes of them.
@Suite struct ConstantMathTests {
  private let matrix = Tensor([0.25, 1.5, -0.75, 2, 0.5, -1.25, 3, -0.0625] as [Float], shape: [2, 4])

  /// `x` and what a node makes of constants, added; a matrix is summed over its rows.
  private func check(
    _ nodes: [ONNXNode], _ constants: [String: Tensor], opset: Int64 = 17, _ comment: Comment
  ) throws {
    let layers = try AroundRecurrence.imported(
      nodes + [node("Add", ["x", "c"])], constants, opset: opset, within: 1e-6)
    #expect(layers.count == 1, comment)
  }

  @Test(arguments: [
    "Neg", "Abs", "Floor", "Ceil", "Round", "Sign", "Sqrt", "Reciprocal", "Relu", "Exp", "Log", "Sin", "Cos",
    "Tan",
    "Atan", "Tanh", "Sigmoid", "Erf", "Softplus",
  ])
  func `a function of a constant`(_ operation: String) throws {
    let isPositive = ["Sqrt", "Log"].contains(operation)
    let values: [Float] = isPositive ? [0.5, 1.5, 2.5, 3] : [0.5, -1.5, 2.5, -0.25]
    try check([node(operation, ["w"], "c")], ["w": Tensor(values, shape: [4])], "\(operation)")
  }

  @Test(
    arguments: [
      "ReduceSum", "ReduceMean", "ReduceMax", "ReduceMin", "ReduceProd", "ReduceL1", "ReduceL2",
      "ReduceSumSquare",
      "ReduceLogSumExp",
    ], [13, 18] as [Int64])
  func `a reduction of a constant`(_ operation: String, opset: Int64) throws {
    for keeps in [0, 1] as [Int64] {
      let isInput = opset >= 18 || operation == "ReduceSum"
      var attributes: [String: ONNXAttribute] = ["keepdims": .int(keeps)]
      if !isInput { attributes["axes"] = .ints([0]) }
      try check(
        [node(operation, isInput ? ["w", "a"] : ["w"], "c", attributes)],
        isInput ? ["w": matrix, "a": integers(-2)] : ["w": matrix], opset: opset, "\(operation), \(keeps)")
    }
  }

  @Test func `constants of other shapes, matrices, counts and triangles`() throws {
    let column = Tensor([2, -3] as [Float], shape: [2, 1])
    for operation in ["Add", "Sub", "Mul", "Div", "Max", "Min", "Mod", "Pow"] {
      let base = operation == "Pow" ? Tensor([0.5, 1.5, 2, 3] as [Float], shape: [4]) : matrix
      try check(
        [
          node(operation, ["w", "v"], "d", operation == "Mod" ? ["fmod": .int(1)] : [:]),
          node("ReduceSum", ["d", "a"], "c", ["keepdims": .int(0)]),
        ], ["w": base, "v": column, "a": integers(0)], "\(operation)")
    }
    try check(
      [node("MatMul", ["v", "w"], "d"), node("ReduceSum", ["d", "a"], "c", ["keepdims": .int(0)])],
      ["w": matrix, "v": Tensor([1, 2, 3, 4, 5, 6] as [Float], shape: [3, 2]), "a": integers(0)], "MatMul")
    for (start, limit, step) in [(0, 4, 1), (3, -1, -1), (1, 2, 0.25), (0, 3.5, 1)] as [(Float, Float, Float)]
    {
      func number(_ value: Float) -> Tensor { Tensor([value], shape: []) }
      try check(
        [node("Range", ["s", "l", "d"], "c")],
        ["s": number(start), "l": number(limit), "d": number(step)], "\(start) to \(limit)")
    }
    for upper in [0, 1] as [Int64] {
      for diagonal in [-1, 0, 2] as [Int64] {
        try check(
          [
            node("Trilu", ["w", "k"], "d", ["upper": .int(upper)]),
            node("ReduceSum", ["d", "a"], "c", ["keepdims": .int(0)]),
          ], ["w": matrix, "k": Tensor([diagonal], shape: []), "a": integers(0)], "Trilu \(upper) \(diagonal)"
        )
      }
    }
    for comparison in ["Less", "LessOrEqual", "Greater", "Equal"] {
      try check(
        [
          node(comparison, ["w", "v"], "d"), node("Where", ["d", "w", "v"], "e"),
          node("ReduceSum", ["e", "a"], "c", ["keepdims": .int(0)]),
        ], ["w": matrix, "v": column, "a": integers(0)], "\(comparison)")
    }
    // Of integers it has the divisor's sign.
    for divisor in [-3, 3] as [Int64] {
      try check(
        [
          node("Mod", ["i", "m"], "r"), node("Cast", ["r"], "c", ["to": .int(1)]),
        ], ["i": integers(-7, -1, 1, 7), "m": Tensor([divisor], shape: [])], "Mod \(divisor)")
    }
  }

  @Test func `what nobody can compute is an error`() throws {
    func refused(_ nodes: [ONNXNode], _ constants: [String: Tensor]) {
      #expect(throws: ONNXError.self) { try check(nodes, constants, "refused") }
    }
    let zero = Tensor([0] as [Int64], shape: [])
    refused(
      [node("Mod", ["i", "z"], "r"), node("Cast", ["r"], "c", ["to": .int(1)])],
      ["i": integers(1, 2, 3, 4), "z": zero])
    func range(_ numbers: Float...) -> [String: Tensor] {
      Dictionary(uniqueKeysWithValues: zip(["s", "l", "d"], numbers).map { ($0, Tensor([$1], shape: [])) })
    }
    for numbers in [[0, 1e30, 1], [0, -1e38, 1e-30], [0, 1, 0], [.nan, 1, 1], [0, .infinity, 1]] as [[Float]]
    {
      refused([node("Range", ["s", "l", "d"], "c")], range(numbers[0], numbers[1], numbers[2]))
    }
    refused([node("Trilu", ["w"], "c")], ["w": Tensor([1, 2, 3, 4] as [Float], shape: [4])])
    refused(
      [node("Add", ["w", "v"], "c")],
      ["w": Tensor([1, 2, 3] as [Float], shape: [3]), "v": Tensor([1, 2, 3, 4] as [Float], shape: [4])])
    refused(
      [node("ReduceSum", ["w", "a"], "c", ["keepdims": .int(0)])], ["w": matrix, "a": integers(0, -2)])
    // Of more digits than are exact.
    refused(
      [node("Mod", ["i", "m"], "r"), node("Cast", ["r"], "c", ["to": .int(1)])],
      ["i": integers((1 << 53) + 1, 1, 2, 3), "m": Tensor([10] as [Int64], shape: [])])
    // 2³⁰ × 2³⁰ numbers of two constants that are read as a few.
    let wide = Tensor([Float](repeating: 1, count: 1 << 12), shape: [1 << 12, 1])
    let long = Tensor([Float](repeating: 1, count: 1 << 12), shape: [1, 1 << 12])
    refused([node("Add", ["w", "v"], "c")], ["w": wide, "v": long])
    refused([node("ReduceMax", ["w"], "c")], ["w": Tensor([] as [Float], shape: [0, 4])])
  }
}
