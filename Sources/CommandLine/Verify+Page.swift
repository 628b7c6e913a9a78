internal import ByteIO
internal import RNNConv
internal import Verification

extension Verify {
  /// With what helps, as the terminal says it.
  func writePage(_ outcome: VerificationRequest.Outcome, to path: String) throws {
    var page = outcome.page
    page.remedy = outcome.report.diagnosis.flatMap { remedy($0, outcome) }
    if let date = try Self.givenDate { page.made = date }
    try page.write(to: path) { $0.withFlags }
  }

  /// Instead of the clock's, so that the same bytes can be made again (reproducible-builds.org).
  private static var givenDate: Moment? {
    get throws {
      guard let text = getenv("SOURCE_DATE_EPOCH").map({ String(cString: $0) }) else { return nil }
      guard let date = Int(text).flatMap(Moment.init(seconds:)) else {
        throw RNNConvError.arguments("SOURCE_DATE_EPOCH=\(text): give whole seconds since 1970")
      }
      return date
    }
  }
}
