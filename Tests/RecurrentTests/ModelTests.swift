import Recurrent
import Tensors
import TestSupport
import Testing

extension Model {
  /// The model with its only recurrent layer changed.
  fileprivate func changingLayer(_ change: (inout RecurrentLayer) -> Void) -> Model {
    var model = self
    guard case .recurrent(var layer) = model.layers[0].operation else { preconditionFailure("no layer") }
    change(&layer)
    model.layers[0].operation = .recurrent(layer)
    return model
  }
}

/// One fault each, made in a valid model, and the error that must name it.
@Suite struct ValidationTests {
  private func model(_ cell: Cell = .lstm) -> Model { LayerSpecification(cell).model(seed: 1) }

  private func layer(_ change: (inout RecurrentLayer) -> Void) -> Model { model().changingLayer(change) }

  private func error(of model: Model) -> ModelError? {
    do {
      try model.validated()
      return nil
    } catch { return error }
  }

  @Test(arguments: Cell.all, Direction.allCases)
  func randomModelsAreValid(_ cell: Cell, _ direction: Direction) {
    var specification = LayerSpecification(cell)
    specification.direction = direction
    #expect(error(of: specification.model(seed: 2, lengths: true, initialStates: true)) == nil)
  }

  @Test func aWrongWeightShapeNamesLayerTensorAndShapes() {
    let broken = layer {
      $0.directions[0].recurrentWeight = Tensor([Float](repeating: 0, count: 12), shape: [4, 3])
    }
    #expect(
      error(of: broken)
        == .wrongShape(layer: "layer", tensor: "recurrent weight", expected: [16, 4], found: [4, 3]))
  }

  @Test func peepholesNeedAnLSTM() {
    let broken = model(.gru(resetAfter: true)).changingLayer {
      $0.directions[0].peepholes = Tensor([Float](repeating: 1, count: 12), shape: [12])
    }
    #expect(error(of: broken)?.description.contains("peepholes need an LSTM") == true)
  }

  @Test func clipMustBePositive() {
    #expect(error(of: layer { $0.clip = -1 })?.description.contains("clip") == true)
    #expect(error(of: layer { $0.clip = .nan })?.description.contains("clip") == true)
  }

  @Test func aValueThatNothingMakesIsNamed() {
    var broken = model()
    broken.layers[0].inputs[0] = "ghost"
    #expect(error(of: broken) == .unknownValue(layer: "layer", value: "ghost"))
  }

  @Test func aValueMadeTwiceIsNamed() {
    var broken = model()
    broken.layers.append(Layer("again", .softmax, inputs: ["y"], outputs: ["h"]))
    #expect(error(of: broken) == .duplicateValue(layer: "again", value: "h"))
  }

  @Test func aPortMustHoldEveryDimensionOnce() {
    var broken = model()
    broken.inputs[0].axes.remove(at: 0)
    #expect(error(of: broken)?.description.contains("time exactly once") == true)
    broken = model()
    broken.inputs[0].axes.append(PortAxis([.batch]))
    #expect(error(of: broken)?.description.contains("batch at most once") == true)
  }

  @Test func aPortWithoutABatchHasOneRow() throws {
    var single = model()
    single.inputs[0].axes.removeAll { $0.factors == [.batch] }
    #expect(error(of: single) == nil && !single.inputs[0].hasBatch)
  }

  @Test func aPortMustHoldAllFeatures() {
    var broken = model()
    broken.inputs[0].axes[2] = PortAxis([.features(stride: 1, count: 2)])
    #expect(error(of: broken) == .invalidPort(port: "x", reason: "its axes hold 2 features, the value has 3"))
  }

  @Test func integersCannotBeWeights() {
    var broken = model()
    broken.layers.append(
      Layer(
        "dense", .dense(weight: Tensor([Int64](repeating: 1, count: 4), shape: [1, 4]), bias: nil),
        inputs: ["h"],
        outputs: ["o"]))
    #expect(error(of: broken) == .wrongElementType(layer: "dense", tensor: "weight", found: .int64))
  }
}

@Suite struct FingerprintTests {
  private let model = LayerSpecification(.lstm).model(seed: 3)

  @Test func namesAndMetadataDoNotCount() {
    var renamed = model
    renamed.name = "other"
    renamed.metadata["author"] = "somebody"
    renamed.layers[0].name = "lstm_7"
    renamed.inputs[0].name = "features"
    renamed.inputs[0].value = "v0"
    renamed.layers[0].inputs[0] = "v0"
    #expect(renamed.fingerprint == model.fingerprint)
  }

  @Test func oneBitOfOneWeightCounts() {
    let changed = model.changingLayer { layer in
      var values = layer.directions[0].inputWeight.floats
      values[5] = Float(bitPattern: values[5].bitPattern ^ 1)
      layer.directions[0].inputWeight = Tensor(values, shape: layer.directions[0].inputWeight.shape)
    }
    #expect(changed.fingerprint != model.fingerprint)
  }

  @Test func swappedGatesCount() {
    let changed = model.changingLayer { layer in
      let swapped = GateOrder(.input, .forget, .output, .candidate)
      layer.directions[0].inputWeight = swapped.reorder(layer.directions[0].inputWeight, to: .lstm)
    }
    #expect(changed.fingerprint != model.fingerprint)
  }

  enum Change: CaseIterable {
    case clip, inputForget, direction, activation, bias

    func apply(_ layer: inout RecurrentLayer) {
      switch self {
      case .clip: layer.clip = 3
      case .inputForget: layer.inputForget = true
      case .direction: layer.direction = .reverse
      case .activation:
        layer.directions[0].gateActivation = Activation(.hardSigmoid, alpha: 0.2, beta: 0.5)
      case .bias: layer.directions[0].inputBias = nil
      }
    }
  }

  @Test(arguments: Change.allCases)
  func everyAttributeCounts(_ change: Change) {
    let changed = model.changingLayer { change.apply(&$0) }
    #expect(changed.fingerprint != model.fingerprint)
  }

  @Test func theDigestStaysTheSameAcrossVersions() {
    // Recorded: a change of this value breaks every stored fingerprint and needs a new version tag in the digest.
    #expect(
      model.fingerprint.description == "fcf1389fe27dcb59e1cfa5b68b190aeab5ddc7da8cac0339f5255f5b29c48c80")
  }
}
