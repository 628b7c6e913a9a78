internal import Synchronization

/// The mapped files of this process, so that a fault in one of them can be explained.
///
/// When somebody cuts a mapped file short, reading what is gone raises SIGBUS. Checking the size before each access would
/// leave a gap between check and use, and reading instead of mapping would copy every weight.
public enum MappedFiles {
  private struct Entry {
    var base: UInt = 0
    var size: UInt = 0
    var path: UnsafeMutablePointer<CChar>?
  }

  private static let capacity = 256
  // Safe: written under `lock` alone. The handler reads without it: it may miss a file that is just being mapped or
  // unmapped, which nobody reads yet or any more.
  nonisolated(unsafe) private static let entries: UnsafeMutablePointer<Entry> = {
    let entries = UnsafeMutablePointer<Entry>.allocate(capacity: capacity)
    entries.initialize(repeating: Entry(), count: capacity)
    return entries
  }()
  private static let lock = Mutex(())
  nonisolated(unsafe) private static var exitCode: Int32 = 1

  /// Ends the process with a message and `code` when a mapped file is cut short while it is used.
  ///
  /// For programs, not for libraries: it replaces the process's handler of SIGBUS.
  public static func exitWhenCutShort(code: Int32) {
    exitCode = code
    _ = entries
    var action = sigaction()
    action.__sigaction_handler.sa_sigaction = { _, info, _ in
      MappedFiles.explain(UInt(bitPattern: info?.pointee._sifields._sigfault.si_addr))
    }
    action.sa_flags = SA_SIGINFO
    sigaction(SIGBUS, &action, nil)
  }

  /// Runs in a signal handler: no allocation, no lock.
  private static func explain(_ address: UInt) {
    for index in 0..<capacity {
      let entry = entries + index
      guard let path = entry.pointee.path, address >= entry.pointee.base,
        address - entry.pointee.base < entry.pointee.size
      else { continue }
      say("error: ")
      _ = write(2, path, strlen(path))
      say(": cannot read: it was cut short while it was in use; run again when nobody writes to it\n")
      _exit(exitCode)
    }
    // Not ours: the instruction runs again, and ends the process as it would have.
    signal(SIGBUS, SIG_DFL)
  }

  private static func say(_ text: StaticString) { _ = write(2, text.utf8Start, text.utf8CodeUnitCount) }

  static func add(_ base: UnsafeRawPointer, size: Int, path: String) {
    lock.withLock { _ in
      guard let free = (0..<capacity).first(where: { entries[$0].path == nil }) else { return }
      entries[free].base = UInt(bitPattern: base)
      entries[free].size = UInt(size)
      entries[free].path = strdup(path)
    }
  }

  static func remove(_ base: UnsafeRawPointer) {
    lock.withLock { _ in
      guard
        let index = (0..<capacity).first(where: {
          entries[$0].path != nil && entries[$0].base == UInt(bitPattern: base)
        })
      else { return }
      let path = entries[index].path
      entries[index].path = nil
      free(path)
    }
  }
}
