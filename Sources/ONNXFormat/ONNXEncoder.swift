public import ByteIO
internal import COnnx
internal import CProtobufC
internal import Tensors

/// Writing ONNX files: `ONNXModel` to a serialized ModelProto, through libprotobuf-c.
public enum ONNXEncoder {
  /// What a model becomes: the ModelProto, and the content of its external data file if it has one.
  public struct Encoded: Sendable {
    /// Its chunks are windows onto the tensors, with what stands between them.
    public let model: ByteBuffer
    public let externalData: [ByteBuffer]
  }

  /// - Parameter externalData: the name of a file beside the model that shall hold all initializers of 1 KiB and
  ///   more; nil to keep them in the model.
  /// - Throws: `ONNXError.tooLarge` where the ModelProto would pass protobuf's 2 GiB.
  public static func encode(_ model: ONNXModel, externalData: String? = nil) throws(ONNXError) -> Encoded {
    let arena = MessageArena(externalData: externalData)
    let message = arena.model(model)
    let size = onnx__model_proto__get_packed_size(message)
    guard size <= Int(Int32.max) else { throw .tooLarge(bytes: size) }
    return Encoded(model: arena.packed(message), externalData: arena.external)
  }
}

/// Takes what libprotobuf-c packs, piece by piece.
private final class PackedChunks {
  private(set) var chunks: [ByteBuffer] = []
  private var small = ByteWriter()
  /// Tensors by the addresses that the messages give for their bytes.
  private let tensors: [UnsafeRawPointer: ByteBuffer]

  /// What libprotobuf-c knows as its buffer.
  private struct Target {
    var buffer: ProtobufCBuffer
    let chunks: Unmanaged<PackedChunks>
  }

  init(_ message: UnsafePointer<Onnx__ModelProto>, tensors: [UnsafeRawPointer: ByteBuffer]) {
    self.tensors = tensors
    var target = Target(
      buffer: ProtobufCBuffer { buffer, count, bytes in
        // Safe: the buffer is the first member of the target below, which is there until packing is done.
        let target = UnsafeRawPointer(buffer!).assumingMemoryBound(to: Target.self)
        target.pointee.chunks.takeUnretainedValue().append(UnsafeRawPointer(bytes), count)
      }, chunks: Unmanaged.passUnretained(self))
    withUnsafeMutablePointer(to: &target) { target in
      _ = onnx__model_proto__pack_to_buffer(
        message, UnsafeMutableRawPointer(target).assumingMemoryBound(to: ProtobufCBuffer.self))
    }
    flush()
  }

  private func append(_ bytes: UnsafeRawPointer?, _ count: Int) {
    guard let bytes else { return }
    if let tensor = tensors[bytes] {
      flush()
      chunks.append(tensor)
    } else {
      small.append(UnsafeRawBufferPointer(start: bytes, count: count))
    }
  }

  private func flush() {
    if !small.bytes.isEmpty { chunks.append(ByteBuffer(small.bytes)) }
    small = ByteWriter()
  }
}

/// The C boundary, writing side: builds protobuf-c messages in memory that lives as long as the arena.
private final class MessageArena {
  private var blocks: [UnsafeMutableRawPointer] = []
  /// Tensors by an address that stands for their bytes: packing passes it on and reads nothing there.
  private var tensors: [UnsafeRawPointer: ByteBuffer] = [:]
  private let externalName: String?
  /// What goes to the external file, in order, with its padding.
  private(set) var external: [ByteBuffer] = []
  private var externalSize = 0

  init(externalData: String?) { externalName = externalData }

  deinit { for block in blocks { block.deallocate() } }

  func packed(_ message: UnsafePointer<Onnx__ModelProto>) -> ByteBuffer {
    ByteBuffer(joining: PackedChunks(message, tensors: tensors).chunks)
  }

  private func new<Message>(_ value: Message) -> UnsafeMutablePointer<Message> {
    let pointer = UnsafeMutablePointer<Message>.allocate(capacity: 1)
    pointer.initialize(to: value)
    blocks.append(UnsafeMutableRawPointer(pointer))
    return pointer
  }

  private func list<Element>(_ elements: [Element]) -> UnsafeMutablePointer<Element> {
    let pointer = UnsafeMutablePointer<Element>.allocate(capacity: max(1, elements.count))
    pointer.initialize(from: elements, count: elements.count)
    blocks.append(UnsafeMutableRawPointer(pointer))
    return pointer
  }

  private func pointers<Message>(
    _ messages: [UnsafeMutablePointer<Message>]
  ) -> UnsafeMutablePointer<UnsafeMutablePointer<Message>?> {
    list(messages.map { Optional($0) })
  }

  private func text(_ string: String) -> UnsafeMutablePointer<CChar> {
    list(Array(string.utf8CString))
  }

  /// Nil leaves an optional field out.
  private func optional(_ string: String) -> UnsafeMutablePointer<CChar>? {
    string.isEmpty ? nil : text(string)
  }

  private func binary(_ string: String) -> ProtobufCBinaryData {
    let bytes = Array(string.utf8)
    return ProtobufCBinaryData(len: bytes.count, data: list(bytes))
  }

  private func entries(_ values: [String: String]) -> [UnsafeMutablePointer<Onnx__StringStringEntryProto>] {
    values.sorted { $0.key < $1.key }.map { key, value in
      var entry = Onnx__StringStringEntryProto()
      onnx__string_string_entry_proto__init(&entry)
      entry.key = text(key)
      entry.value = text(value)
      return new(entry)
    }
  }

  func model(_ model: ONNXModel) -> UnsafeMutablePointer<Onnx__ModelProto> {
    var message = Onnx__ModelProto()
    onnx__model_proto__init(&message)
    message.has_ir_version = 1
    message.ir_version = model.irVersion
    message.producer_name = optional(model.producer)
    message.producer_version = optional(model.producerVersion)
    message.domain = optional(model.domain)
    message.has_model_version = model.modelVersion == 0 ? 0 : 1
    message.model_version = model.modelVersion
    message.doc_string = optional(model.documentation)
    message.graph = graph(model.graph)
    let opsets = self.opsets(model.opsets)
    message.n_opset_import = opsets.count
    message.opset_import = pointers(opsets)
    let functions = model.functions.map(function)
    message.n_functions = functions.count
    message.functions = pointers(functions)
    let metadata = entries(model.metadata)
    message.n_metadata_props = metadata.count
    message.metadata_props = pointers(metadata)
    return new(message)
  }

  private func opsets(_ opsets: [String: Int64]) -> [UnsafeMutablePointer<Onnx__OperatorSetIdProto>] {
    opsets.sorted { $0.key < $1.key }.map { domain, version in
      var entry = Onnx__OperatorSetIdProto()
      onnx__operator_set_id_proto__init(&entry)
      entry.domain = text(domain)
      entry.has_version = 1
      entry.version = version
      return new(entry)
    }
  }

  private func function(_ function: ONNXFunction) -> UnsafeMutablePointer<Onnx__FunctionProto> {
    var message = Onnx__FunctionProto()
    onnx__function_proto__init(&message)
    message.name = text(function.name.name)
    message.domain = text(function.name.domain)
    message.n_input = function.inputs.count
    message.input = list(function.inputs.map { Optional(text($0)) })
    message.n_output = function.outputs.count
    message.output = list(function.outputs.map { Optional(text($0)) })
    let attributes = function.attributes.sorted { $0.key < $1.key }
    let required = attributes.filter { $0.value == nil }
    message.n_attribute = required.count
    message.attribute = list(required.map { Optional(text($0.key)) })
    let defaults = attributes.compactMap { name, value in value.map { attribute(name, $0) } }
    message.n_attribute_proto = defaults.count
    message.attribute_proto = pointers(defaults)
    let nodes = function.nodes.map(node)
    message.n_node = nodes.count
    message.node = pointers(nodes)
    let opsets = opsets(function.opsets)
    message.n_opset_import = opsets.count
    message.opset_import = pointers(opsets)
    return new(message)
  }

  private func graph(_ graph: ONNXGraph) -> UnsafeMutablePointer<Onnx__GraphProto> {
    var message = Onnx__GraphProto()
    onnx__graph_proto__init(&message)
    message.name = text(graph.name.isEmpty ? "model" : graph.name)
    let nodes = graph.nodes.map(node)
    message.n_node = nodes.count
    message.node = pointers(nodes)
    let tensors = graph.initializers.map { tensor($0.tensor, name: $0.name) }
    message.n_initializer = tensors.count
    message.initializer = pointers(tensors)
    let inputs = graph.inputs.map(valueInfo)
    message.n_input = inputs.count
    message.input = pointers(inputs)
    let outputs = graph.outputs.map(valueInfo)
    message.n_output = outputs.count
    message.output = pointers(outputs)
    return new(message)
  }

  private func node(_ node: ONNXNode) -> UnsafeMutablePointer<Onnx__NodeProto> {
    var message = Onnx__NodeProto()
    onnx__node_proto__init(&message)
    message.n_input = node.inputs.count
    message.input = list(node.inputs.map { Optional(text($0)) })
    message.n_output = node.outputs.count
    message.output = list(node.outputs.map { Optional(text($0)) })
    message.name = optional(node.name)
    message.op_type = text(node.operation)
    message.domain = optional(node.domain)
    let attributes = node.attributes.sorted { $0.key < $1.key }.map { attribute($0.key, $0.value) }
    message.n_attribute = attributes.count
    message.attribute = pointers(attributes)
    if !node.metadata.isEmpty {
      let metadata = entries(node.metadata)
      message.n_metadata_props = metadata.count
      message.metadata_props = pointers(metadata)
    }
    return new(message)
  }

  private func attribute(_ name: String, _ value: ONNXAttribute) -> UnsafeMutablePointer<Onnx__AttributeProto>
  {
    var message = Onnx__AttributeProto()
    onnx__attribute_proto__init(&message)
    message.name = text(name)
    message.has_type = 1
    switch value {
    case .float(let number):
      message.type = ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__FLOAT
      message.has_f = 1
      message.f = number
    case .int(let number):
      message.type = ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INT
      message.has_i = 1
      message.i = number
    case .string(let string):
      message.type = ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__STRING
      message.has_s = 1
      message.s = binary(string)
    case .tensor(let value):
      message.type = ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__TENSOR
      message.t = tensor(value, name: "")
    case .graph(let value):
      message.type = ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__GRAPH
      message.g = graph(value)
    case .floats(let numbers):
      message.type = ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__FLOATS
      message.n_floats = numbers.count
      message.floats = list(numbers)
    case .ints(let numbers):
      message.type = ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INTS
      message.n_ints = numbers.count
      message.ints = list(numbers)
    case .strings(let strings):
      message.type = ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__STRINGS
      message.n_strings = strings.count
      message.strings = list(strings.map(binary))
    case .reference(let name, let type):
      message.type = Onnx__AttributeProto__AttributeType(rawValue: UInt32(bitPattern: type))
      message.ref_attr_name = text(name)
    }
    return new(message)
  }

  private func tensor(_ tensor: Tensor, name: String) -> UnsafeMutablePointer<Onnx__TensorProto> {
    var message = Onnx__TensorProto()
    onnx__tensor_proto__init(&message)
    message.name = optional(name)
    message.n_dims = tensor.shape.count
    message.dims = list(tensor.shape.map { Int64($0) })
    message.has_data_type = 1
    message.data_type = ONNXDataType.code(tensor.elementType)
    if let externalName, !name.isEmpty, tensor.bytes.count >= 1024 {
      let offset = (externalSize + 4095) / 4096 * 4096  // page-aligned, so that readers can map each tensor
      if offset > externalSize { external.append(ByteBuffer(byteCount: offset - externalSize) { _ in }) }
      external.append(tensor.bytes)
      externalSize = offset + tensor.bytes.count
      let place = entries([
        "location": externalName, "offset": String(offset), "length": String(tensor.bytes.count),
      ])
      message.n_external_data = place.count
      message.external_data = pointers(place)
      message.has_data_location = 1
      message.data_location = ONNX__TENSOR_PROTO__DATA_LOCATION__EXTERNAL
      return new(message)
    }
    message.has_raw_data = 1
    let token = list([0 as UInt8])
    tensors[UnsafeRawPointer(token)] = tensor.bytes
    message.raw_data = ProtobufCBinaryData(len: tensor.bytes.count, data: token)
    return new(message)
  }

  private func valueInfo(_ info: ONNXValueInfo) -> UnsafeMutablePointer<Onnx__ValueInfoProto> {
    var message = Onnx__ValueInfoProto()
    onnx__value_info_proto__init(&message)
    message.name = text(info.name)
    if let elementType = info.elementType {
      var tensor = Onnx__TypeProto__Tensor()
      onnx__type_proto__tensor__init(&tensor)
      tensor.has_elem_type = 1
      tensor.elem_type = ONNXDataType.code(elementType)
      if let sizes = info.shape {
        var shape = Onnx__TensorShapeProto()
        onnx__tensor_shape_proto__init(&shape)
        let dimensions = sizes.map(dimension)
        shape.n_dim = dimensions.count
        shape.dim = pointers(dimensions)
        tensor.shape = new(shape)
      }
      var type = Onnx__TypeProto()
      onnx__type_proto__init(&type)
      type.value_case = ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE
      type.tensor_type = new(tensor)
      message.type = new(type)
    }
    return new(message)
  }

  private func dimension(
    _ size: ONNXValueInfo.Dimension
  ) -> UnsafeMutablePointer<Onnx__TensorShapeProto__Dimension> {
    var message = Onnx__TensorShapeProto__Dimension()
    onnx__tensor_shape_proto__dimension__init(&message)
    switch size {
    case .fixed(let number):
      message.value_case = ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_VALUE
      message.dim_value = Int64(number)
    case .symbol(let name):
      message.value_case = ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_PARAM
      message.dim_param = text(name)
    case .unknown: break
    }
    return new(message)
  }
}
