public import Tensors

/// An ONNX model as the file states it, in Swift values: what the importer and the evaluator both start from.
public struct ONNXModel: Sendable, Equatable {
  public var irVersion: Int64
  public var producer: String
  public var producerVersion: String
  public var domain: String
  public var modelVersion: Int64
  public var documentation: String
  /// Operator set version by domain; the default domain is `""`.
  public var opsets: [String: Int64]
  public var graph: ONNXGraph
  /// Operators that the model defines itself.
  public var functions: [ONNXFunction]
  public var metadata: [String: String]

  public init(
    irVersion: Int64, producer: String = "", producerVersion: String = "", domain: String = "",
    modelVersion: Int64 = 0, documentation: String = "", opsets: [String: Int64], graph: ONNXGraph,
    functions: [ONNXFunction] = [], metadata: [String: String] = [:]
  ) {
    self.irVersion = irVersion
    self.producer = producer
    self.producerVersion = producerVersion
    self.domain = domain
    self.modelVersion = modelVersion
    self.documentation = documentation
    self.opsets = opsets
    self.graph = graph
    self.functions = functions
    self.metadata = metadata
  }

  /// The version of the default operator set; 1 where the file imports none of it.
  public var opset: Int64 { opsets[""] ?? 1 }
}

public struct ONNXGraph: Sendable, Equatable {
  public var name: String
  public var nodes: [ONNXNode]
  public var initializers: [Initializer]
  public var inputs: [ONNXValueInfo]
  public var outputs: [ONNXValueInfo]

  public struct Initializer: Sendable, Equatable {
    public var name: String
    public var tensor: Tensor

    public init(_ name: String, _ tensor: Tensor) {
      self.name = name
      self.tensor = tensor
    }
  }

  public init(
    name: String, nodes: [ONNXNode] = [], initializers: [Initializer] = [], inputs: [ONNXValueInfo] = [],
    outputs: [ONNXValueInfo] = []
  ) {
    self.name = name
    self.nodes = nodes
    self.initializers = initializers
    self.inputs = inputs
    self.outputs = outputs
  }
}

public struct ONNXNode: Sendable, Equatable {
  public var name: String
  public var operation: String
  /// `""` for ONNX's own operators.
  public var domain: String
  /// `""` for an optional input left out.
  public var inputs: [String]
  public var outputs: [String]
  public var attributes: [String: ONNXAttribute]
  /// Position in its graph; names nodes that have no name.
  public var index: Int
  /// The opset that it is of, where that is not the model's: a function has its own.
  var opset: Int64?
  /// What an exporter says of where the node comes from; nothing is computed with it.
  public var metadata: [String: String] = [:]

  public init(
    _ operation: String, name: String = "", domain: String = "", inputs: [String], outputs: [String],
    attributes: [String: ONNXAttribute] = [:], index: Int = 0
  ) {
    self.name = name
    self.operation = operation
    self.domain = domain
    self.inputs = inputs
    self.outputs = outputs
    self.attributes = attributes
    self.index = index
  }

  /// How messages name the node: `'lstm_1' (LSTM)`.
  public var label: String { name.isEmpty ? "#\(index) (\(operation))" : "'\(name)' (\(operation))" }
}

public enum ONNXAttribute: Sendable, Equatable {
  case float(Float)
  case int(Int64)
  case string(String)
  case tensor(Tensor)
  indirect case graph(ONNXGraph)
  case floats([Float])
  case ints([Int64])
  case strings([String])
  /// In a function: the value of the call's attribute of this name, of that AttributeProto.AttributeType.
  case reference(String, type: Int32)
}

/// The name, element type and shape of a graph's input or output.
public struct ONNXValueInfo: Sendable, Equatable {
  public var name: String
  /// Nil where the file states no tensor type.
  public var elementType: ElementType?
  /// Nil where the file states no rank.
  public var shape: [Dimension]?

  public enum Dimension: Sendable, Equatable {
    case fixed(Int)
    case symbol(String)
    case unknown
  }

  public init(_ name: String, _ elementType: ElementType?, _ shape: [Dimension]?) {
    self.name = name
    self.elementType = elementType
    self.shape = shape
  }
}

extension ONNXValueInfo {
  /// What a size that the file leaves open goes by: its symbol, and the input's name with the axis.
  package func sizeNames(_ axis: Int) -> [String] {
    switch shape?[axis] {
    case .symbol(let name): [name, "\(self.name):\(axis)"]
    case .unknown: ["\(name):\(axis)"]
    case .fixed, nil: []
    }
  }
}

extension ONNXGraph {
  /// What open sizes of its inputs go by.
  public var inputSizeNames: Set<String> {
    Set(inputs.flatMap { info in (info.shape ?? []).indices.flatMap { info.sizeNames($0) } })
  }
}

/// TensorProto.DataType, by number.
enum ONNXDataType {
  static let table: [(code: Int32, type: ElementType)] = [
    (1, .float32), (2, .uint8), (3, .int8), (4, .uint16), (5, .int16), (6, .int32), (7, .int64), (9, .bool),
    (10, .float16), (11, .float64), (12, .uint32), (13, .uint64), (16, .bfloat16),
  ]

  static func elementType(_ code: Int32) -> ElementType? { table.first { $0.code == code }?.type }
  static func code(_ type: ElementType) -> Int32 { table.first { $0.type == type }!.code }
}
