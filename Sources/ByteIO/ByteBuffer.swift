#if canImport(Glibc)
  internal import Glibc
#endif

/// Immutable bytes with shared ownership: either heap memory or a mapped file.
///
/// A value is a window onto its owner; slicing copies nothing. Everything that parses bytes takes one.
public struct ByteBuffer: Sendable {
  private let owner: Owner
  private let start: Int
  public let count: Int

  private init(owner: Owner, start: Int, count: Int) {
    self.owner = owner
    self.start = start
    self.count = count
  }

  /// Copies `bytes` to memory aligned to 64 bytes.
  public init(_ bytes: some Collection<UInt8>) {
    self.init(unsafeUninitializedByteCount: bytes.count) { $0.copyBytes(from: bytes) }
  }

  /// Copies the chunks, one after another.
  public init(joining chunks: [ByteBuffer]) {
    self.init(unsafeUninitializedByteCount: chunks.reduce(0) { $0 + $1.count }) { target in
      var offset = 0
      for chunk in chunks {
        chunk.withUnsafeBytes {
          UnsafeMutableRawBufferPointer(rebasing: target[offset...]).copyMemory(from: $0)
        }
        offset += chunk.count
      }
    }
  }

  /// Memory of `byteCount` zero bytes, aligned to 64, filled by `fill` before anybody else sees it.
  public init(byteCount: Int, filledBy fill: (UnsafeMutableRawBufferPointer) throws -> Void) rethrows {
    try self.init(unsafeUninitializedByteCount: byteCount) {
      $0.initializeMemory(as: UInt8.self, repeating: 0)
      try fill($0)
    }
  }

  /// Memory of `byteCount` bytes, aligned to 64, whose every byte `fill` must write before it returns.
  public init(
    unsafeUninitializedByteCount byteCount: Int,
    filledBy fill: (UnsafeMutableRawBufferPointer) throws -> Void
  ) rethrows {
    let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: max(byteCount, 1), alignment: 64)
    let owner = Owner(base: UnsafeRawPointer(memory.baseAddress!), kind: .heap)
    try fill(UnsafeMutableRawBufferPointer(rebasing: memory[0..<byteCount]))
    self.init(owner: owner, start: 0, count: byteCount)
  }

  /// Maps a regular file read-only; pipes and standard input (`-`) are read into memory.
  public static func open(path: String, limit: Int = Limits.standard.fileBytes) throws(FileError)
    -> ByteBuffer
  {
    if path == "-" { return try readAll(descriptor: 0, path: "standard input", limit: limit) }
    let descriptor = Glibc.open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { throw FileError(path: path, action: "open", code: errno) }
    defer { close(descriptor) }
    return try map(descriptor: descriptor, path: path, limit: limit)
  }

  /// Maps the file behind an open descriptor, which the caller still closes.
  /// - Parameter place: where the file is, if `path` says so only to those who know the folder. A fault in the mapping
  ///   is reported by a signal handler, which does not.
  static func map(
    descriptor: Int32, path: String, limit: Int, place: String? = nil
  ) throws(FileError) -> ByteBuffer {
    var status = stat()
    guard fstat(descriptor, &status) == 0 else { throw FileError(path: path, action: "inspect", code: errno) }
    switch status.st_mode & S_IFMT {
    case S_IFREG: break
    case S_IFDIR: throw FileError(path: path, action: "read", code: EISDIR)
    default: return try readAll(descriptor: descriptor, path: path, limit: limit)
    }
    let size = Int(status.st_size)
    guard size <= limit else {
      throw FileError(path: path, action: "read", reason: "it has \(size) bytes, over the limit of \(limit)")
    }
    if size == 0 { return ByteBuffer([]) }
    guard let base = mmap(nil, size, PROT_READ, MAP_PRIVATE, descriptor, 0), base != MAP_FAILED else {
      throw FileError(path: path, action: "map", code: errno)
    }
    MappedFiles.add(base, size: size, path: place ?? path)
    return ByteBuffer(owner: Owner(base: UnsafeRawPointer(base), kind: .mapped(size)), start: 0, count: size)
  }

  private static func readAll(descriptor: Int32, path: String, limit: Int) throws(FileError) -> ByteBuffer {
    var bytes: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 1 << 16)
    while true {
      let got = read(descriptor, &chunk, chunk.count)
      if got < 0 && errno == EINTR { continue }
      guard got >= 0 else { throw FileError(path: path, action: "read", code: errno) }
      if got == 0 { return ByteBuffer(bytes) }
      guard bytes.count + got <= limit else {
        throw FileError(path: path, action: "read", reason: "it is longer than the limit of \(limit) bytes")
      }
      bytes.append(contentsOf: chunk[0..<got])
    }
  }

  /// A window onto the same memory, or nil where it would reach outside.
  public func slice(offset: Int, count wanted: Int) -> ByteBuffer? {
    guard offset >= 0, wanted >= 0, offset <= count, wanted <= count - offset else { return nil }
    return ByteBuffer(owner: owner, start: start + offset, count: wanted)
  }

  /// The bytes, valid only inside `body`.
  public func withUnsafeBytes<Result, Failure: Error>(
    _ body: (UnsafeRawBufferPointer) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    // Safe: `start` and `count` were checked against the owner when the window was made.
    let pointer = UnsafeRawBufferPointer(start: owner.base + start, count: count)
    defer { withExtendedLifetime(owner) {} }
    return try body(pointer)
  }

  public subscript(index: Int) -> UInt8 {
    precondition(index >= 0 && index < count, "index outside the buffer")
    return owner.base.load(fromByteOffset: start + index, as: UInt8.self)
  }

  public var array: [UInt8] { withUnsafeBytes { Array($0) } }

  /// Whether the window starts at an address divisible by `alignment`.
  public func isAligned(to alignment: Int) -> Bool { Int(bitPattern: owner.base + start) % alignment == 0 }

  private final class Owner: Sendable {
    enum Kind {
      case heap
      case mapped(Int)
    }
    // Safe: the memory is never written after `init`, so any thread may read it.
    nonisolated(unsafe) let base: UnsafeRawPointer
    let kind: Kind

    init(base: UnsafeRawPointer, kind: Kind) {
      self.base = base
      self.kind = kind
    }

    deinit {
      switch kind {
      case .heap: base.deallocate()
      case .mapped(let size):
        MappedFiles.remove(base)
        munmap(UnsafeMutableRawPointer(mutating: base), size)
      }
    }
  }
}

extension ByteBuffer: Equatable {
  public static func == (left: ByteBuffer, right: ByteBuffer) -> Bool {
    left.count == right.count
      && left.withUnsafeBytes { a in
        right.withUnsafeBytes { b in a.isEmpty || memcmp(a.baseAddress!, b.baseAddress!, a.count) == 0 }
      }
  }
}
