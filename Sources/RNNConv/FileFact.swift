internal import ONNXFormat

/// Something that a file says of itself beside its model.
public struct FileFact: Sendable, Equatable {
  /// A word, such as `opset`.
  public let name: String
  /// What it says, such as `17`.
  public let value: String
}

extension ONNXModel {
  var facts: [FileFact] {
    let operators = graph.operatorCounts
    let counts = operators.map { "\($0.count) \($0.name)" }
    let domains = opsets.sorted { $0.key < $1.key }.map {
      $0.key.isEmpty ? "\($0.value)" : "\($0.key) \($0.value)"
    }
    let made = [producer, producerVersion].filter { !$0.isEmpty }.joined(separator: " ")
    return [
      FileFact(name: "opset", value: domains.joined(separator: ", ")),
      FileFact(name: "ir version", value: "\(irVersion)"),
      FileFact(
        name: "nodes",
        value: "\(operators.reduce(0) { $0 + $1.count }.grouped)"
          + (counts.isEmpty ? "" : ": \(counts.joined(separator: ", "))")),
    ] + (made.isEmpty ? [] : [FileFact(name: "made by", value: made)])
  }
}

extension ONNXGraph {
  /// Its operators, and those of the graphs inside, the most frequent first.
  var operatorCounts: [(name: String, count: Int)] {
    var operators: [String: Int] = [:]
    count(into: &operators)
    return operators.sorted { ($1.value, $0.key) < ($0.value, $1.key) }.map { ($0.key, $0.value) }
  }

  /// Its operators, and those of the graphs inside, by how often there are.
  fileprivate func count(into operators: inout [String: Int]) {
    for node in nodes {
      operators[node.domain.isEmpty ? node.operation : "\(node.domain).\(node.operation)", default: 0] += 1
      for case .graph(let inner) in node.attributes.values { inner.count(into: &operators) }
    }
  }

  /// Its constants by name, then those of the graphs inside.
  var storedTensors: [StoredTensor] {
    initializers.map { StoredTensor($0.name, $0.tensor) }
      + nodes.flatMap { node in
        node.attributes.sorted { $0.key < $1.key }.flatMap { name, attribute -> [StoredTensor] in
          switch attribute {
          case .tensor(let tensor): [StoredTensor(node.outputs.first ?? name, tensor)]
          case .graph(let inner): inner.storedTensors
          default: []
          }
        }
      }
  }
}

extension BinaryInteger {
  /// `1,234,567`
  package var grouped: String {
    let digits = magnitude.description
    let groups = digits.enumerated().map { index, digit in
      index > 0 && (digits.count - index) % 3 == 0 ? ",\(digit)" : "\(digit)"
    }
    return (self < 0 ? "-" : "") + groups.joined()
  }
}
