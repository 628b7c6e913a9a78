public import ByteIO
public import Tensors

/// Puts numbers in the place of others in a file that otherwise stays as it is, byte for byte: what no reader here knows of, such as
/// shapes of values between nodes, is kept.
public enum ONNXPatch {
  /// The file with other contents for initializers of its graph, each of the type and shape that it has there.
  ///
  /// - Returns: what to write, one chunk after another; nil where one of them stands in the file in a form that cannot be replaced in its
  ///   place (in a file beside it, or number by number), or not at all.
  public static func replacing(_ tensors: [String: Tensor], in file: ByteBuffer) -> [ByteBuffer]? {
    var cuts: [(range: Range<Int>, bytes: ByteBuffer)] = []
    var missing = Set(tensors.keys)
    var failed = false
    file.withUnsafeBytes { raw in
      let whole = Fields(raw, 0..<raw.count)
      for graph in whole.contents(7) {
        for tensor in Fields(raw, graph).contents(5) {
          let fields = Fields(raw, tensor)
          guard let name = fields.contents(8).last,
            let text = String(validating: raw[name], as: UTF8.self), let new = tensors[text]
          else { continue }
          // TensorProto: float_data 4, raw_data 9, double_data 10; packed, numbers stand there as they do in raw_data.
          let places = [9, 4, 10].flatMap { fields.contents($0) }
          guard places.count == 1, places[0].count == new.bytes.count else {
            failed = true
            continue
          }
          missing.remove(text)
          cuts.append((places[0], new.bytes))
        }
      }
    }
    guard !failed, missing.isEmpty else { return nil }
    var chunks: [ByteBuffer] = []
    var end = 0
    for (range, bytes) in cuts.sorted(by: { $0.range.lowerBound < $1.range.lowerBound }) {
      guard range.lowerBound >= end else { return nil }
      chunks += [file.slice(offset: end, count: range.lowerBound - end)!, bytes]
      end = range.upperBound
    }
    return chunks + [file.slice(offset: end, count: file.count - end)!]
  }

  /// The fields of one message that has been read before: its wire format is sound.
  private struct Fields {
    let raw: UnsafeRawBufferPointer
    let range: Range<Int>

    init(_ raw: UnsafeRawBufferPointer, _ range: Range<Int>) { (self.raw, self.range) = (raw, range) }

    /// Where the contents of all length-delimited fields of this number stand.
    func contents(_ number: UInt64) -> [Range<Int>] {
      var (offset, found) = (range.lowerBound, [Range<Int>]())
      func varint() -> UInt64? { WireScan.varint(raw, &offset, range.upperBound) }
      while offset < range.upperBound, let key = varint() {
        switch key & 7 {
        case 0: if varint() == nil { return found }
        case 1: offset += 8
        case 5: offset += 4
        case 2:
          guard let length = varint(), length <= UInt64(range.upperBound - offset) else { return found }
          if key >> 3 == number { found.append(offset..<(offset + Int(length))) }
          offset += Int(length)
        default: return found
        }
      }
      return found
    }
  }
}
