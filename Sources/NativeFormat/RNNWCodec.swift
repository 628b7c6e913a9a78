internal import ByteIO

/// Byte k of element i moves to k·n + i: the exponents of neighbouring weights come together and compress.
func folded(_ bytes: ByteBuffer, elementSize: Int) throws(DeflateError) -> ByteBuffer {
  try deflate(transposed(bytes, rows: bytes.count / elementSize, columns: elementSize), framing: .zlib)
}

/// The inverse of `folded`: exactly `length` bytes, or an error.
func unfolded(
  _ stored: ByteBuffer, length: Int, elementSize: Int, limits: Limits
) throws(DeflateError) -> ByteBuffer {
  let planes = try inflate(stored, length: length, framing: .zlib, limits: limits)
  return transposed(planes, rows: elementSize, columns: length / elementSize)
}

/// A matrix of bytes `[rows, columns]` as `[columns, rows]`.
private func transposed(_ bytes: ByteBuffer, rows: Int, columns: Int) -> ByteBuffer {
  if rows <= 1 || columns <= 1 { return bytes }
  return ByteBuffer(byteCount: bytes.count) { target in
    bytes.withUnsafeBytes { source in
      for row in 0..<rows {
        for column in 0..<columns { target[column * rows + row] = source[row * columns + column] }
      }
    }
  }
}
