internal import CZlib
internal import Glibc

/// CRC-32 (ISO 3309, as in zip and PNG) through zlib; large buffers are spread over the cores.
public func crc32(_ buffer: ByteBuffer, continuing previous: UInt32 = 0) -> UInt32 {
  let parts = min(buffer.count / ChecksumPart.minimumBytes, sysconf(Int32(_SC_NPROCESSORS_ONLN)))
  guard parts > 1 else { return serialChecksum(buffer, continuing: previous) }
  let size = (buffer.count + parts - 1) / parts
  let first = buffer.slice(offset: 0, count: size)!
  let rest = stride(from: size, to: buffer.count, by: size).map { offset in
    ChecksumPart(buffer.slice(offset: offset, count: min(size, buffer.count - offset))!)
  }
  for part in rest { part.start() }
  // The first part on this thread; the others are appended to it by the algebra of CRCs.
  return rest.reduce(serialChecksum(first, continuing: previous)) { checksum, part in
    UInt32(CZlib.crc32_combine(UInt(checksum), UInt(part.finish()), part.bytes.count))
  }
}

private func serialChecksum(_ buffer: ByteBuffer, continuing previous: UInt32) -> UInt32 {
  buffer.withUnsafeBytes {
    UInt32(CZlib.crc32_z(UInt(previous), $0.bindMemory(to: UInt8.self).baseAddress, $0.count))
  }
}

/// A part of a buffer whose CRC-32 another thread computes.
private final class ChecksumPart {
  /// Zlib takes a quarter of a millisecond for it, several times what a thread costs.
  static let minimumBytes = 1 << 20

  let bytes: ByteBuffer
  private var checksum: UInt32 = 0
  private var thread: pthread_t?

  init(_ bytes: ByteBuffer) { self.bytes = bytes }

  func start() {
    var thread = pthread_t()
    // Safe: `finish` joins the thread while the caller still holds this object, and reads only after that.
    let context = Unmanaged.passUnretained(self).toOpaque()
    let failed = pthread_create(
      &thread, nil,
      { context in
        let part = Unmanaged<ChecksumPart>.fromOpaque(context!).takeUnretainedValue()
        part.checksum = serialChecksum(part.bytes, continuing: 0)
        return nil
      }, context)
    if failed == 0 { self.thread = thread }
  }

  /// The checksum, computed here where no thread could be had.
  func finish() -> UInt32 {
    guard let thread else { return serialChecksum(bytes, continuing: 0) }
    pthread_join(thread, nil)
    return checksum
  }
}
