import ByteIO
import Foundation
import ONNXFormat
import Tensors

/// A model with inputs and the outputs that a judge computed for them, as ONNX keeps test data.
struct EvaluatorCase {
  let model: ONNXModel
  let inputs: [String: Tensor]
  /// In the order of the graph's outputs.
  let expected: [Tensor]

  /// Reads `model.onnx`, and `input_<i>.pb` and `output_<i>.pb` from `data`.
  init(model path: URL, data: URL) throws {
    model = try ONNXDecoder.decode(try ByteBuffer.open(path: path.path), folder: nil)
    let given = try Self.tensors("input", data)
    let open = model.graph.inputs.map(\.name)
    var inputs: [String: Tensor] = [:]
    for (position, tensor) in given.enumerated() {
      inputs[tensor.name.isEmpty ? open[position] : tensor.name] = tensor.tensor
    }
    self.inputs = inputs
    expected = try Self.tensors("output", data).map(\.tensor)
  }

  private static func tensors(_ kind: String, _ folder: URL) throws -> [(name: String, tensor: Tensor)] {
    var list: [(name: String, tensor: Tensor)] = []
    while true {
      let file = folder.appending(path: "\(kind)_\(list.count).pb")
      guard FileManager.default.fileExists(atPath: file.path) else { return list }
      list.append(try ONNXDecoder.decodeTensor(try ByteBuffer.open(path: file.path)))
    }
  }

  /// What is wrong with the evaluator's outputs, or nil.
  func failure(_ precision: EvaluationPrecision) -> String? {
    do {
      let outputs = try ONNXEvaluator(model).run(inputs, precision: precision)
      let names = model.graph.outputs.map(\.name)
      guard names.count == expected.count else { return "\(names.count) outputs, \(expected.count) expected" }
      for (name, expected) in zip(names, expected) {
        guard let found = outputs[name] else { return "no output '\(name)'" }
        if let difference = difference(found, expected, precision) {
          return "output '\(name)': \(difference)"
        }
      }
      return nil
    } catch {
      return "\(error)"
    }
  }

  /// A modest tolerance for floats (the judge computes in float32, or rounds to float16); integers and shapes are exact.
  private func difference(_ found: Tensor, _ expected: Tensor, _ precision: EvaluationPrecision) -> String? {
    guard found.shape == expected.shape else { return "shape \(found.shape), expected \(expected.shape)" }
    guard expected.elementType.isFloat else {
      return found == expected
        ? nil : "\(found.elementType) \(found.doubles), expected \(expected.elementType) \(expected.doubles)"
    }
    let type: ElementType = precision == .float32 ? .float32 : .float64
    guard found.elementType == type else { return "element type \(found.elementType)" }
    let unit = expected.elementType == .float16 ? 2e-3 : 1e-5
    for (position, (a, b)) in zip(found.doubles, expected.doubles).enumerated() {
      if a == b || a.isNaN && b.isNaN { continue }
      guard abs(a - b) <= unit + unit * abs(b) else { return "element \(position) is \(a), expected \(b)" }
    }
    return nil
  }
}
