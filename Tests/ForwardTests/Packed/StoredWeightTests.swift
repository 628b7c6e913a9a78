import ByteIO
import Recurrent
import Tensors
import TestSupport
import Testing

@testable import Forward

/// Layers whose weights are large enough to stay as they are stored where the steps are few.
private let large: [LayerSpecification] = {
  var all: [LayerSpecification] = []
  for cell in Cell.all {
    var layer = LayerSpecification(cell)
    // No multiple of a panel's width.
    layer.inputSize = 1_210 / cell.gateCount
    layer.hiddenSize = cell == .rnn ? 611 : 307
    layer.scale = 0.05
    if cell == .lstm {
      layer.projectionSize = 301
      layer.peepholes = true
    }
    layer.direction = cell == .rnn ? .forward : .bidirectional
    all.append(layer)
  }
  return all
}()

@Suite struct StoredWeightTests {
  @Test(arguments: large.indices, Precision.allCases)
  func `Weights that stay where they are stored give the bits of packed ones`(
    _ index: Int, _ precision: Precision
  ) throws {
    let model = reordered(large[index].model(seed: 3, lengths: true))
    let prepared = try PackedModel(model, precision: precision)
    for (steps, batch) in [(1, 1), (4, 3), (3, 14)] {
      let lengths = (0..<batch).map { Int64(($0 * 5 + 2) % (steps + 1)) }
      let inputs = randomInputs(model, steps: steps, batch: batch, lengths: lengths, seed: 4)
      let expected = try prepared.run(inputs)
      for set in InstructionSet.available {
        for threads in [1, 2] {
          let execution = Execution(threads: threads, instructions: set)
          #expect(try forward(model, inputs: inputs, precision: precision, execution: execution) == expected)
        }
      }
    }
  }

  /// More steps pack the weights; the first ones do not know of those after them.
  @Test(arguments: large.indices, [RoundingModel.float32, .float64])
  func `Bounds over stored weights have the bits of those over packed ones`(
    _ index: Int, _ rounding: RoundingModel
  ) throws {
    var specification = large[index]
    specification.direction = .forward
    let plain = reordered(specification.model(seed: 3))
    for kind in ["float", "float with what is no number", "integers with a scale"] {
      var model = plain
      model.layers[0].operation = plain.layers[0].operation.mapTensors { tensor in
        guard tensor.shape.count == 2, kind != "float" else { return tensor }
        if kind.hasPrefix("integers") { return tensor.quantized()! }
        var numbers = tensor.floats
        numbers[numbers.count / 2] = .nan
        numbers[numbers.count / 3] = .leastNonzeroMagnitude
        return Tensor(numbers, shape: tensor.shape)
      }
      let inputs = randomInputs(model, steps: 5, batch: 2, seed: 4)
      let first = inputs.mapValues { $0.rows(0..<3) }
      let packed = try boundedForward(model, inputs: inputs, rounding: rounding, symbols: .none)["y"]!
      let stored = try boundedForward(model, inputs: first, rounding: rounding, symbols: .none)["y"]!
      #expect(stored.values == Array(packed.values[..<stored.values.count]), "\(kind)")
      #expect(stored.errors == Array(packed.errors[..<stored.errors.count]), "\(kind)")
    }
  }

  @Test func `A few steps leave gates apart that are joined when they are read as one`() throws {
    let model = reordered(large[1].model(seed: 3))
    let inputs = randomInputs(model, steps: 2, batch: 2, seed: 4)
    for precision in Precision.allCases { _ = try forward(model, inputs: inputs, precision: precision) }
    _ = try boundedForward(model, inputs: inputs, rounding: .float64, symbols: .none)
    let matrices = model.layers[0].operation.tensors.map(\.tensor).filter {
      $0.shape.count == 2 && $0.shape[0] > 1_000
    }
    #expect(matrices.count == 4 && matrices.allSatisfy { $0.bytes.chunks.count > 1 })
  }

  /// The model's matrices in two parts each, as importers leave them that put gates into another order.
  private func reordered(_ model: Model) -> Model {
    var model = model
    model.layers[0].operation = model.layers[0].operation.mapTensors { tensor in
      let half = tensor.shape[0] / 2
      let parts = [tensor.rows(0..<half), tensor.rows(half..<tensor.shape[0])]
      return Tensor.concatenated(parts)
    }
    return model
  }
}
