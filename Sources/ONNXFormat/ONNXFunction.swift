/// An operator that a model defines itself, as nodes of other operators.
public struct ONNXFunction: Sendable, Equatable {
  /// By which nodes call it.
  public struct Name: Sendable, Hashable, CustomStringConvertible {
    public var domain: String
    public var name: String

    public init(domain: String, name: String) { (self.domain, self.name) = (domain, name) }

    public var description: String { domain.isEmpty ? name : "\(domain).\(name)" }
  }

  public var name: Name
  public var inputs: [String]
  public var outputs: [String]
  /// Attributes of a call that its nodes may refer to; nil for those without a default.
  public var attributes: [String: ONNXAttribute?]
  /// They see the inputs, and nothing of the graph that calls.
  public var nodes: [ONNXNode]
  /// Operator set version by domain, of its own nodes.
  public var opsets: [String: Int64]

  public init(
    _ name: Name, inputs: [String], outputs: [String], attributes: [String: ONNXAttribute?] = [:],
    nodes: [ONNXNode], opsets: [String: Int64] = [:]
  ) {
    self.name = name
    self.inputs = inputs
    self.outputs = outputs
    self.attributes = attributes
    self.nodes = nodes
    self.opsets = opsets
  }
}

extension ONNXNode {
  /// What it calls, where the model defines that.
  var function: ONNXFunction.Name { ONNXFunction.Name(domain: domain, name: operation) }
}

extension ONNXModel {
  /// The functions by name.
  var functionsByName: [ONNXFunction.Name: ONNXFunction] {
    Dictionary(functions.map { ($0.name, $0) }) { first, _ in first }
  }
}
