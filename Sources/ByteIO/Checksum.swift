internal import CFiles
internal import CZlib

/// CRC-32 (ISO 3309, as in zip and PNG); large buffers are spread over the cores.
public func crc32(_ buffer: ByteBuffer, continuing previous: UInt32 = 0) -> UInt32 {
  combined(previous, crc32(of: [buffer])[0], buffer.count)
}

/// The CRC-32 of each buffer, all of them together spread over the cores.
///
/// - Parameter releasing: whether the pages of mapped files leave memory again as soon as they have been read.
package func crc32(of buffers: [ByteBuffer], releasing: Bool = false) -> [UInt32] {
  // A thread costs as much as a quarter of a megabyte.
  let pieceBytes = 1 << 20
  let pieces = buffers.enumerated().flatMap { owner, buffer in
    buffer.pieces(of: pieceBytes).map { (owner: owner, bytes: $0) }
  }
  let total = pieces.reduce(0) { $0 + $1.bytes.count }
  let checksums = concurrentMap(
    pieces.count, threads: min(processorCount, total / pieceBytes)
  ) { index in
    let checksum = serialChecksum(pieces[index].bytes)
    if releasing { pieces[index].bytes.releasePages() }
    return checksum
  }
  // Each piece is appended to those before it by the algebra of CRCs.
  var results = [UInt32](repeating: 0, count: buffers.count)
  for (piece, checksum) in zip(pieces, checksums) {
    results[piece.owner] = combined(results[piece.owner], checksum, piece.bytes.count)
  }
  return results
}

private func combined(_ first: UInt32, _ second: UInt32, _ secondCount: Int) -> UInt32 {
  // Of nothing before it, or nothing behind it, there is nothing to compute.
  if first == 0 || secondCount == 0 { return first | second }
  return UInt32(CZlib.crc32_combine(UInt(first), UInt(second), secondCount))
}

/// Zlib takes 6 GB/s of a core that folds 16.
private let canFold = cf_can_fold() != 0

private func serialChecksum(_ buffer: ByteBuffer) -> UInt32 {
  buffer.withUnsafeBytes { bytes in
    let folded = canFold && bytes.count >= 64 ? bytes.count & ~15 : 0
    // Safe: the bytes are there, a multiple of 16 and at least 64 of them.
    let start = folded > 0 ? cf_crc32(0, bytes.baseAddress, folded) : 0
    let rest = UnsafeRawBufferPointer(rebasing: bytes[folded...]).bindMemory(to: UInt8.self)
    return UInt32(CZlib.crc32_z(UInt(start), rest.baseAddress, rest.count))
  }
}
