public import Tensors

/// A tensor of a layer, by its role.
public struct NamedTensor: Sendable, Equatable {
  /// The layer's name.
  public let layer: String
  /// Such as `forward.inputWeight` or `table`.
  public let role: String
  /// The tensor as the layer holds it.
  public let tensor: Tensor
}

extension Layer.Operation {
  /// Every tensor with its role, in canonical order.
  public var tensors: [(role: String, tensor: Tensor)] {
    var collected = TensorCollection()
    kind.write(to: &collected)
    return collected.tensors
  }

  /// The operation with each of its tensors replaced.
  public func mapTensors(_ transform: (Tensor) -> Tensor) -> Layer.Operation {
    var kind = kind
    kind.mapTensors(transform)
    return kind.operation
  }
}

/// Takes the tensors alone.
private struct TensorCollection: FieldWriter {
  var tensors: [(role: String, tensor: Tensor)] = []
  private var parts: [String] = []

  init() {}

  mutating func tensor(_ key: String, _ value: Tensor?) {
    guard let value else { return }
    tensors.append(((parts + [key]).joined(separator: "."), value))
  }

  mutating func begin(_ key: String, part name: String) { parts.append(name) }
  mutating func end() { parts.removeLast() }

  mutating func loop(_ value: Generate) {
    for layer in value.body {
      tensors += layer.operation.tensors.map { ("\(layer.name).\($0.role)", $0.tensor) }
    }
  }

  func integer(_ key: String, _ value: Int) {}
  func real(_ key: String, _ value: Double?) {}
  func flag(_ key: String, _ value: Bool) {}
  func text(_ key: String, _ value: String) {}
  func activation(_ key: String, _ value: Activation) {}
}

extension Model {
  /// Every tensor of every layer, in order.
  public var tensors: [NamedTensor] {
    layers.flatMap { layer in
      layer.operation.tensors.map { NamedTensor(layer: layer.name, role: $0.role, tensor: $0.tensor) }
    }
  }

  /// How many numbers all tensors hold.
  public var parameterCount: Int { tensors.reduce(0) { $0 + $1.tensor.count } }
}
