internal import Tensors

/// A recurrent model, whatever format it came from: named inputs and outputs, and layers wired by value names.
public struct Model: Sendable, Equatable {
  /// What the source calls the model; may be empty. Not part of its fingerprint.
  public var name: String
  /// What goes in, each under a name of its own.
  public var inputs: [Port]
  /// What comes out, each under a name of its own.
  public var outputs: [Port]
  /// Each layer follows those whose outputs it reads.
  public var layers: [Layer]
  /// What the source said beyond the model itself; not part of its fingerprint.
  public var metadata: [String: String]

  /// A model of these layers; nothing is checked before `validated()`.
  public init(
    name: String = "", inputs: [Port], outputs: [Port], layers: [Layer], metadata: [String: String] = [:]
  ) {
    self.name = name
    self.inputs = inputs
    self.outputs = outputs
    self.layers = layers
    self.metadata = metadata
  }
}

extension Model: CustomStringConvertible {
  /// A line for the ports, and one for each layer.
  public var description: String {
    func ports(_ ports: [Port]) -> String {
      ports.map { "\($0.name) (\($0.kind))" }.joined(separator: ", ")
    }
    func values(_ names: [String?]) -> String { names.map { $0 ?? "–" }.joined(separator: ", ") }
    let lines = layers.map {
      "  \($0.name): \($0.operation.name), \(values($0.inputs)) → \(values($0.outputs))"
    }
    return (["\(name.isEmpty ? "model" : name): \(ports(inputs)) → \(ports(outputs))"] + lines)
      .joined(separator: "\n")
  }
}
