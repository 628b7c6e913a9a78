internal import ByteIO
public import Verification

extension VerificationRequest.Outcome {
  /// The report as one page, with the weights side by side where both files could be imported.
  public var page: HTMLReport {
    var difference: ModelDifference?
    if models.count == 2, let left = try? models[0].model, let right = try? models[1].model {
      difference = diff(left, right)
    }
    return HTMLReport(report, difference: difference, tool: "rnnconv \(RNNConvVersion.current)")
  }

  public func writePage(to path: String) throws(RNNConvError) {
    do { try AtomicFile.write(Array(page.html.utf8), to: path) } catch { throw .file(error) }
  }
}
