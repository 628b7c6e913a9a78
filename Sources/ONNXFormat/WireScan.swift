internal import ByteIO

/// Walks a serialized ModelProto with an explicit stack before libprotobuf-c unpacks it.
///
/// libprotobuf-c recurses for each nested message and overflows the stack at a few hundred (512 KiB thread) or
/// thousand levels; this scan refuses such files first, and bounds the number of nodes. Its strings end at the first
/// NUL, so that two names could become one; the scan refuses texts that hold one.
enum WireScan {
  /// The messages that nest or hold text; every other length-delimited field is skipped whole.
  private enum Message {
    case model, graph, node, attribute, function, valueInfo, type, tensorType, typeHolder, shape, dimension
    case tensor, sparseTensor, entry, opset

    /// The nested message in field `number`, if any. Numbers are those of schemas/onnx.proto.
    func nested(_ number: UInt64) -> Message? {
      switch (self, number) {
      case (.model, 7), (.attribute, 6), (.attribute, 11): .graph
      case (.model, 25): .function
      case (.model, 8), (.function, 9): .opset
      case (.graph, 1), (.function, 7): .node
      case (.graph, 11), (.graph, 12), (.graph, 13): .valueInfo
      case (.node, 5), (.function, 11): .attribute
      case (.graph, 5), (.attribute, 5), (.attribute, 10), (.sparseTensor, 1), (.sparseTensor, 2): .tensor
      case (.graph, 15): .sparseTensor
      case (.model, 14), (.graph, 16), (.node, 9), (.valueInfo, 4), (.tensor, 13), (.tensor, 16): .entry
      case (.valueInfo, 2): .type
      case (.type, 1): .tensorType
      case (.tensorType, 2): .shape
      case (.shape, 1): .dimension
      // Sequence and optional types hold a type again.
      case (.type, 4), (.type, 9): .typeHolder
      case (.typeHolder, 1): .type
      default: nil
      }
    }

    /// Whether field `number` is a string, which libprotobuf-c hands out up to its first NUL.
    func isText(_ number: UInt64) -> Bool {
      let fields: Set<UInt64> =
        switch self {
        case .model: [2, 3, 4, 6]
        case .graph: [2, 10]
        case .node: [1, 2, 3, 4, 6, 7, 8]
        case .attribute: [1, 13, 21]
        case .function: [1, 4, 5, 6, 8, 10]
        case .valueInfo: [1, 3]
        case .type: [6]
        case .dimension: [2, 3]
        case .tensor: [8, 12]
        case .entry: [1, 2]
        case .opset: [1]
        case .tensorType, .typeHolder, .shape, .sparseTensor: []
        }
      return fields.contains(number)
    }
  }

  /// Throws where the wire format is broken, messages nest deeper than allowed, or there is too much of something.
  static func check(_ bytes: ByteBuffer, limits: Limits) throws(ONNXError) {
    // A graph level takes three messages: graph, node, attribute. The innermost holds tensors and types.
    let maximumDepth = 3 * limits.nesting + 8
    var nodes = 0
    var tensors = 0
    var failure: ONNXError?
    bytes.withUnsafeBytes { raw in
      var stack: [(message: Message, end: Int)] = [(.model, raw.count)]
      var offset = 0
      while let (message, end) = stack.last {
        if offset == end {
          stack.removeLast()
          continue
        }
        let start = offset
        func fail(_ reason: String) { failure = .notProtobuf(ParseError(offset: start, reason: reason)) }
        guard let key = varint(raw, &offset, end) else { return fail("a field's key is cut off or too long") }
        guard key >> 3 != 0 else { return fail("field number 0") }
        switch key & 7 {
        case 0: guard varint(raw, &offset, end) != nil else { return fail("a varint is cut off or too long") }
        case 1:
          guard end - offset >= 8 else { return fail("a 64-bit field is cut off") }
          offset += 8
        case 5:
          guard end - offset >= 4 else { return fail("a 32-bit field is cut off") }
          offset += 4
        case 2:
          guard let length = varint(raw, &offset, end), length <= UInt64(end - offset) else {
            return fail("field \(key >> 3) is longer than the message that holds it")
          }
          guard let nested = message.nested(key >> 3) else {
            if message.isText(key >> 3) {
              if length > UInt64(limits.stringBytes) {
                failure = .textTooLong(offset: start, limit: limits.stringBytes)
                return
              }
              if raw[offset..<(offset + Int(length))].contains(0) {
                failure = .nulInText(offset: start)
                return
              }
            }
            offset += Int(length)
            continue
          }
          if nested == .node {
            nodes += 1
            if nodes > limits.nodes {
              failure = .tooManyNodes(limit: limits.nodes)
              return
            }
          }
          if nested == .tensor {
            tensors += 1
            if tensors > limits.tensors {
              failure = .tooManyTensors(limit: limits.tensors)
              return
            }
          }
          stack.append((nested, offset + Int(length)))
          if stack.count > maximumDepth {
            failure = .tooDeep(limit: limits.nesting, offset: start)
            return
          }
        default: return fail("wire type \(key & 7)")
        }
      }
    }
    if let failure { throw failure }
  }

  /// Whether every field at the top is one of ModelProto's. A file that ends inside a field may still be one, cut short.
  static func looksLikeModel(_ bytes: ByteBuffer) -> Bool {
    let varints: Set<UInt64> = [1, 5]
    // 20: training_info, which we do not read.
    let lengths: Set<UInt64> = [2, 3, 4, 6, 7, 8, 14, 20, 25, 26]
    return bytes.withUnsafeBytes { raw in
      var offset = 0
      while offset < raw.count {
        guard let key = varint(raw, &offset, raw.count) else { return false }
        switch (key & 7, key >> 3) {
        case (0, let field) where varints.contains(field):
          guard varint(raw, &offset, raw.count) != nil else { return offset == raw.count }
        case (2, let field) where lengths.contains(field):
          guard let length = varint(raw, &offset, raw.count) else { return offset == raw.count }
          guard length <= UInt64(raw.count - offset) else { return true }
          offset += Int(length)
        default: return false
        }
      }
      return raw.count > 0
    }
  }

  /// A base-128 varint of at most ten bytes.
  private static func varint(_ raw: UnsafeRawBufferPointer, _ offset: inout Int, _ end: Int) -> UInt64? {
    var value: UInt64 = 0
    var shift: UInt64 = 0
    while offset < end, shift < 70 {
      let byte = raw[offset]
      offset += 1
      value |= UInt64(byte & 0x7F) << shift
      if byte & 0x80 == 0 { return value }
      shift += 7
    }
    return nil
  }
}
