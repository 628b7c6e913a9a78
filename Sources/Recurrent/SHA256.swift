public import ByteIO
internal import Crypto

/// SHA-256 of the bytes, in lower-case hexadecimal.
public func sha256(of bytes: ByteBuffer) -> String {
  var hash = SHA256()
  hash.update(bytes)
  return Fingerprint(bytes: Array(hash.finalize())).description
}

extension SHA256 {
  /// Joins nothing, and keeps little of large mapped files in memory.
  mutating func update(_ bytes: ByteBuffer) {
    for piece in bytes.pieces(of: 1 << 20) {
      piece.withUnsafeBytes { update(bufferPointer: $0) }
      if bytes.isLarge { piece.releasePages() }
    }
  }
}
