import Recurrent
import Tensors
import TestSupport
import Testing

@testable import Forward

/// Comparisons and choices by them.
@Suite struct ChoiceTests {
  private func compared(_ comparison: Arithmetic.Operator, _ a: Tensor, _ b: Tensor) throws -> BoundedTensor {
    let features = a.shape[1]
    let network = model(
      .arithmetic(Arithmetic(comparison)),
      [.vector("a", features: features), .vector("b", features: features)],
      .vector("y", features: features))
    let inputs = ["a": a, "b": b]
    let found = try forward(network, inputs: inputs, precision: .float32)["y"]!.doubles
    let bound = try boundedForward(network, inputs: inputs, rounding: .float32)["y"]!
    #expect(isWithin(found, bound))
    #expect(found == bound.values)
    return bound
  }

  @Test func `A comparison of given numbers is certain`() throws {
    let (a, b) = (
      Tensor([1, 2, 3] as [Float], shape: [1, 3]), Tensor([2, 2, 2] as [Float], shape: [1, 3])
    )
    for (comparison, expected) in [
      (Arithmetic.Operator.greater, [0, 0, 1] as [Double]), (.notLess, [0, 1, 1]), (.equal, [0, 1, 0]),
    ] {
      let bound = try compared(comparison, a, b)
      #expect(bound.values == expected)
      #expect(bound.errors == [0, 0, 0])
    }
  }

  @Test func `What rounding decides is uncertain, and with it what is chosen`() throws {
    // 0.1 · 3 beside 0.3: one rounding apart.
    func run(_ x: Float, _ limit: Float) throws -> BoundedTensor {
      let network = Model(
        inputs: [.vector("x", features: 1)], outputs: [.vector("y", features: 1)],
        layers: [
          Layer(
            "third", .arithmetic(Arithmetic(.multiply, constant: Tensor([3] as [Float], shape: [1]))),
            inputs: ["x"], outputs: ["a"]),
          Layer(
            "more", .arithmetic(Arithmetic(.greater, constant: Tensor([limit], shape: [1]))), inputs: ["a"],
            outputs: ["c"]),
          Layer(
            "choice", .choice(Choice(first: Tensor([5] as [Float], shape: [1]))), inputs: ["c", "x"],
            outputs: ["y"]),
        ])
      return try boundedForward(network, inputs: ["x": Tensor([x], shape: [1, 1])], rounding: .float32)["y"]!
    }
    let unsure = try run(0.1, 0.3)
    #expect(unsure.contains(5, at: 0) && unsure.contains(Double(0.1 as Float), at: 0))
    let sure = try run(0.1, 0.2)
    #expect(sure.values == [5] && sure.errors == [0])
    #expect(try run(0.1, 0.4).values == [Double(0.1 as Float)])
  }

  @Test func `A condition may be an input of booleans, and a vector beside a sequence`() throws {
    let port = Model.Port(
      name: "c", value: "c", elementType: .bool, kind: .vector(features: 2),
      axes: [PortAxis([.batch]), .features(2)])
    let network = Model(
      inputs: [port, .sequence("x", features: 2)], outputs: [.sequence("y", features: 2)],
      layers: [
        Layer(
          "choice", .choice(Choice(second: Tensor([7, 8] as [Float], shape: [2]))), inputs: ["c", "x"],
          outputs: ["y"])
      ])
    let x = Tensor([1, 2, 3, 4, 5, 6] as [Float], shape: [3, 1, 2])
    let found = try forward(
      network, inputs: ["c": Tensor([true, false], shape: [1, 2]), "x": x], precision: .float32)["y"]!
    #expect(found.doubles == [1, 8, 3, 8, 5, 8])
    #expect(throws: ForwardError.self) {
      try forward(network, inputs: ["c": x.rows(0..<1), "x": x], precision: .float32)
    }
    var wrong = network
    wrong.outputs = [
      Model.Port(
        name: "c2", value: "c", elementType: .bool, kind: .vector(features: 2),
        axes: [PortAxis([.batch]), .features(2)])
    ]
    #expect(throws: ModelError.self) { try wrong.validated() }
  }
}
