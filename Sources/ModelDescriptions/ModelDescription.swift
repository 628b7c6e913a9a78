public import ByteIO
public import Recurrent
public import Tensors

/// A model in words: `.model.json`, specified in docs/building.md and schemas/model-description.schema.json.
public struct ModelDescription: Sendable {
  /// The file that holds the weights, beside the description; nil where every array is written out.
  public let weightsFile: String?
  private let root: JSONValue

  public init(parsing bytes: ByteBuffer, limits: Limits = .standard) throws(DescriptionError) {
    do { root = try JSONValue(parsing: bytes, limits: limits) } catch { throw .json(error) }
    var object = try DescriptionNode(root, path: "").object { object throws(DescriptionError) in
      defer { object.consumeAll() }
      return object
    }
    weightsFile = try object.text("weights")
  }

  /// Builds the model.
  ///
  /// - Parameters:
  ///   - weights: the arrays that the description names.
  ///   - source: what messages call the file of the weights.
  public func model(weights: [String: Tensor], from source: String) throws(DescriptionError) -> Model {
    try DescriptionNode(root, path: "").object { object throws(DescriptionError) in
      _ = object.optional("weights")
      let version = try object.required("rnnconv_description")
      guard try version.integer() == 1 else { throw version.wrong("only version 1 is known") }
      let order = try object.optional("matrices")?.word(["out,in", "in,out"])
      var builder = DescriptionBuilder(
        weights: weights, source: source, outputsFirst: order.map { $0 == "out,in" })
      let name = try object.text("name") ?? ""
      let inputs = try object.required("inputs").list().map { node throws(DescriptionError) in
        try builder.input(node)
      }
      for node in try object.required("layers").list() { try builder.add(node) }
      let outputs = try object.required("outputs").list().map { node throws(DescriptionError) in
        try builder.output(node)
      }
      let metadata = try object.optional("metadata")?.object { object throws(DescriptionError) in
        try object.texts()
      }
      builder.dropUnread(keeping: outputs.map(\.value))
      let model = Model(
        name: name, inputs: inputs, outputs: outputs, layers: builder.layers, metadata: metadata ?? [:])
      do throws(ModelError) { try model.validated() } catch {
        throw DescriptionError.model(path: "the model", error)
      }
      return model
    }
  }
}

extension DescriptionObject {
  fileprivate mutating func texts() throws(DescriptionError) -> [String: String] {
    var result: [String: String] = [:]
    for (key, node) in consumeAll() { result[key] = try node.text() }
    return result
  }
}

extension DescriptionBuilder {
  mutating func input(_ node: DescriptionNode) throws(DescriptionError) -> Model.Port {
    let port = try node.object { object throws(DescriptionError) in
      let name = try object.required("name").text()
      let type = try Self.type(object.optional("type"), standard: .float32)
      let shape = try object.required("shape")
      let (axes, hasTime, features) = try Self.axes(shape)
      if !type.isFloat, features != 1 { throw shape.wrong("integers have no features, only batch and time") }
      let kind: ValueKind =
        type.isFloat
        ? (hasTime ? .sequence(features: features) : .vector(features: features))
        : (hasTime ? .tokens : .indices)
      return Model.Port(name: name, value: name, elementType: type, kind: kind, axes: axes)
    }
    guard kinds.updateValue(port.kind, forKey: port.value) == nil else {
      throw node.wrong("the value '\(port.value)' is made twice")
    }
    return port
  }

  /// `shape` is optional: `[time, batch, features]` without it, as far as the value has them.
  func output(_ node: DescriptionNode) throws(DescriptionError) -> Model.Port {
    try node.object { object throws(DescriptionError) in
      let name = try object.required("name").text()
      let value = try object.text("value") ?? name
      guard let kind = kinds[value] else { throw node.wrong("no layer makes the value '\(value)'") }
      let type = try Self.type(object.optional("type"), standard: kind.isInteger ? .int64 : .float32)
      let axes: [PortAxis]
      if let shape = object.optional("shape") {
        axes = try Self.axes(shape).axes
      } else {
        let time = kind.hasTime ? [PortAxis([.time], symbol: "time")] : []
        let features = [PortAxis([.features(stride: 1, count: kind.features)])]
        axes = time + [PortAxis([.batch], symbol: "batch")] + (kind.isInteger ? [] : features)
      }
      return Model.Port(name: name, value: value, elementType: type, kind: kind, axes: axes)
    }
  }

  private static func type(
    _ node: DescriptionNode?, standard: ElementType
  ) throws(DescriptionError) -> ElementType {
    guard let node else { return standard }
    let known = ElementType.allCases.filter { $0 != .bool }.map(\.rawValue)
    return ElementType(rawValue: try node.word(known)) ?? standard
  }

  /// `["time", "batch", 3]`: the numbers are the features.
  private static func axes(
    _ node: DescriptionNode
  ) throws(DescriptionError) -> (axes: [PortAxis], hasTime: Bool, features: Int) {
    var (stride, hasTime) = (1, false)
    var axes: [PortAxis] = []
    for axis in try node.list().reversed() {
      switch axis.value {
      case "batch": axes.insert(PortAxis([.batch], symbol: "batch"), at: 0)
      case "time":
        hasTime = true
        axes.insert(PortAxis([.time], symbol: "time"), at: 0)
      case .integer(let count) where (1...Int64(Int32.max)).contains(count):
        axes.insert(PortAxis([.features(stride: stride, count: Int(count))]), at: 0)
        guard let product = checkedProduct([stride, Int(count)]) else {
          throw axis.wrong("too many features")
        }
        stride = product
      default: throw axis.wrong("an axis is \"time\", \"batch\" or a number of features")
      }
    }
    return (axes, hasTime, stride)
  }
}
