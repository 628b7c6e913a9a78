import Forward
import Recurrent
import Tensors
import TestSupport
import Testing

@testable import ONNXFormat

/// A recurrence of some units and layers behind it, for tests of what ONNX makes of these.
enum AroundRecurrence {
  /// `[T, B, units]`, named `y`; `steps` fixes T.
  static func recurrence(units: Int = 4, steps: Int? = nil) -> Model {
    var specification = LayerSpecification(.rnn)
    specification.hiddenSize = units
    var model = specification.model(seed: 1)
    model.layers[0].outputs = [model.layers[0].outputs[0], nil]
    model.outputs.removeLast(model.outputs.count - 1)
    for index in model.inputs.indices {
      for axis in model.inputs[index].axes.indices where model.inputs[index].axes[axis].factors == [.time] {
        model.inputs[index].axes[axis].size = steps
      }
    }
    return model
  }

  /// The recurrence and one operation after another on what it gives.
  static func model(_ operations: [Layer.Operation], units: Int = 4, steps: Int? = nil) throws -> Model {
    var model = recurrence(units: units, steps: steps)
    var value = model.outputs[0].value
    for (index, operation) in operations.enumerated() {
      model.layers.append(Layer("f\(index)", operation, inputs: [value], outputs: ["f\(index)"]))
      value = "f\(index)"
    }
    model.outputs = []
    let kind = try #require(try model.validated()[value])
    model.outputs = [Model.Port(value, kind)]
    return model
  }

  static func inputs(_ model: Model, steps: Int, batch: Int = 2) -> [String: Tensor] {
    var generator = SeededGenerator(seed: 5)
    return Dictionary(
      uniqueKeysWithValues: model.inputs.map { port in
        let shape = port.axes.map { axis in
          axis.size ?? axis.factors.reduce(1) { $0 * ($1 == .time ? steps : $1 == .batch ? batch : 1) }
        }
        return (port.name, generator.tensor(shape, scale: 2))
      })
  }

  /// How far the file, evaluated as it is written, lies from the model's own pass, both in Float64.
  static func distance(_ file: ONNXModel, _ model: Model, steps: Int) throws -> Double {
    let inputs = inputs(model, steps: steps)
    let own = try forward(model, inputs: inputs, precision: .float64)
    let evaluated = try ONNXEvaluator(file).run(inputs, precision: .float64)
    let name = model.outputs[0].name
    let (a, b) = (try #require(own[name]), try #require(evaluated[name]))
    try #require(a.shape == b.shape, "\(a.shape) and \(b.shape)")
    return zip(a.doubles, b.doubles).map { abs($0 - $1) }.max() ?? 0
  }

  /// Writes the model at each opset, evaluates the file, and reads it back as the same model.
  static func roundTrip(_ model: Model, opsets: [Int64], steps: [Int] = [1, 2, 5]) throws {
    for opset in opsets {
      let file = try ONNXExporter.export(model, opset: opset).model
      let back = try ONNXImporter.importModel(file).model
      let names = back.layers.map(\.operation.name)
      #expect(back.fingerprint == model.fingerprint, "opset \(opset): \(names)")
      for steps in steps {
        let distance = try distance(file, model, steps: steps)
        #expect(distance < 1e-9, "opset \(opset), \(steps) steps: \(distance)")
      }
    }
  }

  /// What nodes behind a recurrence become, held against what the evaluator makes of the file; `x` is what they read, `y` what they give.
  static func imported(
    _ nodes: [ONNXNode], _ constants: [String: Tensor] = [:], opset: Int64 = 17, units: Int = 4,
    fixed: Int? = nil, steps: [Int] = [1, 2, 5], within: Double = 1e-9
  ) throws -> [Layer.Operation] {
    let file = try ONNXExporter.export(recurrence(units: units, steps: fixed), opset: opset).model.followed(
      by: nodes, constants)
    // What the nodes make has another shape than the recurrence's.
    var open = file
    open.graph.outputs[0].shape = nil
    let model = try ONNXImporter.importModel(open).model
    for steps in fixed.map({ [$0] }) ?? steps {
      let distance = try distance(open, model, steps: steps)
      #expect(distance <= within, "\(steps) steps: \(distance)")
    }
    return model.layers.dropFirst().map(\.operation)
  }
}

func floats(_ values: Float..., shape: [Int]? = nil) -> Tensor {
  Tensor(values, shape: shape ?? [values.count])
}
func integers(_ values: Int64...) -> Tensor { Tensor(values, shape: [values.count]) }
