internal import CZlib

/// The two framings of deflate that files use.
public enum DeflateFraming: Sendable {
  /// RFC 1950: with a zlib header and an Adler-32.
  case zlib
  /// RFC 1951: bare, as zip members are.
  case raw

  fileprivate var windowBits: Int32 {
    switch self {
    case .zlib: 15
    case .raw: -15
    }
  }
}

public enum DeflateError: Error, Equatable, CustomStringConvertible {
  case outOfMemory
  case corrupt
  case wrongLength(expected: Int)
  case trailingBytes(Int)
  case overLimit(Int)
  case overRatio(Int)

  public var description: String {
    switch self {
    case .outOfMemory: "zlib could not allocate its state"
    case .corrupt: "the deflate stream is corrupt"
    case .wrongLength(let expected): "the deflate stream does not unfold to \(expected) bytes as declared"
    case .trailingBytes(let count): "\(count) bytes follow the end of the deflate stream"
    case .overLimit(let limit): "the declared length is more than the limit of \(limit) bytes"
    case .overRatio(let ratio): "the declared length is more than \(ratio) times the compressed bytes"
    }
  }
}

/// Unfolds exactly `length` bytes; anything shorter, longer or with bytes left over is an error.
public func inflate(
  _ source: ByteBuffer, length: Int, framing: DeflateFraming, limits: Limits = .standard
) throws(DeflateError) -> ByteBuffer {
  guard length >= 0 else { throw .wrongLength(expected: length) }
  guard length <= limits.inflatedBytes else { throw .overLimit(limits.inflatedBytes) }
  guard length / limits.inflationRatio <= source.count else { throw .overRatio(limits.inflationRatio) }
  var failure: DeflateError?
  // Safe: where `inflate` returns no failure it wrote all `length` bytes; otherwise nobody sees the memory.
  let result = ByteBuffer(unsafeUninitializedByteCount: length) { target in
    failure = source.withUnsafeBytes { inflate($0, into: target, framing: framing) }
  }
  if let failure { throw failure }
  return result
}

private func inflate(
  _ source: UnsafeRawBufferPointer, into target: UnsafeMutableRawBufferPointer, framing: DeflateFraming
) -> DeflateError? {
  var stream = z_stream()
  guard inflateInit2_(&stream, framing.windowBits, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size)) == Z_OK
  else { return .outOfMemory }
  defer { inflateEnd(&stream) }

  let input = UnsafeMutableRawBufferPointer(mutating: source).bindMemory(to: UInt8.self)
  let output = target.bindMemory(to: UInt8.self)
  // A byte past the end: a stream that wants to write it is longer than declared.
  var spare: UInt8 = 0
  var read = 0
  var wrote = 0
  while true {
    let inputCount = min(input.count - read, 1 << 30)
    stream.next_in = input.baseAddress.map { $0 + read }
    stream.avail_in = UInt32(inputCount)
    let outputCount = min(output.count - wrote, 1 << 30)
    let full = outputCount == 0
    let status = withUnsafeMutablePointer(to: &spare) { spare in
      stream.next_out = full ? spare : output.baseAddress! + wrote
      stream.avail_out = full ? 1 : UInt32(outputCount)
      return CZlib.inflate(&stream, Z_NO_FLUSH)
    }
    read += inputCount - Int(stream.avail_in)
    let produced = (full ? 1 : outputCount) - Int(stream.avail_out)
    if full && produced > 0 { return .wrongLength(expected: output.count) }
    wrote += produced
    switch status {
    case Z_STREAM_END:
      if wrote != output.count { return .wrongLength(expected: output.count) }
      return read == input.count ? nil : .trailingBytes(input.count - read)
    case Z_OK:
      if produced == 0 && Int(stream.avail_in) == inputCount { return .corrupt }
    case Z_MEM_ERROR: return .outOfMemory
    default: return .corrupt
    }
  }
}

/// Compresses deterministically: same bytes and level, same result for one zlib version.
public func deflate(_ source: ByteBuffer, framing: DeflateFraming, level: Int32 = 6) throws(DeflateError)
  -> ByteBuffer
{
  var stream = z_stream()
  guard
    deflateInit2_(
      &stream, level, Z_DEFLATED, framing.windowBits, 8, Z_DEFAULT_STRATEGY, ZLIB_VERSION,
      Int32(MemoryLayout<z_stream>.size)) == Z_OK
  else { throw .outOfMemory }
  defer { deflateEnd(&stream) }
  let result: [UInt8]? = source.withUnsafeBytes { source in
    let input = UnsafeMutableRawBufferPointer(mutating: source).bindMemory(to: UInt8.self)
    var result: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 1 << 16)
    var read = 0
    while true {
      let inputCount = min(input.count - read, 1 << 30)
      let last = read + inputCount == input.count
      stream.next_in = input.baseAddress.map { $0 + read }
      stream.avail_in = UInt32(inputCount)
      let status = chunk.withUnsafeMutableBufferPointer { chunk in
        stream.next_out = chunk.baseAddress
        stream.avail_out = UInt32(chunk.count)
        return CZlib.deflate(&stream, last ? Z_FINISH : Z_NO_FLUSH)
      }
      read += inputCount - Int(stream.avail_in)
      result.append(contentsOf: chunk[0..<(chunk.count - Int(stream.avail_out))])
      if status == Z_STREAM_END { return result }
      if status != Z_OK && status != Z_BUF_ERROR { return nil }
    }
  }
  guard let result else { throw .corrupt }
  return ByteBuffer(result)
}
