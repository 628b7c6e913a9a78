import Recurrent
import Tensors

@testable import ONNXFormat

extension ONNXModel {
  /// With nodes behind its first output: `x` is what they read, `y` what the model then gives under that output's name.
  func followed(by nodes: [ONNXNode], _ constants: [String: Tensor]) -> ONNXModel {
    var file = self
    let last = graph.outputs[0].name
    for index in file.graph.nodes.indices {
      file.graph.nodes[index].outputs = file.graph.nodes[index].outputs.map { $0 == last ? "behind" : $0 }
    }
    file.graph.nodes += nodes.map { node in
      var node = node
      node.inputs = node.inputs.map { $0 == "x" ? "behind" : $0 }
      node.outputs = node.outputs.map { $0 == "y" ? last : $0 }
      return node
    }
    file.graph.initializers += constants.map { ONNXGraph.Initializer($0.key, $0.value) }
    return file
  }
}

/// A node named like its operator.
func node(
  _ operation: String, _ inputs: [String], _ output: String = "y", _ attributes: [String: ONNXAttribute] = [:]
) -> ONNXNode {
  ONNXNode(operation, name: operation, inputs: inputs, outputs: [output], attributes: attributes)
}
