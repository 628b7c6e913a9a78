package import ByteIO

#if canImport(CryptoKit)
  internal import CryptoKit
#else
  internal import CCrypto
#endif

/// SHA-256 of the bytes, in lower-case hexadecimal.
package func sha256(of bytes: ByteBuffer) -> String {
  var hash = HashInPieces()
  hash.update(bytes)
  return Fingerprint(bytes: hash.finalize()).description
}

/// SHA-256 (FIPS 180-4) of bytes that come piece by piece, by the system's library: OpenSSL's libcrypto, or CryptoKit on Apple's.
struct HashInPieces {
  #if canImport(CryptoKit)
    private var state = SHA256()

    mutating func update(_ bytes: UnsafeRawBufferPointer) { state.update(bufferPointer: bytes) }

    func finalize() -> [UInt8] { Array(state.finalize()) }
  #else
    private var state = SHA256_CTX()

    init() { SHA256_Init(&state) }

    mutating func update(_ bytes: UnsafeRawBufferPointer) {
      // Safe: as many bytes as it says lie behind the pointer.
      SHA256_Update(&state, bytes.baseAddress, bytes.count)
    }

    func finalize() -> [UInt8] {
      var state = state
      return [UInt8](unsafeUninitializedCapacity: Int(SHA256_DIGEST_LENGTH)) { digest, count in
        SHA256_Final(digest.baseAddress, &state)
        count = Int(SHA256_DIGEST_LENGTH)
      }
    }
  #endif

  /// Joins nothing, and keeps little of large mapped files in memory.
  mutating func update(_ bytes: ByteBuffer) {
    for piece in bytes.pieces(of: 1 << 20) {
      piece.withUnsafeBytes { update($0) }
      if bytes.isLarge { piece.releasePages() }
    }
  }
}
