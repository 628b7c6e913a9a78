import Forward
import Foundation
import TestSupport
import Testing

/// The presets of `RoundingModel` against what Tests/judges/activation_accuracy.py measured.
@Suite struct PresetTests {
  private struct Measurement: Decodable {
    let peer: String
    let kernel: String
    let function: String
    let maxAbsolute: Double
    let maxRelative: Double
  }

  @Test(arguments: [("onnxruntime", RoundingModel.onnxruntime), ("torch", .pytorch)])
  func `A preset covers every measured kernel of its runtime`(_ peer: String, _ preset: RoundingModel) throws
  {
    let file = Repository.root.appending(path: "docs/activation-accuracy.json")
    let decoder = JSONDecoder()
    decoder.keyDecodingStrategy = .convertFromSnakeCase
    let all = try decoder.decode([Measurement].self, from: Data(contentsOf: file))
    let measured = all.filter { $0.peer == peer }
    #expect(measured.count >= 10)
    for measurement in measured {
      let allowed = measurement.function == "tanh" ? preset.tanh : preset.sigmoid
      // Either part alone suffices, for every argument.
      #expect(
        measurement.maxAbsolute <= allowed.absolute || measurement.maxRelative <= allowed.relative,
        "\(measurement.kernel)")
    }
  }
}
