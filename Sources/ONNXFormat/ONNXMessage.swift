internal import ByteIO
internal import COnnx
internal import CProtobufC
internal import Tensors

/// The C boundary, reading side: owns what libprotobuf-c unpacked and copies it into Swift values, but for weights, which
/// stay windows onto the file.
struct ONNXMessage: ~Copyable {
  private let model: UnsafeMutablePointer<Onnx__ModelProto>
  private let weights: [ByteBuffer]

  init(_ bytes: ByteBuffer, limits: Limits) throws(ONNXError) {
    let scan = try WireScan(bytes, limits: limits)
    let unpacked = scan.skeleton.withUnsafeBytes {
      onnx__model_proto__unpack(nil, $0.count, $0.bindMemory(to: UInt8.self).baseAddress)
    }
    guard let unpacked else {
      throw .notProtobuf(ParseError(offset: 0, reason: "libprotobuf-c cannot unpack it as a ModelProto"))
    }
    model = unpacked
    weights = scan.weights
  }

  deinit { onnx__model_proto__free_unpacked(model, nil) }

  /// Everything, as Swift values. `folder` resolves external data.
  func model(folder: ExternalData) throws(ONNXError) -> ONNXModel {
    let message = model.pointee
    let opsets = try self.opsets(message.opset_import, message.n_opset_import)
    var functions: [ONNXFunction] = []
    var names: Set<ONNXFunction.Name> = []
    for function in pointers(message.functions, message.n_functions) {
      functions.append(try self.function(function.pointee, folder))
      let name = functions[functions.count - 1].name
      guard names.insert(name).inserted else { throw .twoFunctions(name.description) }
    }
    guard let graph = message.graph else { throw .noGraph }
    return ONNXModel(
      irVersion: message.ir_version,
      producer: try text(message.producer_name, "producer_name"),
      producerVersion: try text(message.producer_version, "producer_version"),
      domain: try text(message.domain, "domain"),
      modelVersion: message.model_version,
      documentation: try text(message.doc_string, "doc_string"),
      opsets: opsets,
      graph: try self.graph(graph.pointee, folder, isInner: false), functions: functions,
      metadata: try entries(message.metadata_props, message.n_metadata_props))
  }

  private func opsets(
    _ list: UnsafeMutablePointer<UnsafeMutablePointer<Onnx__OperatorSetIdProto>?>?, _ count: Int
  ) throws(ONNXError) -> [String: Int64] {
    var opsets: [String: Int64] = [:]
    for entry in pointers(list, count) {
      let key = try domain(entry.pointee.domain, "an opset's domain")
      if let known = opsets.updateValue(entry.pointee.version, forKey: key), known != entry.pointee.version {
        throw .twoOpsets(domain: key, known, entry.pointee.version)
      }
    }
    return opsets
  }

  /// ONNX's own operators have two names for their domain.
  private func domain(_ pointer: UnsafeMutablePointer<CChar>?, _ what: String) throws(ONNXError) -> String {
    let domain = try text(pointer, what)
    return domain == "ai.onnx" ? "" : domain
  }

  private func function(
    _ message: Onnx__FunctionProto, _ folder: ExternalData
  ) throws(ONNXError) -> ONNXFunction {
    let name = ONNXFunction.Name(
      domain: try domain(message.domain, "a function's domain"),
      name: try text(message.name, "a function's name"))
    var function = ONNXFunction(
      name, inputs: [], outputs: [], nodes: [],
      opsets: try opsets(message.opset_import, message.n_opset_import))
    for position in 0..<message.n_input {
      function.inputs.append(try text(message.input[position], "a function's input"))
    }
    for position in 0..<message.n_output {
      function.outputs.append(try text(message.output[position], "a function's output"))
    }
    for position in 0..<message.n_attribute {
      function.attributes[try text(message.attribute[position], "a function's attribute")] = .some(nil)
    }
    for attribute in pointers(message.attribute_proto, message.n_attribute_proto) {
      let key = try text(attribute.pointee.name, "a function's attribute")
      function.attributes[key] = try self.attribute(attribute.pointee, key, "function \(name)", folder)
    }
    for (index, node) in pointers(message.node, message.n_node).enumerated() {
      function.nodes.append(try self.node(node.pointee, index, folder))
    }
    return function
  }

  private func graph(
    _ message: Onnx__GraphProto, _ folder: ExternalData, isInner: Bool = true
  ) throws(ONNXError) -> ONNXGraph {
    if message.n_sparse_initializer > 0 {
      let name = message.sparse_initializer[0]?.pointee.values?.pointee.name
      throw .sparseInitializer(try text(name, "a sparse initializer's name"))
    }
    var graph = ONNXGraph(name: try text(message.name, "the graph's name"))
    for tensor in pointers(message.initializer, message.n_initializer) {
      let name = try text(tensor.pointee.name, "an initializer's name")
      graph.initializers.append(.init(name, try self.tensor(tensor.pointee, name, folder)))
    }
    for input in pointers(message.input, message.n_input) {
      graph.inputs.append(try valueInfo(input.pointee, isInner))
    }
    for output in pointers(message.output, message.n_output) {
      graph.outputs.append(try valueInfo(output.pointee, isInner))
    }
    for (index, node) in pointers(message.node, message.n_node).enumerated() {
      graph.nodes.append(try self.node(node.pointee, index, folder))
    }
    return graph
  }

  private func node(
    _ message: Onnx__NodeProto, _ index: Int, _ folder: ExternalData
  ) throws(ONNXError) -> ONNXNode {
    var node = ONNXNode(
      try text(message.op_type, "a node's op_type"), name: try text(message.name, "a node's name"),
      domain: try domain(message.domain, "a node's domain"), inputs: [], outputs: [], index: index)
    if let overload = message.overload, overload.pointee != 0 {
      throw .twoFunctions("\(node.function), overload '\(try text(overload, "a node's overload"))'")
    }
    node.metadata = try entries(message.metadata_props, message.n_metadata_props)
    for position in 0..<message.n_input {
      node.inputs.append(try text(message.input[position], "an input's name"))
    }
    for position in 0..<message.n_output {
      node.outputs.append(try text(message.output[position], "an output's name"))
    }
    for attribute in pointers(message.attribute, message.n_attribute) {
      let name = try text(attribute.pointee.name, "an attribute's name")
      guard node.attributes[name] == nil else {
        throw .unsupportedAttribute(node: node.label, attribute: name, reason: "it is given twice")
      }
      node.attributes[name] = try self.attribute(attribute.pointee, name, node.label, folder)
    }
    return node
  }

  private func attribute(
    _ message: Onnx__AttributeProto, _ name: String, _ node: String, _ folder: ExternalData
  ) throws(ONNXError) -> ONNXAttribute {
    func refuse(_ reason: String) -> ONNXError {
      .unsupportedAttribute(node: node, attribute: name, reason: reason)
    }
    if let reference = message.ref_attr_name, reference.pointee != 0 {
      return .reference(
        try text(reference, "attribute '\(name)'"), type: Int32(bitPattern: message.type.rawValue))
    }
    switch kind(of: message) {
    case ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__FLOAT: return .float(message.f)
    case ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INT: return .int(message.i)
    case ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__STRING:
      return .string(try text(message.s, "attribute '\(name)'"))
    case ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__TENSOR:
      guard let tensor = message.t else { throw refuse("it holds no tensor") }
      return .tensor(try self.tensor(tensor.pointee, name, folder))
    case ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__GRAPH:
      guard let graph = message.g else { throw refuse("it holds no graph") }
      return .graph(try self.graph(graph.pointee, folder))
    case ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__FLOATS:
      return .floats(Array(UnsafeBufferPointer(start: message.floats, count: message.n_floats)))
    case ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INTS:
      return .ints(Array(UnsafeBufferPointer(start: message.ints, count: message.n_ints)))
    case ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__STRINGS:
      var strings: [String] = []
      for position in 0..<message.n_strings {
        strings.append(try text(message.strings[position], "attribute '\(name)'"))
      }
      return .strings(strings)
    default: throw refuse("an attribute of this type is not supported")
    }
  }

  /// IR versions before 3 left `type` out: the field that is there tells.
  private func kind(of message: Onnx__AttributeProto) -> Onnx__AttributeProto__AttributeType {
    if message.has_type != 0 { return message.type }
    if message.has_f != 0 { return ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__FLOAT }
    if message.has_i != 0 { return ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INT }
    if message.has_s != 0 { return ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__STRING }
    if message.t != nil { return ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__TENSOR }
    if message.g != nil { return ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__GRAPH }
    if message.n_floats > 0 { return ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__FLOATS }
    if message.n_ints > 0 { return ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INTS }
    if message.n_strings > 0 { return ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__STRINGS }
    return ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__UNDEFINED
  }

  private func valueInfo(
    _ message: Onnx__ValueInfoProto, _ isInner: Bool
  ) throws(ONNXError) -> ONNXValueInfo {
    var info = ONNXValueInfo(try text(message.name, "a graph input's or output's name"), nil, nil)
    guard let type = message.type?.pointee else { return info }
    guard type.value_case == ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE, let tensor = type.tensor_type?.pointee
    else {
      // Between nodes there may be sequences.
      if isInner || type.value_case == ONNX__TYPE_PROTO__VALUE__NOT_SET { return info }
      throw .graphInput(info.name, reason: "only tensors are supported, not sequences or optionals")
    }
    info.elementType = ONNXDataType.elementType(tensor.elem_type)
    guard let shape = tensor.shape?.pointee else { return info }
    var dimensions: [ONNXValueInfo.Dimension] = []
    for dimension in pointers(shape.dim, shape.n_dim) {
      switch dimension.pointee.value_case {
      case ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_VALUE:
        let size = dimension.pointee.dim_value
        // Some exporters write -1 or 0 for a size that is open.
        dimensions.append(size > 0 ? .fixed(Int(size)) : .unknown)
      case ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_PARAM:
        let symbol = try text(dimension.pointee.dim_param, "a dimension's name")
        dimensions.append(symbol.isEmpty ? .unknown : .symbol(symbol))
      default: dimensions.append(.unknown)
      }
    }
    info.shape = dimensions
    return info
  }

  /// What the graph states of values between its nodes; of those that are no tensors nothing.
  func valueInfos() throws(ONNXError) -> [ONNXValueInfo] {
    guard let graph = model.pointee.graph?.pointee else { throw .noGraph }
    var infos: [ONNXValueInfo] = []
    for info in pointers(graph.value_info, graph.n_value_info) {
      if let known = try? valueInfo(info.pointee, false) { infos.append(known) }
    }
    return infos
  }

  private func entries(
    _ list: UnsafeMutablePointer<UnsafeMutablePointer<Onnx__StringStringEntryProto>?>?, _ count: Int
  ) throws(ONNXError) -> [String: String] {
    var result: [String: String] = [:]
    for entry in pointers(list, count) {
      result[try text(entry.pointee.key, "a metadata key")] = try text(
        entry.pointee.value, "a metadata value")
    }
    return result
  }

  // MARK: Tensors

  private func tensor(
    _ message: Onnx__TensorProto, _ name: String, _ folder: ExternalData
  ) throws(ONNXError) -> Tensor {
    func refuse(_ reason: String) -> ONNXError { .tensor(name, reason: reason) }
    guard let type = ONNXDataType.elementType(message.data_type) else {
      throw refuse("data type \(message.data_type) is not supported")
    }
    guard message.segment == nil else { throw refuse("segmented tensors are not supported") }
    var shape: [Int] = []
    for axis in 0..<message.n_dims {
      guard let size = Int(exactly: message.dims[axis]), size >= 0 else {
        throw refuse("dimension \(message.dims[axis])")
      }
      shape.append(size)
    }
    guard let byteCount = checkedProduct(shape + [type.size]) else {
      throw refuse("shape \(shape) is too large")
    }
    let filled =
      [
        message.n_float_data, message.n_int32_data, message.n_int64_data, message.n_double_data,
        message.n_uint64_data, message.n_string_data,
      ].filter { $0 > 0 }.count + (message.has_raw_data == 0 ? 0 : 1)
    guard filled <= 1 else {
      throw refuse("its values are given twice: in raw_data, float_data or another field of its kind")
    }
    let bytes: ByteBuffer
    if message.has_data_location != 0, message.data_location == ONNX__TENSOR_PROTO__DATA_LOCATION__EXTERNAL {
      let fields = try entries(message.external_data, message.n_external_data)
      bytes = try folder.bytes(fields, byteCount: byteCount, tensor: name)
    } else if message.has_raw_data != 0 {
      guard let weight = weight(message.raw_data) else { throw refuse("its raw_data cannot be found") }
      guard weight.count == byteCount else {
        throw refuse(
          "shape \(shape) of \(type.rawValue) takes \(byteCount) bytes, raw_data has \(weight.count)")
      }
      bytes = weight
    } else {
      bytes = try typedField(message, type, count: byteCount / type.size, name)
    }
    do { return try Tensor(type, shape: shape, bytes: bytes) } catch { throw refuse(error.description) }
  }

  /// What the skeleton names by its position.
  private func weight(_ place: ProtobufCBinaryData) -> ByteBuffer? {
    guard place.len == 8 else { return nil }
    let position = UInt64(littleEndian: UnsafeRawPointer(place.data).loadUnaligned(as: UInt64.self))
    return position < weights.count ? weights[Int(position)] : nil
  }

  /// The values of the typed field that holds this element type (TensorProto's own table).
  private func typedField(
    _ message: Onnx__TensorProto, _ type: ElementType, count: Int, _ name: String
  ) throws(ONNXError) -> ByteBuffer {
    func check(_ found: Int, _ field: String) throws(ONNXError) {
      guard found == count else {
        throw .tensor(name, reason: "its shape takes \(count) values, \(field) has \(found)")
      }
    }
    func narrowed<Raw: FixedWidthInteger & BitwiseCopyable>(_ raw: Raw.Type) throws(ONNXError) -> ByteBuffer {
      try check(message.n_int32_data, "int32_data")
      var values: [Raw] = []
      for position in 0..<count {
        guard let value = Raw(exactly: message.int32_data[position]) else {
          throw .tensor(name, reason: "\(message.int32_data[position]) does not fit \(type.rawValue)")
        }
        values.append(value)
      }
      return values.withUnsafeBytes { ByteBuffer($0) }
    }
    switch type {
    case .float32:
      try check(message.n_float_data, "float_data")
      return ByteBuffer(UnsafeRawBufferPointer(start: message.float_data, count: count * 4))
    case .float64:
      try check(message.n_double_data, "double_data")
      return ByteBuffer(UnsafeRawBufferPointer(start: message.double_data, count: count * 8))
    case .int64:
      try check(message.n_int64_data, "int64_data")
      return ByteBuffer(UnsafeRawBufferPointer(start: message.int64_data, count: count * 8))
    case .uint64:
      try check(message.n_uint64_data, "uint64_data")
      return ByteBuffer(UnsafeRawBufferPointer(start: message.uint64_data, count: count * 8))
    case .uint32:
      try check(message.n_uint64_data, "uint64_data")
      var values: [UInt32] = []
      for position in 0..<count {
        guard let value = UInt32(exactly: message.uint64_data[position]) else {
          throw .tensor(name, reason: "\(message.uint64_data[position]) does not fit U32")
        }
        values.append(value)
      }
      return values.withUnsafeBytes { ByteBuffer($0) }
    case .int32: return try narrowed(Int32.self)
    case .int16: return try narrowed(Int16.self)
    case .int8: return try narrowed(Int8.self)
    // float16 and bfloat16 bit patterns are stored as integers.
    case .uint16, .float16, .bfloat16: return try narrowed(UInt16.self)
    case .uint8, .bool: return try narrowed(UInt8.self)
    }
  }

  // MARK: C values

  private func pointers<Message>(
    _ list: UnsafeMutablePointer<UnsafeMutablePointer<Message>?>?, _ count: Int
  ) -> [UnsafeMutablePointer<Message>] {
    (0..<count).compactMap { list?[$0] }
  }

  /// Optional strings of protobuf-c point to a shared empty string or are nil when absent.
  private func text(_ pointer: UnsafeMutablePointer<CChar>?, _ what: String) throws(ONNXError) -> String {
    guard let pointer else { return "" }
    guard let text = String(validatingCString: pointer) else { throw .invalidText(what: what) }
    return text
  }

  private func text(_ data: ProtobufCBinaryData, _ what: String) throws(ONNXError) -> String {
    let bytes = UnsafeBufferPointer(start: data.data, count: data.len)
    guard let text = String(validating: bytes, as: UTF8.self) else { throw .invalidText(what: what) }
    return text
  }
}
