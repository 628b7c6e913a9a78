internal import Synchronization

/// Immutable bytes with shared ownership: heap memory, a mapped file, or several buffers joined.
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

  /// The chunks, one after another. They are copied, to memory aligned to 64 bytes, when somebody first reads the bytes
  /// as one; who takes `chunks` instead needs no copy.
  public init(joining chunks: [ByteBuffer]) {
    let joint = Joint(chunks.flatMap(\.chunks))
    self.init(owner: Owner(.joined(joint)), start: 0, count: joint.count)
  }

  /// The bytes as what they are made of: several where they were joined and nobody has read them as one yet.
  public var chunks: [ByteBuffer] {
    guard case .joined(let joint) = owner.storage, let parts = joint.parts else { return [self] }
    var offset = 0
    return parts.compactMap { part in
      let (from, to) = (max(start, offset) - offset, min(start + count, offset + part.count) - offset)
      offset += part.count
      return from < to ? part.slice(offset: from, count: to - from) : nil
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
    let largePage = 2 << 20
    let memory = UnsafeMutableRawBufferPointer.allocate(
      byteCount: max(byteCount, 1), alignment: byteCount < largePage ? 64 : largePage)
    // Making 512 small pages takes longer than to fill them.
    if byteCount >= largePage {
      madvise(memory.baseAddress, byteCount / largePage * largePage, MADV_HUGEPAGE)
    }
    let owner = Owner(.heap(UnsafeRawPointer(memory.baseAddress!)))
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
    return ByteBuffer(owner: Owner(.mapped(UnsafeRawPointer(base), size)), start: 0, count: size)
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

  /// The chunk that these bytes lie in, where one holds them all: reading it joins nothing.
  package var settled: ByteBuffer {
    guard !isOne, let chunk = chunks.first, chunk.count == count else { return self }
    return chunk
  }

  /// Whether reading the bytes joins nothing.
  package var isOne: Bool {
    if case .joined(let joint) = owner.storage { joint.isOne } else { true }
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

  /// Whether both are windows onto the same bytes of the same memory, whatever those hold.
  package func isSameMemory(as other: ByteBuffer) -> Bool {
    owner === other.owner && start == other.start && count == other.count
  }

  public var array: [UInt8] { withUnsafeBytes { Array($0) } }

  /// Windows onto `byteCount` bytes each, the last onto what is left; of what is not joined yet, of each chunk.
  package func pieces(of byteCount: Int) -> [ByteBuffer] {
    chunks.flatMap { chunk in
      stride(from: 0, to: chunk.count, by: byteCount).map { offset in
        chunk.slice(offset: offset, count: min(byteCount, chunk.count - offset))!
      }
    }
  }

  /// Whether the window starts at an address divisible by `alignment`, at most 64.
  public func isAligned(to alignment: Int) -> Bool {
    // What is not joined yet will be at a multiple of 64.
    if case .joined = owner.storage { return start % alignment == 0 }
    return Int(bitPattern: owner.base + start) % alignment == 0
  }

  /// Whether it is so long that what reads it once lets its pages go behind it.
  package var isLarge: Bool { count >= 1 << 19 }

  /// Lets the pages of a mapped file go, those that it shares with its neighbours too: they leave the memory of this
  /// process, stay in the system's cache, and are back when they are read again. Of what is not joined yet, the pages of
  /// each chunk.
  package func releasePages() {
    if case .joined(let joint) = owner.storage {
      if joint.parts != nil { for chunk in chunks { chunk.releasePages() } }
      return
    }
    guard case .mapped(let base, _) = owner.storage, count > 0 else { return }
    let page = UInt(sysconf(Int32(_SC_PAGESIZE)))
    let first = UInt(bitPattern: base + start) / page * page
    let end = UInt(bitPattern: base + start + count)
    // Safe: the mapping is private and never written, so that its pages are those of the file.
    madvise(UnsafeMutableRawPointer(bitPattern: first), Int(end - first), MADV_DONTNEED)
  }

  private final class Owner: Sendable {
    enum Storage {
      case heap(UnsafeRawPointer)
      case mapped(UnsafeRawPointer, Int)
      case joined(Joint)
    }
    // Safe: the memory is never written after `init`, so any thread may read it.
    nonisolated(unsafe) let storage: Storage

    init(_ storage: Storage) { self.storage = storage }

    var base: UnsafeRawPointer {
      switch storage {
      case .heap(let base), .mapped(let base, _): base
      case .joined(let joint): joint.base
      }
    }

    deinit {
      switch storage {
      case .heap(let base): base.deallocate()
      case .mapped(let base, let size):
        MappedFiles.remove(base)
        munmap(UnsafeMutableRawPointer(mutating: base), size)
      case .joined: break
      }
    }
  }

  /// Buffers that become one when its memory is first asked for.
  private final class Joint: Sendable {
    let count: Int
    /// The parts until they are one, and the one from then on.
    private let state: Mutex<(parts: [ByteBuffer]?, whole: ByteBuffer?)>
    /// Where `whole` is, so that only the first reader takes the lock.
    private let address = Atomic<UInt>(0)

    init(_ parts: [ByteBuffer]) {
      count = parts.reduce(0) { $0 + $1.count }
      state = Mutex((parts, nil))
    }

    var parts: [ByteBuffer]? { state.withLock { $0.parts } }
    var isOne: Bool { address.load(ordering: .acquiring) != 0 }

    /// Spread over the cores: much of the time the system makes pages. Of mapped files few are in memory meanwhile.
    private static func copy(_ parts: [ByteBuffer], to target: UnsafeMutableRawBufferPointer) {
      let pieces = parts.flatMap { $0.pieces(of: 1 << 20) }
      let places = pieces.indices.reduce(into: [0]) { $0.append($0[$1] + pieces[$1].count) }
      // Safe: each piece has its own part of the target, and nobody else knows the target yet.
      nonisolated(unsafe) let target = target
      for start in stride(from: 0, to: pieces.count, by: 16) {
        let group = start..<min(start + 16, pieces.count)
        let byteCount = places[group.upperBound] - places[start]
        _ = concurrentMap(group.count, threads: min(processorCount, byteCount >> 20)) { offset in
          let index = start + offset
          pieces[index].withUnsafeBytes {
            UnsafeMutableRawBufferPointer(rebasing: target[places[index]...]).copyMemory(from: $0)
          }
        }
        for piece in pieces[group] { piece.releasePages() }
      }
    }

    var base: UnsafeRawPointer {
      if let known = UnsafeRawPointer(bitPattern: address.load(ordering: .acquiring)) { return known }
      return state.withLock { state in
        if let whole = state.whole { return whole.owner.base }
        let whole = ByteBuffer(unsafeUninitializedByteCount: count) { target in
          Self.copy(state.parts ?? [], to: target)
        }
        state = (nil, whole)
        address.store(UInt(bitPattern: whole.owner.base), ordering: .releasing)
        return whole.owner.base
      }
    }
  }
}

extension ByteBuffer: Equatable {
  /// Joins nothing, and keeps little of large mapped files in memory.
  public static func == (left: ByteBuffer, right: ByteBuffer) -> Bool {
    guard left.count == right.count else { return false }
    let isLarge = left.isLarge
    func rest(_ buffer: ByteBuffer) -> [ByteBuffer] { buffer.pieces(of: 1 << 20).reversed() }
    var (a, b) = (rest(left), rest(right))
    while let first = a.popLast(), let second = b.popLast() {
      let count = min(first.count, second.count)
      let isSame = first.withUnsafeBytes { a in
        // Both have `count` bytes, at least one.
        second.withUnsafeBytes { b in memcmp(a.baseAddress!, b.baseAddress!, count) == 0 }
      }
      guard isSame else { return false }
      if isLarge {
        first.releasePages()
        second.releasePages()
      }
      if first.count > count { a.append(first.slice(offset: count, count: first.count - count)!) }
      if second.count > count { b.append(second.slice(offset: count, count: second.count - count)!) }
    }
    return true
  }
}
