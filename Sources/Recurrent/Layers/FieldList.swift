package import Tensors

/// What a layer says of itself, as a list: for whoever compares layers or shows them.
///
/// A loop's body is none of it: its layers are compared one by one.
package struct FieldList: FieldWriter {
  package enum Value: Equatable {
    case integer(Int)
    case real(Double?)
    case flag(Bool)
    case text(String)
    case tensor(Tensor?)
    case activation(Activation)
  }

  /// Under the keys of `.rnnw`; those of a part behind its name, as in `forward.inputWeight`.
  package private(set) var fields: [(key: String, value: Value)] = []
  private var parts: [String] = []

  private mutating func add(_ key: String, _ value: Value) {
    fields.append(((parts + [key]).joined(separator: "."), value))
  }

  package mutating func integer(_ key: String, _ value: Int) { add(key, .integer(value)) }
  package mutating func real(_ key: String, _ value: Double?) { add(key, .real(value)) }
  package mutating func flag(_ key: String, _ value: Bool) { add(key, .flag(value)) }
  package mutating func text(_ key: String, _ value: String) { add(key, .text(value)) }
  package mutating func tensor(_ key: String, _ value: Tensor?) { add(key, .tensor(value)) }
  package mutating func activation(_ key: String, _ value: Activation) { add(key, .activation(value)) }
  package mutating func begin(_ key: String, part name: String) { parts.append(name) }
  package mutating func end() { parts.removeLast() }
  package mutating func loop(_ value: Generate) {}
}

extension Layer.Operation {
  /// Everything that the layer holds.
  package var fields: [(key: String, value: FieldList.Value)] {
    var list = FieldList()
    kind.write(to: &list)
    return list.fields
  }

  /// What of it counts for what it computes.
  package var identity: [(key: String, value: FieldList.Value)] {
    var list = FieldList()
    kind.identify(to: &list)
    return list.fields
  }
}
