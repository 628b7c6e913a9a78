internal import ByteIO
internal import Dispatch
internal import RNNConv
internal import Verification

/// What a person sees: colour where it is welcome, progress where there is time for it.
enum Terminal {
  enum Colour: String {
    case green = "32"
    case yellow = "33"
    case red = "31"
    case bold = "1"
    case dim = "2"
  }

  static func write(_ text: String, to descriptor: Int32) {
    var bytes = Array(text.utf8)[...]
    while !bytes.isEmpty {
      let wrote = bytes.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress!, $0.count) }
      if wrote < 0 && errno == EINTR { continue }
      guard wrote > 0 else { return }
      bytes = bytes.dropFirst(wrote)
    }
  }

  /// One line; what files say in it cannot be commands.
  static func print(_ line: String = "", to descriptor: Int32 = 1) {
    write(shown(line.withFlags) + "\n", to: descriptor)
  }

  /// - Parameter details: a line each.
  static func error(_ message: String, details: [String] = []) {
    print("\(paint("error:", .red, on: 2)) \(message)", to: 2)
    for detail in details { print("  \(detail)", to: 2) }
  }

  /// Coloured on a terminal, unless NO_COLOR is set (no-color.org).
  static func paint(_ text: String, _ colour: Colour, on descriptor: Int32 = 1) -> String {
    let wanted = getenv("NO_COLOR").map { $0.pointee == 0 } ?? true
    guard wanted, isatty(descriptor) == 1, getenv("TERM").map({ String(cString: $0) != "dumb" }) ?? false
    else {
      return text
    }
    return "\(colourMark)\(colour.rawValue);\(text)\(colourMark)0;"
  }

  /// Stands for a colour in a line until it is shown. No file can know it.
  private static let colourMark = "\u{E000}\(UInt64.random(in: 0...UInt64.max));"

  private static func shown(_ line: String) -> String {
    // Not empty: without a mark the line is its own part.
    let parts = line.printable.split(separator: colourMark, omittingEmptySubsequences: false).map(String.init)
    return parts[0]
      + parts.dropFirst().map { part in
        let end = part.firstIndex(of: ";") ?? part.endIndex
        return "\u{1B}[\(part[..<end])m\(part[end...].dropFirst())"
      }.joined()
  }

  static func paint(_ verdict: Verdict) -> String {
    switch verdict {
    case .identical, .equal: paint(verdict.rawValue, .green)
    case .close, .inconclusive: paint(verdict.rawValue, .yellow)
    case .different: paint(verdict.rawValue, .red)
    }
  }

  static func printJSON(_ value: JSONValue) throws {
    write(String(decoding: try value.prettyBytes(), as: UTF8.self).withFlags + "\n", to: 1)
  }

  /// Runs `work` and says on standard error what is going on: on a terminal once it takes longer than a second, each second;
  /// elsewhere, as in a log, once it takes longer than two, each half minute.
  static func progress<Result>(_ what: String, _ work: () throws -> Result) rethrows -> Result {
    let isTerminal = isatty(2) == 1 && getenv("TERM").map { String(cString: $0) != "dumb" } ?? false
    let timer = DispatchSource.makeTimerSource(queue: .global())
    let start = DispatchTime.now()
    timer.schedule(deadline: start + (isTerminal ? 1 : 2), repeating: isTerminal ? 1 : 30)
    timer.setEventHandler {
      let seconds = (DispatchTime.now().uptimeNanoseconds - start.uptimeNanoseconds) / 1_000_000_000
      write(isTerminal ? "\r\(what) … \(seconds) s" : "\(what) … \(seconds) s\n", to: 2)
    }
    timer.resume()
    defer {
      timer.cancel()
      if isTerminal, DispatchTime.now() > start + 1 {
        write("\r" + String(repeating: " ", count: what.count + 12) + "\r", to: 2)
      }
    }
    return try work()
  }
}
