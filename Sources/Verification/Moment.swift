internal import ByteIO

/// A second in time, as pages are dated.
public struct Moment: Sendable, Equatable, CustomStringConvertible {
  /// Since 1970 began, in UTC.
  public let seconds: Int

  private static let lastOfYear9999 = 253_402_300_799

  /// Nil before 1970 and beyond the years of four digits.
  public init?(seconds: Int) {
    guard (0...Self.lastOfYear9999).contains(seconds) else { return nil }
    self.seconds = seconds
  }

  private init(clock: Int) { seconds = clock }

  /// The second that it is.
  public static var now: Moment { Moment(clock: time(nil)) }

  /// Such as `2026-11-29 16:27 UTC`.
  public var description: String {
    var (clock, parts) = (seconds, tm())
    gmtime_r(&clock, &parts)
    func digits(_ numbers: [Int32], _ separator: String) -> String {
      numbers.map { $0 < 10 ? "0\($0)" : "\($0)" }.joined(separator: separator)
    }
    return digits([parts.tm_year + 1900, parts.tm_mon + 1, parts.tm_mday], "-") + " "
      + digits([parts.tm_hour, parts.tm_min], ":") + " UTC"
  }
}
