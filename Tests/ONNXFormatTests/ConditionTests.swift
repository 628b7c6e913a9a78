import Recurrent
import Tensors
import TestSupport
import Testing

@testable import ONNXFormat

/// Comparisons of the model's values, logic with them, and Where by them.
@Suite struct ConditionTests {
  private let constants = [
    "zero": floats(0, shape: []), "some": floats(0.1, -0.2, 0, 0.5), "deep": floats(-1e4, shape: []),
  ]

  private func layers(_ nodes: [ONNXNode], opset: Int64 = 17) throws -> [Layer.Operation] {
    let used = Set(nodes.flatMap(\.inputs))
    return try AroundRecurrence.imported(nodes, constants.filter { used.contains($0.key) }, opset: opset)
  }

  @Test(arguments: ["Greater", "Less", "GreaterOrEqual", "LessOrEqual", "Equal"])
  func `a comparison is 1 or 0 behind a Cast`(_ operation: String) throws {
    let toFloat: [String: ONNXAttribute] = ["to": .int(1)]
    for inputs in [["x", "zero"], ["zero", "x"], ["x", "some"], ["some", "x"]] {
      let found = try layers([node(operation, inputs, "c"), node("Cast", ["c"], "y", toFloat)])
      #expect(found.count == 1)
    }
    let found = try layers([
      node("Neg", ["x"], "n"), node(operation, ["x", "n"], "c"), node("Cast", ["c"], "y", toFloat),
    ])
    #expect(found.count == 2)
  }

  @Test func `Where chooses between values and constants, by logic of comparisons`() throws {
    // A PReLU as torch's dynamo exporter writes it.
    let slopes = [node("Greater", ["x", "zero"], "c"), node("Mul", ["some", "x"], "s")]
    #expect(try layers(slopes + [node("Where", ["c", "x", "s"])]).last == .choice(Choice()))
    #expect(
      try layers(slopes.prefix(1) + [node("Where", ["c", "x", "deep"])]).last
        == .choice(Choice(second: floats(-1e4))))
    #expect(
      try layers(slopes.prefix(1) + [node("Where", ["c", "some", "zero"])]).last
        == .choice(Choice(first: constants["some"]!, second: floats(0))))
    let logic = [
      node("Less", ["x", "some"], "a"), node("Not", ["a"], "b"), node("GreaterOrEqual", ["x", "zero"], "d"),
      node("And", ["b", "d"], "e"), node("Or", ["e", "a"], "f"),
    ]
    #expect(try layers(logic + [node("Where", ["f", "x", "deep"])]).count == 6)
    #expect(try layers(logic + [node("Where", ["e", "x", "deep"])]).count == 5)
  }

  @Test func `a choice with a condition of one number a step`() throws {
    let found = try layers([
      node("ReduceMean", ["x"], "m", ["axes": .ints([-1])]), node("Greater", ["m", "zero"], "c"),
      node("Where", ["c", "x", "deep"]),
    ])
    #expect(found.last == .choice(Choice(second: floats(-1e4))))
  }

  @Test func `what holds or not cannot be an output, nor be made of numbers that are not known to be 1 or 0`()
    throws
  {
    var error = #expect(throws: ONNXError.self) { try layers([node("Greater", ["x", "zero"])]) }
    #expect("\(try #require(error))".contains("booleans"))
    error = #expect(throws: ONNXError.self) {
      try layers([node("Cast", ["x"], "c", ["to": .int(9)]), node("Where", ["c", "x", "deep"])])
    }
    #expect("\(try #require(error))".contains("BOOL"))
  }

  @Test func `comparisons and choices come back`() throws {
    for (comparison, opsets) in [
      (Arithmetic.Operator.greater, [9, 11, 17] as [Int64]), (.notLess, [12, 17]), (.equal, [11, 17]),
    ] {
      for first in [false, true] {
        let model = try AroundRecurrence.model([
          .arithmetic(Arithmetic(comparison, constant: floats(0.25), constantFirst: first)),
          .choice(Choice(first: floats(1, 2, 3, 4), second: floats(-0.5))),
        ])
        try AroundRecurrence.roundTrip(model, opsets: opsets)
      }
    }
    let old = try AroundRecurrence.model([.arithmetic(Arithmetic(.notLess, constant: floats(0)))])
    #expect(throws: ONNXError.self) { try ONNXExporter.export(old, opset: 11) }
  }
}
