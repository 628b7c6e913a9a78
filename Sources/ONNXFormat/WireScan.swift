internal import ByteIO

/// Walks a serialized ModelProto with an explicit stack before libprotobuf-c unpacks it.
///
/// libprotobuf-c recurses for each nested message and overflows the stack at a few hundred (512 KiB thread) or
/// thousand levels; this scan refuses such files first, and bounds the number of nodes. Its strings end at the first
/// NUL, so that two names could become one; the scan refuses texts that hold one. And it copies all that it unpacks; the
/// scan leaves the weights out, where they are in the file.
struct WireScan {
  /// The message, but for the `raw_data` of tensors: each is its position in `weights`, as eight bytes.
  let skeleton: ByteBuffer
  /// The contents of `raw_data`: windows onto the message, but for short ones, which are copies.
  let weights: [ByteBuffer]

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

  private static let rawData: UInt64 = 9
  /// Below a page a window saves nothing: shapes and axes are read by every import.
  private static let windowBytes = 4096

  /// A message that is being walked.
  private struct Frame {
    let message: Message
    /// Where its length stands.
    let length: Range<Int>
    let end: Int
    /// How many bytes it is shorter in the skeleton.
    var lost = 0
  }

  /// What stands in the skeleton instead of ranges of the file.
  private struct Cuts {
    private var list: [(range: Range<Int>, bytes: [UInt8])] = []

    /// The length and content of a field; says how many bytes are lost by that.
    mutating func replace(_ field: Range<Int>, byPosition position: Int) -> Int {
      let bytes = withUnsafeBytes(of: UInt64(position).littleEndian) { [UInt8($0.count)] + $0 }
      list.append((field, bytes))
      return field.count - bytes.count
    }

    /// The length of a message that has lost bytes; says how many are lost in all.
    mutating func shorten(_ frame: Frame) -> Int {
      if frame.lost == 0 { return 0 }
      let bytes = protobufVarint(UInt64(frame.end - frame.length.upperBound - frame.lost))
      list.append((frame.length, bytes))
      return frame.lost + frame.length.count - bytes.count
    }

    func applied(to bytes: ByteBuffer, releasing: Bool) -> ByteBuffer {
      if list.isEmpty { return bytes }
      var skeleton = ByteWriter()
      var end = 0
      func keep(_ range: Range<Int>) {
        let kept = bytes.slice(offset: range.lowerBound, count: range.count)!
        skeleton.append(kept)
        if releasing { kept.releasePages() }
      }
      for (range, replacement) in list.sorted(by: { $0.range.lowerBound < $1.range.lowerBound }) {
        keep(end..<range.lowerBound)
        skeleton.append(replacement)
        end = range.upperBound
      }
      keep(end..<bytes.count)
      return ByteBuffer(skeleton.bytes)
    }
  }

  /// Throws where the wire format is broken, messages nest deeper than allowed, or there is too much of something.
  init(_ bytes: ByteBuffer, limits: Limits) throws(ONNXError) {
    // A graph level takes three messages: graph, node, attribute. The innermost holds tensors and types.
    let maximumDepth = 3 * limits.nesting + 8
    // Where the system keeps a file in large pages, a look at what stands between two weights maps megabytes of them.
    let keepsLittle = bytes.count >= 16 << 20
    var nodes = 0
    var tensors = 0
    var failure: ONNXError?
    var cuts = Cuts()
    var weights: [ByteBuffer] = []
    bytes.withUnsafeBytes { raw in
      var stack = [Frame(message: .model, length: 0..<0, end: raw.count)]
      var offset = 0
      while let frame = stack.last {
        let (message, end) = (frame.message, frame.end)
        if offset == end {
          stack.removeLast()
          if !stack.isEmpty { stack[stack.count - 1].lost += cuts.shorten(frame) }
          continue
        }
        let start = offset
        func fail(_ reason: String) { failure = .notProtobuf(ParseError(offset: start, reason: reason)) }
        guard let key = Self.varint(raw, &offset, end) else {
          return fail("a field's key is cut off or too long")
        }
        guard key >> 3 != 0 else { return fail("field number 0") }
        switch key & 7 {
        case 0:
          guard Self.varint(raw, &offset, end) != nil else { return fail("a varint is cut off or too long") }
        case 1:
          guard end - offset >= 8 else { return fail("a 64-bit field is cut off") }
          offset += 8
        case 5:
          guard end - offset >= 4 else { return fail("a 32-bit field is cut off") }
          offset += 4
        case 2:
          let lengthStart = offset
          guard let length = Self.varint(raw, &offset, end), length <= UInt64(end - offset) else {
            return fail("field \(key >> 3) is longer than the message that holds it")
          }
          if message == .tensor, key >> 3 == Self.rawData {
            let field = lengthStart..<(offset + Int(length))
            stack[stack.count - 1].lost += cuts.replace(field, byPosition: weights.count)
            let content = bytes.slice(offset: offset, count: Int(length))!
            weights.append(content.count < Self.windowBytes ? ByteBuffer(content.array) : content)
            if keepsLittle { content.releasePages() }
            offset = field.upperBound
            continue
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
          stack.append(Frame(message: nested, length: lengthStart..<offset, end: offset + Int(length)))
          if stack.count > maximumDepth {
            failure = .tooDeep(limit: limits.nesting, offset: start)
            return
          }
        default: return fail("wire type \(key & 7)")
        }
      }
    }
    if let failure { throw failure }
    self.weights = weights
    skeleton = cuts.applied(to: bytes, releasing: keepsLittle)
  }

  /// Whether every field at the top is one of ModelProto's. A file that ends inside a field may still be one, cut short.
  static func looksLikeModel(_ bytes: ByteBuffer) -> Bool {
    let varints: Set<UInt64> = [1, 5]
    // 20: training_info, which we do not read.
    let lengths: Set<UInt64> = [2, 3, 4, 6, 7, 8, 14, 20, 25, 26]
    return bytes.withUnsafeBytes { raw in
      var offset = 0
      while offset < raw.count {
        guard let key = Self.varint(raw, &offset, raw.count) else { return false }
        switch (key & 7, key >> 3) {
        case (0, let field) where varints.contains(field):
          guard Self.varint(raw, &offset, raw.count) != nil else { return offset == raw.count }
        case (2, let field) where lengths.contains(field):
          guard let length = Self.varint(raw, &offset, raw.count) else { return offset == raw.count }
          guard length <= UInt64(raw.count - offset) else { return true }
          offset += Int(length)
        default: return false
        }
      }
      return raw.count > 0
    }
  }

  /// A base-128 varint of at most ten bytes.
  static func varint(_ raw: UnsafeRawBufferPointer, _ offset: inout Int, _ end: Int) -> UInt64? {
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

/// A number as protobuf writes it, in base 128.
func protobufVarint(_ number: UInt64) -> [UInt8] {
  var bytes: [UInt8] = []
  var rest = number
  while rest >= 0x80 {
    bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
    rest >>= 7
  }
  return bytes + [UInt8(rest)]
}
