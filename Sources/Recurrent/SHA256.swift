public import ByteIO
internal import Crypto

/// SHA-256 of the bytes, in lower-case hexadecimal.
public func sha256(of bytes: ByteBuffer) -> String {
  var hash = SHA256()
  for chunk in bytes.chunks { chunk.withUnsafeBytes { hash.update(bufferPointer: $0) } }
  return Fingerprint(bytes: Array(hash.finalize())).description
}
