public import ByteIO

/// The few keywords of JSON Schema 2020-12 that ours uses; an unknown one is a fault.
public struct JSONSchema {
  private let root: JSONValue

  public init(_ root: JSONValue) { self.root = root }

  /// What the schema forbids in a value; empty where it allows it.
  public func faults(of value: JSONValue) -> [String] { faults(of: value, root, "") }

  private func faults(of value: JSONValue, _ schema: JSONValue, _ path: String) -> [String] {
    guard case .object(let keywords) = schema else { return schema == true ? [] : ["\(path): not allowed"] }
    return keywords.flatMap { faults(of: value, $0.key, $0.value, in: schema, path) }
  }

  private func faults(
    of value: JSONValue, _ keyword: String, _ argument: JSONValue, in schema: JSONValue, _ path: String
  ) -> [String] {
    switch keyword {
    case "$schema", "title", "description", "$defs", "patternProperties", "then", "else": return []
    case "$ref":
      guard case .string(let name) = argument else { return ["\(path): $ref"] }
      return faults(of: value, root["$defs"]![String(name.dropFirst("#/$defs/".count))]!, path)
    case "type":
      return argument.strings.contains(where: value.isOf) ? [] : ["\(path): not \(argument.strings)"]
    case "enum": return argument.elements.contains(value) ? [] : ["\(path): not in \(argument.elements)"]
    case "required": return argument.strings.filter { value[$0] == nil }.map { "\(path): \($0) is missing" }
    case "properties":
      return value.members.flatMap { member in
        argument[member.key].map { faults(of: member.value, $0, "\(path).\(member.key)") } ?? []
      }
    case "additionalProperties":
      let pattern = schema["patternProperties"]?.members.first?.key.dropFirst()
      return value.members.filter { member in
        schema["properties"]?[member.key] == nil && !(pattern.map { member.key.hasPrefix($0) } ?? false)
      }.flatMap { faults(of: $0.value, argument, "\(path).\($0.key)") }
    case "items":
      return value.elements.enumerated().flatMap { faults(of: $1, argument, "\(path)[\($0)]") }
    case "minimum", "maximum":
      // Only numbers have a size.
      guard let number = value.asNumber else { return [] }
      guard let bound = argument.asNumber else { return ["\(path): \(keyword)"] }
      return (keyword == "minimum" ? number >= bound : number <= bound) ? [] : ["\(path): \(number)"]
    case "oneOf":
      let branches = argument.elements.map { faults(of: value, $0, path) }
      return branches.filter(\.isEmpty).count == 1
        ? [] : ["\(path): fits not one branch"] + branches.flatMap { $0 }
    case "if":
      let branch = faults(of: value, argument, path).isEmpty ? "then" : "else"
      return faults(of: value, schema[branch] ?? true, path)
    default: return ["unknown keyword \(keyword)"]
    }
  }
}

extension JSONValue {
  fileprivate var asNumber: Double? {
    switch self {
    case .integer(let value): Double(value)
    case .number(let value): value
    default: nil
    }
  }

  fileprivate var elements: [JSONValue] { if case .array(let elements) = self { elements } else { [] } }
  fileprivate var members: [JSONMember] { if case .object(let members) = self { members } else { [] } }
  fileprivate var strings: [String] {
    switch self {
    case .string(let text): [text]
    case .array(let elements): elements.flatMap(\.strings)
    default: []
    }
  }

  fileprivate func isOf(_ type: String) -> Bool {
    switch self {
    case .null: type == "null"
    case .bool: type == "boolean"
    case .integer: type == "integer" || type == "number"
    case .number: type == "number"
    case .string: type == "string"
    case .array: type == "array"
    case .object: type == "object"
    }
  }
}
