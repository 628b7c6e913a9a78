import ByteIO
import Foundation
import ONNXFormat
import Tensors
import TestSupport
import Testing

/// Every generated case with one thing changed: the evaluator computes something or throws, and never traps.
@Suite("ONNX evaluator on damaged graphs")
struct EvaluatorMutationTests {
  @Test("throws or computes, whatever number, shape or name is changed", arguments: 0..<4)
  func neverTraps(seed: Int) throws {
    let (folder, names, _) = try EvaluatorTests.generated.get()
    var generator = SeededGenerator(seed: UInt64(seed))
    var limits = Limits.standard
    limits.elements = 1 << 16
    limits.evaluationSteps = 10_000
    var outcomes = (computed: 0, refused: 0)
    for name in names {
      let path = folder.appending(path: name)
      let valid = try EvaluatorCase(model: path.appending(path: "model.onnx"), data: path)
      var (model, inputs) = (valid.model, valid.inputs)
      Self.damage(&model, &inputs, &generator)
      do throws(ONNXError) {
        _ = try ONNXEvaluator(model, limits: limits).run(inputs, precision: .float32)
        outcomes.computed += 1
      } catch {
        outcomes.refused += 1
      }
    }
    #expect(outcomes.computed > 50 && outcomes.refused > 200, "\(outcomes)")
  }

  private static func damage(
    _ model: inout ONNXModel, _ inputs: inout [String: Tensor], _ generator: inout SeededGenerator
  ) {
    // Nothing is checked at the door, so that the operators see it.
    for position in model.graph.inputs.indices { model.graph.inputs[position].shape = nil }
    let node = Int.random(in: model.graph.nodes.indices, using: &generator)
    let attributes = model.graph.nodes[node].attributes.keys.sorted()
    switch Int.random(in: 0..<4, using: &generator) {
    case 0 where !attributes.isEmpty:
      let name = attributes.randomElement(using: &generator)!
      model.graph.nodes[node].attributes[name] = damaged(
        model.graph.nodes[node].attributes[name]!, &generator)
    case 1 where !model.graph.nodes[node].inputs.isEmpty:
      let position = model.graph.nodes[node].inputs.indices.randomElement(using: &generator)!
      model.graph.nodes[node].inputs[position] =
        (inputs.keys.sorted() + [""]).randomElement(using: &generator)!
    default:
      if let name = inputs.keys.sorted().randomElement(using: &generator) {
        inputs[name] = damaged(inputs[name]!, &generator)
      }
    }
  }

  private static let extremes: [Int64] = [
    .min, .min + 1, -(1 << 31), -2, -1, 0, 1, 2, 7, 1 << 31, 1 << 62, .max,
  ]

  private static func damaged(_ attribute: ONNXAttribute, _ generator: inout SeededGenerator) -> ONNXAttribute
  {
    let extreme = extremes.randomElement(using: &generator)!
    switch attribute {
    case .int: return .int(extreme)
    case .ints(let values):
      guard let position = values.indices.randomElement(using: &generator), Bool.random(using: &generator)
      else {
        return .ints(values + [extreme])
      }
      var changed = values
      changed[position] = extreme
      return .ints(changed)
    case .float: return .float([0, -1, .infinity, .nan].randomElement(using: &generator)!)
    case .floats(let values): return .floats(values.dropLast() + [.nan])
    case .strings(let values): return .strings(Array(values.dropLast()))
    case .tensor(let tensor): return .tensor(damaged(tensor, &generator))
    default: return attribute
    }
  }

  /// Another shape, an extreme element, or none at all.
  private static func damaged(_ tensor: Tensor, _ generator: inout SeededGenerator) -> Tensor {
    let shapes = [[tensor.count], tensor.shape + [1], [1] + tensor.shape, tensor.shape.reversed()]
    switch Int.random(in: 0..<3, using: &generator) {
    case 0: return try! tensor.reshaped(shapes.randomElement(using: &generator)!)
    case 1: return tensor.elementType.isFloat ? Tensor([Float](), shape: [0]) : Tensor([Int64](), shape: [0])
    default:
      guard tensor.elementType == .int64, var values = try? tensor.integers(), !values.isEmpty else {
        return try! tensor.reshaped(shapes.randomElement(using: &generator)!)
      }
      values[Int.random(in: values.indices, using: &generator)] = extremes.randomElement(using: &generator)!
      return Tensor(values, shape: tensor.shape)
    }
  }

  @Test("a tensor file cut short is an error at every byte")
  func truncatedTensor() throws {
    let (folder, names, _) = try EvaluatorTests.generated.get()
    let file = folder.appending(path: names[0]).appending(path: "input_0.pb")
    let bytes = try ByteBuffer.open(path: file.path)
    #expect(try ONNXDecoder.decodeTensor(bytes).tensor.count > 0)
    for count in 0..<bytes.count {
      #expect(throws: ONNXError.self) { try ONNXDecoder.decodeTensor(bytes.slice(offset: 0, count: count)!) }
    }
  }
}
