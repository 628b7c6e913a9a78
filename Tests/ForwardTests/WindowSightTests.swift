import Forward
import Recurrent
import Tensors
import TestSupport
import Testing

/// Windows and pads at their edges.
@Suite struct WindowSightTests {
  private func run(_ operation: Layer.Operation, _ x: [Double]) throws -> [Double] {
    let model = model(operation, [.sequence("x", features: 1)], .sequence("y", features: 1))
    let inputs = ["x": Tensor(x, shape: [x.count, 1, 1])]
    return try forward(model, inputs: inputs, precision: .float64)["y"]!.doubles
  }

  @Test(arguments: Pool.Reduction.allCases)
  func `a dilated window that sees no step is refused`(_ reduction: Pool.Reduction) throws {
    let axis = WindowAxis(size: nil, kernel: 2, dilation: 3, before: 2, after: 2)
    let pool = Layer.Operation.pool(Pool(reduction, axes: [axis]))
    // −2 and 1, −1 and 2, 0 and 3, 1 and 4: of one step the first sees nothing.
    for x in [[5], [5, 4]] as [[Double]] {
      #expect(throws: ForwardError.self) { try run(pool, x) }
    }
    let three = try run(pool, [5, 4, 3])
    #expect(three.count == 4)
    if reduction == .max { #expect(three == [4, 3, 5, 4]) }
    let fixed = Pool(
      reduction, axes: [WindowAxis(size: 1, kernel: 2, dilation: 3, before: 2, after: 2)])
    #expect(throws: ModelError.self) {
      try model(.pool(fixed), [.vector("x", features: 1)], .vector("y", features: 2)).validated()
    }
  }

  /// As onnxruntime has it.
  @Test func `places are taken away before others are added, which are made of those left`() throws {
    func padded(_ mode: Padding.Mode) throws -> [Double] {
      try run(.padding(Padding(mode, axes: [.init(size: nil, before: -2, after: 3)])), [1, 2, 3, 4, 5, 6])
    }
    #expect(try padded(.wrap) == [3, 4, 5, 6, 3, 4, 5])
    #expect(try padded(.reflect) == [3, 4, 5, 6, 5, 4, 3])
    #expect(try padded(.edge) == [3, 4, 5, 6, 6, 6, 6])
    #expect(try padded(.constant(9)) == [3, 4, 5, 6, 9, 9, 9])
    #expect(throws: ForwardError.self) {
      try run(.padding(Padding(.wrap, axes: [.init(size: nil, before: -2, after: 3)])), [1, 2])
    }
  }

  @Test func `a few bytes do not ask for any number of places`() {
    let many = 1 << 23
    let ports: [Model.Port] = [.sequence("x", features: 1)]
    for operation: Layer.Operation in [
      .pool(Pool(.max, axes: [WindowAxis(size: nil, kernel: many, before: many / 2, after: many / 2)])),
      .pool(Pool(.max, axes: [WindowAxis(size: nil, kernel: 1 << 15, before: 1 << 14, after: 1 << 14)])),
      .padding(Padding(.edge, axes: [.init(size: nil, before: many)])),
      .padding(Padding(.edge, axes: [.init(size: 1, before: many)])),
    ] {
      #expect(throws: ModelError.self) {
        try model(operation, ports, .sequence("y", features: 1)).validated()
      }
    }
  }
}
