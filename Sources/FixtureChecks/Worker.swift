public import ByteIO

/// The process that fixtures are checked in, so that one that crashes or hangs takes nothing else with it.
public enum Worker {
  /// Answers jobs, a line each, from standard input to standard output, until there are no more.
  ///
  /// - Parameter limits: what a fixture's files may ask for.
  public static func serve(limits: Limits = .standard) {
    // What a crash leaves is told by the other side; a core file in somebody's repository would be a nuisance.
    var none = rlimit(rlim_cur: 0, rlim_max: 0)
    setrlimit(__rlimit_resource_t(RLIMIT_CORE.rawValue), &none)
    signal(SIGPIPE, SIG_DFL)
    var lines = Lines(descriptor: 0)
    while let line = lines.next() {
      guard let json = try? JSONValue(parsing: ByteBuffer(line)), let job = Job(json) else { exit(2) }
      // Should the other side die while this one hangs: the end comes anyway.
      alarm(UInt32(min(job.fixture.timeout ?? 600, 86_400)) + 5)
      let answer = (try? job.run(limits: limits).compactBytes()) ?? Array("null".utf8)
      alarm(0)
      guard write(answer + [0x0A]) else { exit(1) }
    }
  }

  private static func write(_ bytes: [UInt8]) -> Bool {
    var rest = bytes[...]
    while !rest.isEmpty {
      let wrote = rest.withUnsafeBytes { Glibc.write(1, $0.baseAddress!, $0.count) }
      if wrote < 0 && errno == EINTR { continue }
      guard wrote > 0 else { return false }
      rest = rest.dropFirst(wrote)
    }
    return true
  }
}

/// The lines that come out of a descriptor, as they come.
struct Lines {
  let descriptor: Int32
  private var pending: [UInt8] = []
  private(set) var isAtEnd = false

  init(descriptor: Int32) { self.descriptor = descriptor }

  /// A whole line that has been read; nil where there is none yet.
  mutating func buffered() -> [UInt8]? {
    guard let end = pending.firstIndex(of: 0x0A) else { return nil }
    defer { pending.removeFirst(end + 1) }
    return Array(pending[..<end])
  }

  /// Reads once, waiting where nothing is there.
  mutating func fill() {
    var chunk = [UInt8](repeating: 0, count: 65_536)
    let count = read(descriptor, &chunk, chunk.count)
    if count > 0 {
      pending += chunk[..<count]
    } else if count == 0 || errno != EINTR {
      isAtEnd = true
    }
  }

  mutating func next() -> [UInt8]? {
    while true {
      if let line = buffered() { return line }
      if isAtEnd { return nil }
      fill()
    }
  }
}
