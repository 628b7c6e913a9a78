internal import ByteIO

/// A child process that answers jobs over a socket, and is killed when it takes too long.
final class WorkerProcess {
  private let process: pid_t
  private let socket: Int32
  /// What it says on standard error.
  private let words: ScratchFile
  private var lines: Lines
  /// `said`: how much it had said before.
  private var current: (index: Int, start: Double, timeout: Double, said: Int)?
  private var hasEnded = false

  init(_ program: String, _ arguments: [String]) throws(FileError) {
    let words = try ScratchFile()
    var ends: [Int32] = [-1, -1]
    let type = Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
    guard socketpair(AF_UNIX, type, 0, &ends) == 0 else {
      words.remove()
      throw FileError(path: program, action: "start", code: errno)
    }
    defer { close(ends[1]) }
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    posix_spawn_file_actions_adddup2(&actions, ends[1], 0)
    posix_spawn_file_actions_adddup2(&actions, ends[1], 1)
    posix_spawn_file_actions_adddup2(&actions, words.descriptor, 2)
    // A backtrace would take seconds for each crash.
    let environment =
      Self.environment.filter { !$0.hasPrefix("SWIFT_BACKTRACE=") } + ["SWIFT_BACKTRACE=enable=no"]
    let texts = ([program] + arguments).map { strdup($0) } + [nil]
    let settings = environment.map { strdup($0) } + [nil]
    defer { for text in texts + settings { free(text) } }
    var process = pid_t()
    let failure = posix_spawn(&process, program, &actions, nil, texts, settings)
    guard failure == 0 else {
      close(ends[0])
      words.remove()
      throw FileError(path: program, action: "start", code: failure)
    }
    self.process = process
    self.words = words
    socket = ends[0]
    lines = Lines(descriptor: ends[0])
  }

  private static var environment: [String] {
    var all: [String] = []
    var next = environ
    while let text = next.pointee {
      all.append(String(cString: text))
      next += 1
    }
    return all
  }

  func take(_ index: Int, _ job: Job) {
    current = (index, Self.now, job.fixture.timeout ?? .infinity, words.size)
    var rest = ((try? job.json.compactBytes()) ?? []) + [0x0A]
    while !rest.isEmpty {
      // A worker that died in the meantime is noticed when its answer is waited for.
      let sent = rest.withUnsafeBytes { send(socket, $0.baseAddress!, $0.count, Int32(MSG_NOSIGNAL)) }
      if sent < 0 && errno == EINTR { continue }
      guard sent > 0 else { return }
      rest.removeFirst(sent)
    }
  }

  /// Waits until one of them has something to say, or its time is over.
  static func wait(for workers: [WorkerProcess]) {
    var polled = workers.map { pollfd(fd: $0.socket, events: Int16(POLLIN), revents: 0) }
    let left = workers.compactMap { $0.current.map { $0.start + $0.timeout - now } }.min() ?? 0
    let ready = poll(&polled, nfds_t(polled.count), Int32(max(0, min(left * 1_000, 60_000)).rounded(.up)))
    guard ready > 0 else { return }
    for (worker, state) in zip(workers, polled) where state.revents != 0 { worker.lines.fill() }
  }

  /// The answer to the job that it was given; nil while it is at work.
  func finished() -> (index: Int, answer: WorkerPool.Answer, seconds: Double)? {
    guard let (index, start, timeout, said) = current else { return nil }
    let seconds = Self.now - start
    func done(_ answer: WorkerPool.Answer) -> (Int, WorkerPool.Answer, Double) {
      current = nil
      return (index, answer, seconds)
    }
    if let line = lines.buffered() {
      if let json = try? JSONValue(parsing: ByteBuffer(line)), json != .null { return done(.json(json)) }
      return done(.crash("answered something that is no answer"))
    }
    if lines.isAtEnd { return done(.crash(ending(after: said))) }
    return seconds >= timeout ? done(.timeout(timeout)) : nil
  }

  /// How it ended, on one line: a runtime says first what is wrong, and then may list its stack.
  private func ending(after said: Int) -> String {
    let status = waitForEnd(of: process)
    hasEnded = true
    let signal = status & 0x7f
    let how =
      signal == 0
      ? "ended with code \(status >> 8 & 0xff)"
      : "ended by signal \(signal) (\(String(cString: strsignal(signal))))"
    let lines = words.text(from: said, limit: 4_000).split(whereSeparator: \.isNewline)
    let reason = lines.first { $0.contains(where: \.isLetter) }
    return reason.map { "\(how): \($0.prefix(300))" } ?? how
  }

  /// Ends it, whatever it does.
  func end() {
    close(socket)
    words.remove()
    guard !hasEnded else { return }
    // Our own child, not yet waited for: nothing else has its number.
    kill(process, SIGKILL)
    _ = waitForEnd(of: process)
    hasEnded = true
  }

  /// Seconds on a clock that nobody sets.
  static var now: Double {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
  }
}

/// Waits for a child, and returns its status as `waitpid` gives it.
func waitForEnd(of process: pid_t) -> Int32 {
  var status: Int32 = 0
  while waitpid(process, &status, 0) < 0 && errno == EINTR {}
  return status
}
