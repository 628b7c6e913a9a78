import Recurrent
import Tensors
import TestSupport
import Testing

@testable import Forward

/// Bounds on how far narrower weights move the outputs.
@Suite struct StorageBoundTests {
  private static let cells: [Cell] = Cell.all

  @Test(arguments: WeightStorage.allCases, cells)
  func `Models with stored weights lie within the bound, and not within Float64's`(
    _ storage: WeightStorage, _ cell: Cell
  ) throws {
    var nearest = 0.0
    for k in 0..<12 {
      let model = stackedModel(
        cell, .bidirectional, layers: 1 + k % 2, inputSize: 3, hiddenSize: 5, gain: [0.5, 1, 2][k % 3],
        seed: UInt64(k))
      var stored = model
      for index in stored.layers.indices {
        stored.layers[index].operation = stored.layers[index].operation.mapTensors { storage.stored($0) }
      }
      let inputs = randomInputs(model, steps: 8, batch: 2, seed: UInt64(k + 1))
      var rounding = RoundingModel.float64
      let own = try boundedForward(model, inputs: inputs, rounding: rounding)["y"]!
      rounding.storage = storage
      let bound = try boundedForward(model, inputs: inputs, rounding: rounding)["y"]!
      let found = try forward(stored, inputs: inputs, precision: .float64)["y"]!.doubles
      #expect(found.indices.allSatisfy { bound.contains(found[$0], at: $0) }, "model \(k)")
      #expect(!found.indices.allSatisfy { own.contains(found[$0], at: $0) }, "model \(k)")
      let perturbed = try perturbedForward(
        model, inputs: inputs, rounding: rounding, noise: .extreme, seed: 1)["y"]!
      #expect(
        perturbed.doubles.indices.allSatisfy { bound.contains(perturbed.doubles[$0], at: $0) }, "model \(k)")
      for (index, value) in found.enumerated() where bound.errors[index] < .infinity {
        nearest = max(nearest, abs(value - bound.values[index]) / bound.errors[index])
      }
    }
    #expect(nearest > 0.1, "a bound ten times too wide says little")
  }

  @Test func `A bound for half of the movement is caught`() throws {
    let model = stackedModel(.rnn, .forward, layers: 1, inputSize: 1, hiddenSize: 1, gain: 1, seed: 1)
    let inputs = ["x": Tensor([1] as [Float], shape: [1, 1, 1])]
    var rounding = RoundingModel.float64
    rounding.storage = .bfloat16
    let bound = try boundedForward(model, inputs: inputs, rounding: rounding)["y"]!
    var stored = model
    stored.layers[0].operation = stored.layers[0].operation.mapTensors {
      // Each weight moves the same way, by as much as storing it does.
      let moved = zip($0.doubles, WeightStorage.bfloat16.stored($0).doubles).map { $0 + abs($1 - $0) }
      return Tensor(moved, shape: $0.shape)
    }
    let found = try forward(stored, inputs: inputs, precision: .float64)["y"]!.doubles[0]
    #expect(bound.contains(found, at: 0))
    #expect(abs(found - bound.values[0]) > bound.errors[0] / 2)
  }

  @Test func `Quantised tensors are within half a scale`() throws {
    var generator = SeededGenerator(seed: 1)
    for scale in [1e-30, 1, 1e30] as [Float] {
      let tensor = generator.tensor([7, 5], scale: scale)
      let quantized = try #require(tensor.quantized())
      let step = try #require(quantized.quantization).scale
      #expect(quantized.elementType == .int8 && quantized.shape == [7, 5])
      let distances = zip(tensor.doubles, quantized.doubles).map { abs($0 - $1) }
      #expect(distances.allSatisfy { $0 <= step / 2 * (1 + 1e-12) })
      #expect(distances.contains { $0 > step / 4 })
      // The largest magnitude uses the whole range.
      #expect(try quantized.integers().map { abs($0) }.max() == 127)
    }
    #expect(Tensor([0, 0] as [Float], shape: [2, 1]).quantized()?.doubles == [0, 0])
    #expect(Tensor([1, .infinity] as [Float], shape: [2, 1]).quantized() == nil)
  }
}
