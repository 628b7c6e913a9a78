import RNNConv
import TestSupport
import Testing
import Verification

/// What test data can see, told by making every known mistake in its model.
@Suite struct PowerTests {
  /// All their kernels are constant, so every gate computes the same whatever its rows are called.
  @Test func `the onnx package's LSTM node cases cannot see a wrong gate order`() throws {
    let cases = try BackendTests.cases().filter { $0.name.contains("lstm") }
    #expect(cases.count == 4, "run scripts/backend-data.sh")
    for entry in cases {
      let (inputs, _) = try BackendTests.data(entry)
      let file = try ModelFile.open(entry.model, bindings: inputs)
      var options = VerificationOptions()
      options.inputs = inputs
      let report = try file.power(options)
      let gates = try #require(report.mistakes.first { $0.mistake == "gate-order" })
      #expect(gates.ways > 0 && gates.noticed == 0, "\(entry.name): \(gates.noticed) of \(gates.ways)")
      #expect(gates.reasons.contains { $0.contains("one number") }, "\(entry.name): \(gates.reasons)")
      // Nor do inputs made up for such a model.
      let generated = try file.power()
      #expect(generated.mistakes.first { $0.mistake == "gate-order" }?.noticed == 0, "\(entry.name)")
    }
  }
}
