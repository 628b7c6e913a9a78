import Recurrent
import Tensors
import TestSupport
import Testing

@testable import ONNXFormat

/// Reductions of functions, products of two values and from the left, steps at the ends of an open time, sums up to each step: what the
/// importer makes of them computes what the evaluator computes of the file.
@Suite struct ProductImportTests {
  @Test(
    arguments: ["ReduceL1", "ReduceL2", "ReduceSumSquare", "ReduceMin", "ReduceLogSumExp", "ReduceLogSum"],
    [13, 18] as [Int64])
  func `reductions over time, over features, and over both`(_ operation: String, opset: Int64) throws {
    // The logarithm of a sum has a value where that is positive.
    let before =
      operation == "ReduceLogSum" ? [node("Exp", ["x"], "e")] : [node("Identity", ["x"], "e")]
    for axes in [[0], [2], [-1, 0], [3]] as [[Int64]] {
      for keeps in [0, 1] as [Int64] {
        let isInner = axes == [3]
        let shaped = isInner ? [node("Reshape", ["e", "parts"], "r")] : [node("Identity", ["e"], "r")]
        let reduction =
          opset == 18
          ? node(operation, ["r", "over"], "y", ["keepdims": .int(keeps)])
          : node(operation, ["r"], "y", ["keepdims": .int(keeps), "axes": .ints(axes)])
        let layers = try AroundRecurrence.imported(
          before + shaped + [reduction],
          ["parts": integers(0, 0, 2, 2)].merging(
            opset == 18 ? ["over": Tensor(axes, shape: [axes.count])] : [:]
          ) { $1 },
          opset: opset)
        #expect(!layers.isEmpty, "\(axes)")
      }
    }
  }

  @Test func `a matrix from the left is a Dense over the axis before the last`() throws {
    let weight = Tensor((0..<12).map { Float($0) - 5 }, shape: [3, 4])
    let layers = try AroundRecurrence.imported(
      [node("Transpose", ["x"], "t", ["perm": .ints([1, 2, 0])]), node("MatMul", ["w", "t"])], ["w": weight])
    #expect(layers == [.dense(weight: weight, bias: nil)])
    let one = try weight.reshaped([1, 3, 4])
    #expect(
      try AroundRecurrence.imported(
        [node("Transpose", ["x"], "t", ["perm": .ints([1, 2, 0])]), node("MatMul", ["w", "t"])], ["w": one])
        == [.dense(weight: weight, bias: nil)])
    let error = #expect(throws: ONNXError.self) {
      try AroundRecurrence.imported([node("MatMul", ["w", "x"])], ["w": weight])
    }
    #expect("\(try #require(error))".contains("not a product over the features of a step"))
  }

  /// `[B, 1, T]` times `[B, T, F]`, as attention writes its sum, and the other ways in which one axis may be time.
  @Test func `a product of two values, whichever of its axes is time`() throws {
    let rows = node("Transpose", ["x"], "rows", ["perm": .ints([1, 0, 2])])
    let columns = node("Transpose", ["x"], "columns", ["perm": .ints([1, 2, 0])])
    let last = [
      node("Gather", ["x", "end"], "last", ["axis": .int(0)]), node("Reshape", ["last", "square"], "m"),
    ]
    let parts = node("Reshape", ["x", "square4"], "parts")
    let constants = [
      "end": Tensor([-1] as [Int64], shape: []), "square": integers(-1, 4, 1),
      "square4": integers(0, 0, 2, 2),
      "w": Tensor([1, -2, 3, 0.5] as [Float], shape: [4, 1]),
    ]
    func check(_ nodes: [ONNXNode], _ comment: Comment) throws {
      let used = Set(nodes.flatMap(\.inputs))
      let layers = try AroundRecurrence.imported(
        nodes, constants.filter { used.contains($0.key) }, steps: [1, 3])
      #expect(layers.contains { $0 == .arithmetic(Arithmetic(.multiply)) }, comment)
    }
    try check([rows, columns, node("MatMul", ["columns", "rows"])], "[B, F, T] × [B, T, F]")
    try check(
      [
        rows, node("MatMul", ["rows", "w"], "s"), node("Softmax", ["s"], "a", ["axis": .int(1)]),
        node("Transpose", ["a"], "at", ["perm": .ints([0, 2, 1])]), node("MatMul", ["at", "rows"]),
      ], "attention")
    try check([rows] + last + [node("MatMul", ["rows", "m"])], "[B, T, F] × [B, F, 1]")
    try check(
      last + [node("Transpose", ["m"], "mt", ["perm": .ints([0, 2, 1])]), node("MatMul", ["m", "mt"])],
      "outer product")
    try check([parts, node("MatMul", ["parts", "parts"])], "[T, B, 2, 2] × [T, B, 2, 2]")
    // Two times are scores, of which an output cannot be made.
    let error = #expect(throws: ONNXError.self) {
      try check([rows, columns, node("MatMul", ["rows", "columns"])], "two times")
    }
    #expect("\(try #require(error))".contains("does not depend on the model's inputs"))
  }

  /// As attention is written out: two heads on an axis of their own, or none.
  @Test func `products of queries and keys, a softmax and a product with values are one layer`() throws {
    let heads = [
      node("Reshape", ["x", "parts"], "h"), node("Transpose", ["h"], "q", ["perm": .ints([1, 2, 0, 3])]),
      node("Transpose", ["h"], "k", ["perm": .ints([1, 2, 3, 0])]),
    ]
    let tail = [
      node("Transpose", ["o"], "u", ["perm": .ints([2, 0, 1, 3])]), node("Reshape", ["u", "whole"]),
    ]
    let constants = [
      "parts": integers(0, 0, 2, 2), "whole": integers(0, 0, -1), "root": floats(1.5, shape: []),
    ]
    func check(_ nodes: [ONNXNode], opset: Int64 = 17) throws -> [Layer.Operation] {
      let used = Set(nodes.flatMap(\.inputs))
      return try AroundRecurrence.imported(nodes, constants.filter { used.contains($0.key) }, opset: opset)
    }
    for (opset, axis) in [(11, 3), (17, -1)] as [(Int64, Int64)] {
      let found = try check(
        heads + [
          node("MatMul", ["q", "k"], "s"), node("Div", ["s", "root"], "d"),
          node("Softmax", ["d"], "w", ["axis": .int(axis)]), node("MatMul", ["w", "q"], "o"),
        ] + tail, opset: opset)
      #expect(found.last == .attention(Attention(heads: 2)))
      #expect(found.count == 2)
    }
    let plain = [
      node("Transpose", ["x"], "q", ["perm": .ints([1, 0, 2])]),
      node("Transpose", ["x"], "k", ["perm": .ints([1, 2, 0])]), node("MatMul", ["q", "k"], "s"),
      node("Softmax", ["s"], "w", ["axis": .int(2)]), node("MatMul", ["w", "q"]),
    ]
    #expect(try check(plain) == [.attention(Attention(heads: 1))])
    for wrong in [
      plain.prefix(3) + [node("MatMul", ["s", "q"])],
      plain.prefix(3) + [node("Softmax", ["s"], "w", ["axis": .int(1)]), node("MatMul", ["w", "q"])],
      plain.prefix(4) + [node("Mul", ["w", "root"], "m"), node("MatMul", ["m", "q"])],
      plain.prefix(3) + [
        node("Add", ["s", "root"], "m"), node("Softmax", ["m"], "w"), node("MatMul", ["w", "q"]),
      ],
      plain.prefix(4) + [node("Relu", ["w"])],
    ] {
      #expect(throws: ONNXError.self) { try check(Array(wrong)) }
    }
    var model = try AroundRecurrence.model([.activation(.sigmoid)])
    let value = model.outputs[0].value
    model.layers.append(
      Layer(
        "attend", .attention(Attention(heads: 2)), inputs: [value, model.layers[0].outputs[0], value],
        outputs: ["attended"]))
    model.outputs = [.sequence("attended", features: 4)]
    try AroundRecurrence.roundTrip(model, opsets: [7, 11, 13, 17, 23])
  }

  @Test(arguments: [(-3, .max), (-3, -1), (0, 2), (1, 3), (-4, 0)] as [(Int64, Int64)])
  func `steps at one end of an open time`(_ cut: (Int64, Int64)) throws {
    guard cut.1 != 0 else {
      #expect(throws: ONNXError.self) {
        try AroundRecurrence.imported(
          [node("Slice", ["x", "s", "e", "a"])],
          ["s": integers(cut.0), "e": integers(cut.1), "a": integers(0)],
          steps: [4])
      }
      return
    }
    let layers = try AroundRecurrence.imported(
      [node("Slice", ["x", "s", "e", "a"])], ["s": integers(cut.0), "e": integers(cut.1), "a": integers(0)],
      steps: [4, 6])
    #expect(layers.last == .concat)
  }

  @Test func `too many steps at an end are refused, and fewer than there are stop the model`() throws {
    #expect(throws: ONNXError.self) {
      try AroundRecurrence.imported(
        [node("Slice", ["x", "s", "e", "a"])],
        ["s": integers(-1000), "e": integers(.max), "a": integers(0)], steps: [4])
    }
    let error = #expect(throws: (any Error).self) {
      try AroundRecurrence.imported(
        [node("Slice", ["x", "s", "e", "a"])], ["s": integers(-3), "e": integers(.max), "a": integers(0)],
        steps: [2])
    }
    #expect("\(try #require(error))".contains("step -3"))
  }

  @Test func `sums up to each step, in all four ways`() throws {
    for exclusive in [0, 1] as [Int64] {
      for reverse in [0, 1] as [Int64] {
        let layers = try AroundRecurrence.imported(
          [node("CumSum", ["x", "a"], "y", ["exclusive": .int(exclusive), "reverse": .int(reverse)])],
          ["a": Tensor([-3] as [Int64], shape: [])])
        let layer = Layer.Operation.cumulativeSum(
          CumulativeSum(isExclusive: exclusive == 1, isReverse: reverse == 1))
        #expect(layers == [layer])
        try AroundRecurrence.roundTrip(try AroundRecurrence.model([layer]), opsets: [11, 17])
      }
    }
    #expect(throws: ONNXError.self) {
      try AroundRecurrence.imported([node("CumSum", ["x", "a"])], ["a": Tensor([2] as [Int64], shape: [])])
    }
  }
}
