import RNNConv
import TestSupport
import Testing

/// Sizes that a file fixes, and turns of its loops, cost made-up inputs no more than a budget; what was not tried is said.
@Suite struct FixedSizeTests {
  let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  private func fixed(_ steps: Int, _ rows: Int?) -> Model {
    var model = LayerSpecification(.lstm).model(seed: 3)
    for index in model.inputs.indices { fix(&model.inputs[index], steps, rows) }
    for index in model.outputs.indices { fix(&model.outputs[index], steps, rows) }
    return model
  }

  private func fix(_ port: inout Model.Port, _ steps: Int, _ rows: Int?) {
    for axis in port.axes.indices {
      if port.axes[axis].factors == [.time] { port.axes[axis].size = steps }
      if port.axes[axis].factors == [.batch] { port.axes[axis].size = rows }
    }
  }

  @Test(arguments: ["onnx", "rnnw"])
  func `four million steps are proven on few, and kept in the file`(_ format: String) throws {
    for model in [fixed(1 << 22, 1), fixed(12, 1 << 20)] {
      let path = folder.path("long.\(format)")
      let report = try #require(try ModelFile(model, name: "long").convert(to: path).report)
      #expect(report.verdict <= .equal)
      #expect(report.fingerprints[0] == model.fingerprint.description)
      let said = try #require(report.reasons.first { $0.hasPrefix("not tried") })
      #expect(said.contains("4194304 steps, 1 row)") || said.contains("12 steps, 1048576 rows"))
      #expect(try ModelFile(model, name: "long").gradientFlow().flows.map(\.steps) == [100])
      // A mistake is seen on the short ones, and nothing is written from them.
      var wrong = model
      guard case .recurrent(var layer) = wrong.layers[0].operation else { return }
      let weight = layer.directions[0].inputWeight
      layer.directions[0].inputWeight = Tensor(weight.doubles.map { Float(-$0) }, shape: weight.shape)
      wrong.layers[0].operation = .recurrent(layer)
      let found = try ModelFile(wrong, name: "wrong").verify(against: ModelFile.open(path))
      #expect(found.verdict == .different && found.mended == nil)
      #expect(try ModelFile.open(path).model.fingerprint == model.fingerprint)
    }
  }

  @Test func `a loop of a million turns is proven on a few`() throws {
    let model = GeneratingForm.drawing.model(.lstm, seed: 1, maxSteps: 1_000_000)
    let path = folder.path("loop.onnx")
    let report = try #require(try ModelFile(model, name: "loop").convert(to: path).report)
    #expect(report.verdict <= .equal)
    #expect(report.reasons.contains { $0.contains("a loop of 1000000 turns") })
    #expect(try ModelFile.open(path).model.fingerprint == model.fingerprint)
  }

  @Test func `usual sizes are tried as they are`() throws {
    let report = try ModelFile(fixed(200, 8), name: "usual").verify()
    #expect(!report.reasons.contains { $0.hasPrefix("not tried") })
    #expect(report.probes.allSatisfy { $0.hasPrefix("T=200 B=8") })
  }
}
