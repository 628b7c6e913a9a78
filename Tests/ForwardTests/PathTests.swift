import Recurrent
import Tensors
import TestSupport
import Testing

@testable import Forward

/// Recurrences at places of the features, and along them: what the same layer makes of the same numbers as rows of a batch.
@Suite struct PathTests {
  private static let places = 3

  /// A model of one layer with a path, and the same layer along time.
  private static func models(
    _ cell: Cell, _ direction: Direction, _ path: RecurrentPath, outer: Int = 1, hasTime: Bool = true
  ) -> (Model, plain: Model) {
    var specification = LayerSpecification(cell)
    specification.direction = direction
    let plain = specification.model(seed: 3)
    var model = plain
    guard case .recurrent(var layer) = model.layers[0].operation else { preconditionFailure("no layer") }
    layer.path = path
    let units = layer.direction.count * layer.outputSize
    let isAlong = !path.isAlongTime
    func port(_ name: String, _ features: Int, _ isSequence: Bool) -> Model.Port {
      isSequence ? .sequence(name, features: features) : .vector(name, features: features)
    }
    model.layers[0].operation = .recurrent(layer)
    model.layers[0].inputs = ["x"]
    model.inputs = [port("x", outer * places * layer.inputSize, hasTime)]
    let states = outer * (isAlong ? 1 : places)
    model.outputs =
      [port("y", outer * places * units, hasTime)]
      + (cell == .lstm ? ["h", "c"] : ["h"]).map { port($0, states * units, isAlong && hasTime) }
    return (model, plain)
  }

  /// `[A, B, W]` as `[B, A, W]`.
  private static func turned(_ tensor: Tensor, _ a: Int, _ b: Int) -> Tensor {
    let width = tensor.count / (a * b)
    // As many elements.
    return try! tensor.reshaped([a, b, width]).transposed([1, 0, 2])
  }

  @Test(arguments: Cell.all, Direction.allCases)
  func `time at places is time with a row for each place`(_ cell: Cell, _ direction: Direction) throws {
    let (model, plain) = Self.models(cell, direction, .timeAtPlaces(Self.places))
    let (steps, batch, n) = (4, 2, Self.places)
    let inputs = randomInputs(model, steps: steps, batch: batch, seed: 6)
    for precision in Precision.allCases {
      let found = try forward(model, inputs: inputs, precision: precision)
      let x = try inputs["x"]!.reshaped([steps, batch * n, inputs["x"]!.count / (steps * batch * n)])
      let expected = try forward(plain, inputs: ["x": x], precision: precision)
      for (name, tensor) in expected { #expect(found[name]?.bytes == tensor.bytes, "\(cell), \(name)") }
      guard direction == .forward else { continue }
      var stream = try StepSession(model, batch: batch, precision: precision)
      var other = stream
      for t in 0..<steps {
        let step = try stream.step(["x": inputs["x"]!.rows(t..<(t + 1))])
        #expect(step["y"] == found["y"]!.rows(t..<(t + 1)))
        if t == 1 { try other.restore(stream.state) }
      }
      #expect(stream.state.values.allSatisfy { $0.shape[0] == batch })
      #expect(try other.step(["x": inputs["x"]!.rows(2..<3)])["y"] == found["y"]!.rows(2..<3))
    }
    let bounds = try boundedForward(model, inputs: inputs, rounding: .float32)
    let single = try forward(model, inputs: inputs, precision: .float32)
    for (name, bound) in bounds {
      let deviations = zip(bound.values, single[name]!.doubles).map { abs($0 - $1) }
      #expect(zip(deviations, bound.errors).allSatisfy { $0 <= $1 && $1 < 1e-3 }, "\(name)")
    }
  }

  @Test(arguments: Cell.all, Direction.allCases)
  func `along places each step of each row is a row`(_ cell: Cell, _ direction: Direction) throws {
    let n = Self.places
    for (outer, hasTime) in [(1, true), (2, true), (2, false)] {
      let (model, plain) = Self.models(cell, direction, .places(n), outer: outer, hasTime: hasTime)
      let (steps, batch) = (hasTime ? 4 : 1, 2)
      let inputs = randomInputs(model, steps: steps, batch: batch, seed: 6)
      let rows = steps * batch * outer
      for precision in Precision.allCases {
        let found = try forward(model, inputs: inputs, precision: precision)
        let x = Self.turned(inputs["x"]!, rows, n)
        let expected = try forward(plain, inputs: ["x": x], precision: precision)
        #expect(found["y"]?.bytes == Self.turned(expected["y"]!, n, rows).bytes, "\(cell), \(outer)")
        for name in ["h", "c"] { #expect(found[name]?.bytes == expected[name]?.bytes, "\(cell), \(name)") }
      }
      // No state goes from step to step, whatever the direction.
      guard hasTime else { continue }
      let whole = try forward(model, inputs: inputs, precision: .float32)
      var stream = try StepSession(model, batch: batch, precision: .float32)
      for t in 0..<steps {
        #expect(
          try stream.step(["x": inputs["x"]!.rows(t..<(t + 1))])["y"] == whole["y"]!.rows(t..<(t + 1)))
      }
    }
  }

  @Test func `places that do not fit are refused`() throws {
    for path in [
      RecurrentPath.timeAtPlaces(0), .timeAtPlaces(2), .places(0), .places(4), .places(.max),
      .timeAtPlaces(.max),
    ] {
      var (model, _) = Self.models(.lstm, .forward, .places(3))
      guard case .recurrent(var layer) = model.layers[0].operation else { return }
      layer.path = path
      model.layers[0].operation = .recurrent(layer)
      #expect(throws: ModelError.self, "\(path)") { try model.validated() }
    }
    var (model, _) = Self.models(.gru(resetAfter: true), .forward, .places(3))
    model.inputs.append(.vector("h0", features: 4))
    model.layers[0].inputs = ["x", nil, "h0"]
    #expect(throws: ModelError.self) { try model.validated() }
  }
}
