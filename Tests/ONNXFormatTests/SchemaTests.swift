import ByteIO
import Forward
import Foundation
import ONNXFormat
import Recurrent
import Tensors
import TestSupport
import Testing

@Suite struct SchemaTests {
  @Test func `schemas/onnx.proto has the numbers, types and labels of the pinned onnx package`() throws {
    let compared = try runPython(["Tests/judges/schema.py", "schemas/onnx.proto"])
    #expect((Int(compared.trimmingCharacters(in: .whitespacesAndNewlines)) ?? 0) >= 100)
  }

  @Test func `the generated C is that of schemas/onnx.proto`() throws {
    let (child, text) = try Child.output(
      of: URL(filePath: "/usr/bin/env"), ["bash", "scripts/schemas.sh", "--check"], in: Repository.root,
      joiningError: true)
    #expect(child.code == 0, "run make schemas: \(text)")
  }
}

/// Exports that the onnx package's own checker reads, whatever the opset.
@Suite struct ExportTests {
  static let opsets = Array(ONNXDecoder.opsets)

  private static func models() -> [(String, Model)] {
    var result: [(String, Model)] = []
    for cell in [Cell.rnn, .lstm, .gru(resetAfter: true), .gru(resetAfter: false)] {
      for direction in Direction.allCases {
        var specification = LayerSpecification(cell)
        specification.direction = direction
        specification.peepholes = cell == .lstm
        specification.clip = 3
        let model = specification.model(seed: 1, lengths: true, initialStates: true)
        result.append(("\(cell.name)-\(direction.rawValue)-\(result.count)", model))
      }
    }
    return result
  }

  @Test func `the onnx package's checker accepts every opset`() throws {
    let folder = try TemporaryFolder()
    var paths: [String] = []
    for opset in Self.opsets {
      // A Generate is a Loop from opset 11 on.
      let loops = GeneratingForm.allCases.map { ("loop-\($0)", $0.model(.lstm, seed: 1)) }
      for (name, model) in Self.models() + (opset >= 11 ? loops : []) {
        let encoded = try ONNXEncoder.encode(try ONNXExporter.export(model, opset: opset).model)
        paths.append(try folder.write(encoded.model.array, to: "\(name)-\(opset).onnx"))
      }
    }
    let list = try folder.write(paths.joined(separator: "\n").utf8, to: "list")
    let answer = try runPython(["Tests/judges/check_models.py", list])
    #expect(answer.trimmingCharacters(in: .whitespacesAndNewlines) == "\(paths.count)")
  }

  @Test(arguments: [7, 12, 17, 28])
  func `an export is imported as the same model`(opset: Int64) throws {
    for (name, model) in Self.models() {
      let encoded = try ONNXEncoder.encode(try ONNXExporter.export(model, opset: opset).model)
      let back = try ONNXImporter.importModel(try ONNXDecoder.decode(encoded.model, folder: nil)).model
      #expect(back.fingerprint == model.fingerprint, "\(name)")
    }
  }

  @Test func `equal models give equal bytes`() throws {
    for (_, model) in Self.models() {
      let first = try ONNXEncoder.encode(try ONNXExporter.export(model).model)
      let second = try ONNXEncoder.encode(try ONNXExporter.export(model).model)
      #expect(first.model == second.model)
    }
  }

  /// Recorded from packing in one piece by libprotobuf-c, before models were written as they are packed.
  @Test func `an export has the bytes that libprotobuf-c packs in one piece`() throws {
    let path = Repository.root.appending(path: "fixtures/demo/model.onnx").path
    let model = try ONNXImporter.importModel(
      try ONNXDecoder.decode(try ByteBuffer.open(path: path), folder: nil)
    ).model
    let encoded = try ONNXEncoder.encode(try ONNXExporter.export(model).model)
    #expect(sha256(of: encoded.model) == "db49b63958537b8cc637fe0318f7c52067864952e4102f9f9622d26c84e09ca3")
  }

  @Test func `weights are read wherever a graph has them, those of a page and more as windows`() throws {
    var generator = SeededGenerator(seed: 6)
    // Eight bytes are as long as what stands for them while the file is scanned; 128 and 16,384 change lengths' lengths.
    let counts = Array(0...40) + [1023, 1024, 4095, 4096, 5000]
    let tensors = counts.map { generator.tensor([$0]) }
    var graph = ONNXGraph(name: "g")
    for (index, tensor) in tensors.enumerated() {
      graph.initializers.append(.init("w\(index)", tensor))
      let branch = ONNXGraph(name: "b", initializers: [.init("inner", tensor)])
      graph.nodes.append(
        ONNXNode(
          "If", inputs: ["w\(index)"], outputs: [],
          attributes: ["value": .tensor(tensor), "then_branch": .graph(branch)], index: index))
    }
    let source = ONNXModel(irVersion: 8, opsets: ["": 17], graph: graph)
    let file = ByteBuffer(try ONNXEncoder.encode(source).model.array)
    let read = try ONNXDecoder.decode(file, folder: nil)
    #expect(read == source)
    let bounds = addresses(file)
    for initializer in read.graph.initializers where initializer.tensor.count >= 1024 {
      let place = addresses(initializer.tensor.bytes)
      #expect(bounds.lowerBound <= place.lowerBound && place.upperBound <= bounds.upperBound)
    }
  }

  private func addresses(_ bytes: ByteBuffer) -> Range<UInt> {
    bytes.withUnsafeBytes {
      UInt(bitPattern: $0.baseAddress)..<(UInt(bitPattern: $0.baseAddress) + UInt($0.count))
    }
  }

  @Test func `external data holds the large tensors, and is read back`() throws {
    var specification = LayerSpecification(.lstm)
    specification.hiddenSize = 32
    let model = specification.model(seed: 2)
    let encoded = try ONNXEncoder.encode(try ONNXExporter.export(model).model, externalData: "weights.bin")
    let folder = try TemporaryFolder()
    _ = try folder.write(ByteBuffer(joining: encoded.externalData).array, to: "weights.bin")
    #expect(encoded.model.count < 2000)
    let source = try ONNXDecoder.decode(encoded.model, folder: folder.path(""))
    #expect(try ONNXImporter.importModel(source).model.fingerprint == model.fingerprint)
    #expect(throws: ONNXError.self) { try ONNXDecoder.decode(encoded.model, folder: nil) }
  }

  /// Layers that ONNX has no operator for.
  private static let scanned: [LayerSpecification] = {
    var projected = LayerSpecification(.lstm)
    projected.projectionSize = 2
    return [projected, LayerSpecification(.minGRU)]
  }()

  @Test(arguments: Direction.allCases, [false, true])
  func `a layer without an operator becomes a Scan, and that becomes the layer again`(
    direction: Direction, lengths: Bool
  ) throws {
    for (index, opset) in ([11, 13, 18, 23] as [Int64]).enumerated() {
      for var specification in Self.scanned {
        specification.direction = direction
        specification.biases = opset != 13
        var model = specification.model(
          seed: UInt64(opset), lengths: lengths, initialStates: index % 2 == 0)
        // A length that the file fixes.
        if opset == 18 {
          for port in [\Model.inputs, \.outputs] { model[keyPath: port][0].axes[0].size = 5 }
        }
        let exported = try ONNXExporter.export(model, opset: opset)
        #expect(exported.model.graph.nodes.contains { $0.operation == "Scan" })
        let bytes = try ONNXEncoder.encode(exported.model).model
        let again = try ONNXImporter.importModel(ONNXDecoder.decode(bytes, folder: nil)).model
        #expect(again.fingerprint == model.fingerprint, "\(specification.cell), opset \(opset)")
      }
    }
  }

  @Test(arguments: Direction.allCases)
  func `the evaluator runs the Scan of a ragged batch as the canonical model runs`(_ direction: Direction)
    throws
  {
    for var specification in Self.scanned {
      specification.direction = direction
      let model = specification.model(seed: 5, lengths: true, initialStates: true)
      var generator = SeededGenerator(seed: 6)
      var inputs = ["lengths": Tensor([4, 1, 0] as [Int64], shape: [3])]
      for port in model.inputs where port.name != "lengths" {
        inputs[port.name] = generator.tensor(port.kind.hasTime ? [4, 3, 3] : [3, port.kind.features])
      }
      let exported = try ONNXExporter.export(model, opset: 17).model
      let found = try ONNXEvaluator(exported).run(inputs, precision: .float64)
      for (name, expected) in try forward(model, inputs: inputs, precision: .float64) {
        let apart = zip(try #require(found[name]).doubles, expected.doubles).map { abs($0 - $1) }
        #expect(
          apart.count == expected.count && apart.allSatisfy { $0 <= 1e-14 }, "\(specification.cell) \(name)")
      }
    }
  }

  @Test(arguments: [(0, false), (0, true), (1, false), (1, true)])
  func `a Scan that differs anywhere from the one that is written is no layer`(_ kind: Int, _ lengths: Bool)
    throws
  {
    let model = Self.scanned[kind].model(seed: 3, lengths: lengths)
    let exported = try ONNXExporter.export(model).model
    let place = try #require(exported.graph.nodes.firstIndex { $0.operation == "Scan" })
    guard case .graph(let body)? = exported.graph.nodes[place].attributes["body"] else {
      Issue.record("no body")
      return
    }
    #expect(body.nodes.count >= 7)
    for node in body.nodes.indices {
      var changed = body
      changed.nodes[node].operation = body.nodes[node].operation == "Add" ? "Sub" : "Add"
      var model = exported
      model.graph.nodes[place].attributes["body"] = .graph(changed)
      #expect(throws: ONNXError.self, "node \(node)") { try ONNXImporter.importModel(model) }
    }
  }

  @Test func `what a Scan with projection cannot hold is refused by name`() throws {
    var specification = LayerSpecification(.lstm)
    specification.projectionSize = 2
    for (opset, change) in [
      (17, { $0.peepholes = true }), (17, { $0.clip = 3 }),
      (17, { $0.inputForget = true }), (9, { _ in }),
    ] as [(Int64, (inout LayerSpecification) -> Void)] {
      var changed = specification
      change(&changed)
      let error = #expect(throws: ONNXError.self) {
        try ONNXExporter.export(changed.model(seed: 3), opset: opset)
      }
      #expect(error?.description.contains("projection") == true)
    }
  }
}
