import ByteIO
import Foundation
import PyTorchFormat
import RNNConv
import TestSupport
import Testing

/// Models of other formats, written as state dicts.
@Suite struct StateDictExportTests {
  let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  /// PyTorch's own exports that hold more than a chain of modules.
  static let refused: [String: String] = [
    "torch-legacy-gru-packed": "lengths", "torch-legacy-lstm-bi-packed-dyn": "lengths",
    "torch-legacy-lstm-packed": "lengths",
  ]

  @Test(arguments: ["pt", "safetensors"])
  func `PyTorch's ONNX exports become state dicts again, or are refused by name`(target: String) throws {
    var (written, refused) = (0, 0)
    for entry in try RecordedCase.all(in: FixtureTests.folder)
    where entry.name.hasPrefix("torch") && FixtureTests.notImportable[entry.name] == nil {
      let file = try ModelFile.open(entry.model)
      let path = folder.path("\(entry.name).\(target)")
      if let word = Self.refused[entry.name] {
        let error = #expect(throws: RNNConvError.self, "\(entry.name)") { try file.convert(to: path) }
        #expect(error?.isOfTheTarget == true && error?.description.contains(word) ?? false, "\(entry.name)")
        refused += 1
        continue
      }
      let report = try #require(try file.convert(to: path).report)
      #expect(report.verdict <= .equal, "\(entry.name): \(report.reasons)")
      // What PyTorch recorded for the export holds for the state dict, under the export's own names.
      expectWithinBound(
        try ModelFile.open(path), try entry.inputs(), try entry.outputs(), entry.name, runtime: .pytorch)
      written += 1
    }
    #expect(written >= 35 && refused == Self.refused.count)
  }

  @Test func `an export's layers become the module that they were made from`() throws {
    let path = folder.path("demo.pt")
    _ = try ModelFile.open(Repository.fixtures.appending(path: "demo/model.onnx").path).convert(to: path)
    let names = try PyTorchFormat.decode(try ByteBuffer.open(path: path)).entries.map(\.name)
    let expected = [0, 1].flatMap { layer in
      ["", "_reverse"].flatMap { side in
        ["weight_ih", "weight_hh", "bias_ih", "bias_hh"].map { "recurrent.\($0)_l\(layer)\(side)" }
      }
    }
    #expect(names == expected + ["linear.weight", "linear.bias"])
  }

  @Test func `every model that the canonical form allows is written right, or refused`() throws {
    for cell in Cell.all {
      for direction in Direction.allCases {
        for states in [false, true] {
          var specification = LayerSpecification(cell)
          specification.direction = direction
          specification.biases = states
          let model = specification.model(seed: 5, initialStates: false)
          let file = ModelFile(model, name: "random")
          let path = folder.path("m.pt")
          // The states of these models are vectors [B, D·H], which PyTorch's modules do not give.
          let error = #expect(throws: RNNConvError.self) { try file.convert(to: path) }
          #expect(error?.isOfTheTarget == true)
          var plain = model
          plain.outputs = [model.outputs[0]]
          plain.layers[0].outputs = [model.outputs[0].value]
          let isExpressible =
            direction != .reverse && cell != .gru(resetAfter: false) && cell != .minGRU
          if isExpressible {
            let report = try #require(try ModelFile(plain, name: "random").convert(to: path).report)
            #expect(report.verdict <= .equal, "\(cell), \(direction): \(report.reasons)")
            #expect(try ModelFile.open(path).model.fingerprint == plain.fingerprint, "\(cell), \(direction)")
          } else {
            #expect(throws: RNNConvError.self) { try ModelFile(plain, name: "random").convert(to: path) }
          }
        }
      }
    }
  }
}

extension RNNConvError {
  /// Whether the target cannot hold the model, or not all of it.
  var isOfTheTarget: Bool {
    switch self {
    case .notExpressible, .loss: true
    default: false
    }
  }
}
