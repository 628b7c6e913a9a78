internal import RNNConv
internal import Verification

extension Verify {
  /// Compares nothing: tells what the inputs could not notice.
  func showPower() throws {
    let request = try request
    let report = try Terminal.progress("making mistakes") { try execution.use { try request.power() } }
    if json { return try Terminal.printJSON(report.json) }
    let seed = report.seed.map { ", seed \($0)" } ?? ""
    Terminal.print(
      "\(Terminal.paint(report.model, .bold)) on \(report.probes.joined(separator: ", "))\(seed)")
    for item in report.mistakes where item.ways > 0 { show(item) }
    let cannot = report.mistakes.filter { $0.ways == 0 }.map(\.mistake)
    if !cannot.isEmpty { Terminal.print("  cannot be made here: \(cannot.joined(separator: ", "))") }
  }

  private func show(_ item: PowerReport.Item) {
    let mark =
      switch item.noticed {
      case item.ways: Terminal.paint("noticed", .green)
      case 0: Terminal.paint("not noticed", .red)
      default: Terminal.paint("partly noticed", .yellow)
      }
    Terminal.print("  \(mark): \(item.name) (\(item.mistake)), \(item.noticed) of \(item.ways) ways")
    for place in item.unnoticed.prefix(3) { Terminal.print("      passes: \(place)") }
    if item.unnoticed.count > 3 { Terminal.print("      and \(item.unnoticed.count - 3) more") }
    for reason in item.reasons { Terminal.print("      because \(reason)") }
  }
}
