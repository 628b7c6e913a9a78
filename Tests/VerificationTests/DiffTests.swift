import Recurrent
import Tensors
import TestSupport
import Testing
import Verification

@Suite struct DiffTests {
  private func changed(_ model: Model, _ change: (inout RecurrentLayer) -> Void) -> Model {
    var model = model
    guard case .recurrent(var layer) = model.layers[0].operation else { preconditionFailure("no layer") }
    change(&layer)
    model.layers[0].operation = .recurrent(layer)
    return model
  }

  private func tensor(_ difference: ModelDifference, _ role: String) throws -> TensorDifference {
    try #require(difference.layers[0].tensors.first { $0.role == role })
  }

  static let cells: [Cell] = Cell.all

  @Test(arguments: cells, Direction.allCases)
  func `a model is the same as itself`(cell: Cell, direction: Direction) {
    var specification = LayerSpecification(cell)
    specification.direction = direction
    let model = specification.model(seed: 1, lengths: true, initialStates: true)
    let difference = diff(model, model)
    #expect(difference.isSame && difference.differingLayers == 0 && difference.ports.isEmpty)
    #expect(difference.layers.allSatisfy { $0.attributes.isEmpty && $0.notes.isEmpty })
  }

  @Test func `one weight moved by three ulps is found in its gate`() throws {
    let model = LayerSpecification(.lstm).model(seed: 2)
    // H = 4, O = 4: row 4 is the first of gate i.
    let other = changed(model) { layer in
      var values = layer.directions[0].recurrentWeight!.floats
      values[16] = values[16].nextUp.nextUp.nextUp
      layer.directions[0].recurrentWeight = Tensor(values, shape: [16, 4])
    }
    let difference = diff(model, other)
    #expect(!difference.isSame && difference.differingLayers == 1)
    let tensor = try tensor(difference, "forward.recurrentWeight")
    #expect(tensor.blocks.map(\.gate) == [.forget, .input, .output, .candidate])
    #expect(tensor.blocks.map(\.differing) == [0, 1, 0, 0])
    #expect(tensor.blocks[1].maxUlps == 3 && tensor.blocks[1].medianUlps == 3)
    #expect(tensor.blocks[1].maxDifference > 0)
    #expect(difference.layers[0].tensors.count { !$0.isSame } == 1)
  }

  @Test func `signs, zeros and NaN are counted across zero`() throws {
    func model(_ values: [Float]) -> Model {
      changed(LayerSpecification(.rnn).model(seed: 3)) {
        $0.directions[0].inputBias = Tensor(values, shape: [4])
      }
    }
    let tiny = Float.leastNonzeroMagnitude
    let block = try tensor(
      diff(model([tiny, 0, 1, .nan]), model([-tiny, -0.0, 1, .nan])), "forward.inputBias"
    )
    .blocks[0]
    #expect(block.differing == 2 && block.maxUlps == 2)
    let broken = try tensor(diff(model([0, 0, 1, 1]), model([0, 0, 1, .nan])), "forward.inputBias").blocks[0]
    #expect(broken.differing == 1 && broken.maxUlps == .max && broken.maxDifference == .infinity)
  }

  @Test func `weights rounded to half precision are 0 ulps of it away`() throws {
    let model = LayerSpecification(.gru(resetAfter: true)).model(seed: 4)
    let other = changed(model) { layer in
      layer.directions[0].inputWeight = try! layer.directions[0].inputWeight.converted(to: .float16).tensor
    }
    let tensor = try tensor(diff(model, other), "forward.inputWeight")
    #expect(!tensor.isSame && tensor.left != tensor.right)
    #expect(tensor.blocks.allSatisfy { $0.differing > 0 && $0.maxUlps == 0 && $0.maxDifference < 1e-3 })
  }

  @Test func `gates in another order are named`() throws {
    let model = LayerSpecification(.lstm).model(seed: 5)
    let other = changed(model) { layer in
      layer.directions[0].inputWeight = GateOrder(.input, .forget, .output, .candidate)
        .reorder(layer.directions[0].inputWeight, to: .lstm)
    }
    let notes = diff(model, other).layers[0].notes
    #expect(notes == ["forward.inputWeight: the right side's f,i,o,g hold the left side's i,f,o,g"])
  }

  @Test func `two biases against their sum`() throws {
    let model = LayerSpecification(.lstm).model(seed: 6)
    let other = changed(model) { layer in
      let direction = layer.directions[0]
      let sum = zip(direction.inputBias!.floats, direction.recurrentBias!.floats).map { $0 + $1 }
      layer.directions[0].inputBias = Tensor(sum, shape: [16])
      layer.directions[0].recurrentBias = nil
    }
    let difference = diff(model, other)
    #expect(difference.layers[0].notes == ["forward: the sum of the biases is the same in Float32"])
    let lost = try tensor(difference, "forward.recurrentBias")
    #expect(lost.left != nil && lost.right == nil && lost.blocks.isEmpty)
  }

  @Test func `attributes, shapes and layers of one side`() throws {
    var specification = LayerSpecification(.gru(resetAfter: true))
    let model = specification.model(seed: 7)
    specification.hiddenSize = 5
    var other = specification.model(seed: 7)
    other.outputs.removeLast()
    other.layers.insert(
      Layer("drop", .dropout(ratio: 0.5), inputs: ["x"], outputs: ["dropped"]), at: 0)
    other.layers[1].inputs[0] = "dropped"
    let difference = diff(model, other)
    #expect(difference.layers.count == 2 && difference.differingLayers == 2)
    #expect(difference.layers[0].left == nil && difference.layers[0].right == "drop")
    #expect(difference.layers[1].attributes.map(\.name) == ["hiddenSize", "inputs"])
    #expect(
      difference.layers[1].tensors.allSatisfy { !$0.isSame && $0.blocks.isEmpty || $0.left == $0.right })
    #expect(difference.ports.contains { $0.left == "h" && $0.right == nil })
  }

  @Test func `another reset form is an attribute, and a cell another one is paired`() {
    let after = LayerSpecification(.gru(resetAfter: true)).model(seed: 8)
    let before = changed(after) { $0.cell = .gru(resetAfter: false) }
    let attributes = diff(after, before).layers[0].attributes
    #expect(attributes.map(\.name) == ["resetAfter"])
    #expect(attributes.map(\.left) == ["true"] && attributes.map(\.right) == ["false"])
    let lstm = diff(after, LayerSpecification(.lstm).model(seed: 8)).layers
    #expect(lstm.count == 1 && lstm[0].attributes.contains { $0.name == "cell" && $0.right == "LSTM" })
  }

  @Test func `names do not count`() {
    let model = LayerSpecification(.lstm).model(seed: 9)
    var other = model
    other.layers[0].name = "other"
    other.inputs[0].name = "input"
    other.inputs[0].axes[1].size = 1
    let difference = diff(model, other)
    #expect(difference.isSame)
    #expect(difference.ports.count == 2 && difference.ports.allSatisfy(\.isNominal))
  }
}
