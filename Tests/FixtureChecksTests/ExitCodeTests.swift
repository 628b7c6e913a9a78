import ByteIO
import FixtureChecks
import RNNConv
import Testing

@Suite struct ExitCodeTests {
  @Test func `verdicts have the documented exit codes`() {
    #expect(Verdict.allCases.map(\.exitCode) == [0, 0, 0, 5, 1])
  }

  @Test func `errors have the documented exit codes`() {
    let codes: [(RNNConvError, Int32)] = [
      (.arguments("a"), 2), (.model(.duplicatePort("x")), 2), (.run(path: "m", .missingInput(port: "x")), 2),
      (.evaluation(path: "m", reason: "r"), 2), (.comparison(.noProbes("r")), 2),
      (.notExpressible(format: "onnx", reason: "r"), 3), (.loss(format: "onnx", notes: []), 3),
      (.unreadable(path: "m", reason: "r"), 4), (.unknownFormat(path: "m", known: []), 4),
      (.foreignFormat(path: "m", name: "f", advice: "a"), 4),
      (.file(FileError(path: "m", action: "open", reason: "r")), 4),
    ]
    for (error, code) in codes { #expect(error.exitCode == code, "\(error)") }
  }
}
