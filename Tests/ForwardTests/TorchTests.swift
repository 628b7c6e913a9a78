import Forward
import Foundation
import Recurrent
import Tensors
import Testing

/// What torch.nn computed; see Recorded/record.py.
private struct TorchCase: Decodable, CustomTestStringConvertible {
  let name: String
  let bidirectional: Bool
  let x: [Double]
  let lengths: [Int64]?
  let h0: [Double]?
  let c0: [Double]?
  let y: [Double]
  let h: [Double]
  let c: [Double]?
  let weights: [String: [Double]]

  var testDescription: String {
    "\(name) bidirectional \(bidirectional) lengths \(lengths != nil) states \(h0 != nil)"
  }

  static let all: [TorchCase] = {
    let file = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "Recorded/torch.json")
    return try! JSONDecoder().decode([TorchCase].self, from: Data(contentsOf: file))
  }()
}

@Suite struct TorchTests {
  private let features = 3
  private let size = 2
  private let steps = 5
  private let batch = 3

  @Test func `There are recordings`() { #expect(TorchCase.all.count >= 40) }

  @Test(arguments: TorchCase.all)
  fileprivate func `A Float64 pass gives what torch.nn gives, to 1e-12`(_ recorded: TorchCase) throws {
    let (model, inputs) = torchModel(recorded)
    let outputs = try forward(model, inputs: inputs, precision: .float64)
    for (name, expected) in [("y", recorded.y), ("h", recorded.h), ("c", recorded.c)] {
      guard let expected else { continue }
      let found = try #require(outputs[name]).doubles
      #expect(found.count == expected.count)
      for (found, expected) in zip(found, expected) { #expect(abs(found - expected) <= 1e-12) }
    }
  }

  @Test(arguments: TorchCase.all)
  fileprivate func `What torch.nn gives lies within the Float64 bound`(_ recorded: TorchCase) throws {
    let (model, inputs) = torchModel(recorded)
    let outputs = try boundedForward(model, inputs: inputs, rounding: .float64)
    for (name, expected) in [("y", recorded.y), ("h", recorded.h), ("c", recorded.c)] {
      guard let expected else { continue }
      let bound = try #require(outputs[name])
      for index in expected.indices {
        #expect(bound.errors[index] < 1e-11)
        #expect(bound.contains(expected[index], at: index))
      }
    }
  }

  /// States as torch arranges them: `[D, B, H]`.
  private func torchModel(_ recorded: TorchCase) -> (Model, [String: Tensor]) {
    let kind = recorded.name.split(separator: "-")[0]
    let (cell, torchOrder): (Cell, GateOrder) =
      switch kind {
      case "LSTM": (.lstm, GateOrder(.input, .forget, .candidate, .output))
      case "GRU": (.gru(resetAfter: true), GateOrder(.reset, .update, .new))
      default: (.rnn, .rnn)
      }
    let projection = recorded.name.hasSuffix("projection") ? 1 : nil
    let units = projection ?? size
    let rows = cell.gateCount * size
    func tensor(_ name: String, _ suffix: String, _ shape: [Int]) -> Tensor {
      let tensor = Tensor(recorded.weights[name + "_l0" + suffix]!, shape: shape)
      return name == "weight_hr" ? tensor : torchOrder.reorder(tensor, to: cell.gateOrder)
    }
    let directions = (recorded.bidirectional ? ["", "_reverse"] : [""]).map { suffix in
      DirectionParameters(
        inputWeight: tensor("weight_ih", suffix, [rows, features]),
        recurrentWeight: tensor("weight_hh", suffix, [rows, units]),
        inputBias: tensor("bias_ih", suffix, [rows]), recurrentBias: tensor("bias_hh", suffix, [rows]),
        projection: projection.map { tensor("weight_hr", suffix, [$0, size]) },
        candidateActivation: recorded.name == "RNN-relu" ? .relu : .tanh)
    }
    let layer = RecurrentLayer(
      cell: cell, direction: recorded.bidirectional ? .bidirectional : .forward, inputSize: features,
      hiddenSize: size, directions: directions)
    let count = directions.count
    func sequence(_ name: String, _ features: Int) -> Model.Port {
      Model.Port(
        name: name, value: name, elementType: .float64, kind: .sequence(features: features),
        axes: [
          PortAxis([.time]), PortAxis([.batch]),
          PortAxis([.features(stride: 1, count: features)], size: features),
        ])
    }
    func state(_ name: String, _ units: Int) -> Model.Port {
      Model.Port(
        name: name, value: name, elementType: .float64, kind: .vector(features: count * units),
        axes: [
          PortAxis([.features(stride: units, count: count)], size: count), PortAxis([.batch]),
          PortAxis([.features(stride: 1, count: units)], size: units),
        ])
    }
    var ports = [sequence("x", features)]
    var inputs = ["x": Tensor(recorded.x, shape: [steps, batch, features])]
    if let lengths = recorded.lengths {
      ports.append(integerPort("lengths", hasTime: false))
      inputs["lengths"] = Tensor(lengths, shape: [batch])
    }
    if let h0 = recorded.h0 {
      ports.append(state("h0", units))
      inputs["h0"] = Tensor(h0, shape: [count, batch, units])
    }
    if let c0 = recorded.c0 {
      ports.append(state("c0", size))
      inputs["c0"] = Tensor(c0, shape: [count, batch, size])
    }
    var outputs = [sequence("y", count * units), state("h", units)]
    if cell == .lstm { outputs.append(state("c", size)) }
    func wire(_ name: String) -> String? { inputs[name] == nil ? nil : name }
    let model = Model(
      inputs: ports, outputs: outputs,
      layers: [
        Layer(
          "layer", .recurrent(layer),
          inputs: ["x", wire("lengths"), wire("h0")] + (cell == .lstm ? [wire("c0")] : []),
          outputs: outputs.map(\.value))
      ])
    return (model, inputs)
  }
}
