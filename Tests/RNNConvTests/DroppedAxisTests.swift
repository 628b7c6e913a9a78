import ByteIO
import Forward
import NativeFormat
import ONNXFormat
import RNNConv
import Recurrent
import Tensors
import TestSupport
import Testing

/// Outputs behind a Squeeze without axes: an axis whose size is 1 is not there.
@Suite struct DroppedAxisTests {
  /// A GRU of one unit; y `[T, B, 1]` comes as `[B?, T?]`.
  private static let model: Model = {
    var specification = LayerSpecification(.gru(resetAfter: true))
    specification.hiddenSize = 1
    var model = specification.model(seed: 1)
    model.outputs = [model.outputs[0]]
    model.layers[0].outputs = [model.outputs[0].value]
    model.outputs[0].axes = [
      PortAxis([.batch], isDroppedAtOne: true), PortAxis([.time], isDroppedAtOne: true),
    ]
    return model
  }()

  private static let shapes = [
    (5, 3, [3, 5]), (1, 3, [3]), (5, 1, [5]), (1, 1, []),
  ]

  @Test(arguments: shapes, [Precision.float32, .float64])
  func `a size of 1 is dropped by both engines`(_ sizes: (Int, Int, [Int]), _ precision: Precision) throws {
    var generator = SeededGenerator(seed: 2)
    let inputs = ["x": generator.tensor([sizes.0, sizes.1, 3])]
    let y = try #require(try forward(Self.model, inputs: inputs, precision: precision)["y"])
    #expect(y.shape == sizes.2)
    #expect(try boundedForward(Self.model, inputs: inputs, rounding: .float32)["y"]?.shape == sizes.2)
    for opset in [7, 13, 22] as [Int64] {
      let exported = try ONNXExporter.export(Self.model, opset: opset).model
      let found = try ONNXEvaluator(exported).run(inputs, precision: .float64)
      #expect(found["y"]?.shape == sizes.2, "opset \(opset)")
    }
  }

  @Test func `ONNX and .rnnw bring it back, and two files of it are one model`() throws {
    let exported = try ONNXExporter.export(Self.model).model
    #expect(exported.graph.nodes.last?.operation == "Squeeze")
    let imported = try ONNXImporter.importModel(exported)
    #expect(imported.model.fingerprint == Self.model.fingerprint)
    #expect(imported.notes.allSatisfy { $0.exactness == .exact })
    let file = ByteBuffer(joining: try NativeFormat.encode(Self.model, codec: .raw))
    #expect(try NativeFormat.decode(file).fingerprint == Self.model.fingerprint)
    // The flag stands exactly where an output needs it.
    #expect(file.array[12] == 4)
    var plain = Self.model
    plain.outputs[0].axes = plain.outputs[0].axes.map { PortAxis($0.factors) }
    #expect(plain.fingerprint != Self.model.fingerprint)
    #expect(ByteBuffer(joining: try NativeFormat.encode(plain, codec: .raw)).array[12] == 0)
  }

  @Test func `a file that keeps the axis is another one, whichever sizes are tried`() throws {
    let folder = try TemporaryFolder()
    var kept = Self.model
    kept.outputs[0].axes = kept.outputs[0].axes.map { PortAxis($0.factors) }
    var halfKept = Self.model
    halfKept.outputs[0].axes[1].isDroppedAtOne = false
    for (index, other) in [kept, halfKept].enumerated() {
      let paths = [folder.path("a\(index).rnnw"), folder.path("b\(index).rnnw")]
      _ = try ModelFile(Self.model, name: "a").convert(to: paths[0])
      _ = try ModelFile(other, name: "b").convert(to: paths[1])
      let report = try VerificationRequest(paths).run().report
      #expect(report.verdict == .different, "\(report)")
      #expect(try VerificationRequest([paths[0], paths[0]]).run().report.verdict == .identical)
    }
  }

  @Test func `inputs and axes of fixed size keep theirs, and what PyTorch cannot do is refused`() throws {
    var input = Self.model
    input.inputs[0].axes[0].isDroppedAtOne = true
    #expect(throws: ModelError.self) { try input.validated() }
    var fixed = Self.model
    fixed.outputs[0].axes[0].size = 1
    #expect(throws: ModelError.self) { try fixed.validated() }
    let folder = try TemporaryFolder()
    let error = #expect(throws: RNNConvError.self) {
      try ModelFile(Self.model, name: "m").convert(to: folder.path("m.pt"))
    }
    #expect(error?.description.contains("an axis whose size is 1") == true)
  }
}
