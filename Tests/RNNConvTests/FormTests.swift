import ByteIO
import Foundation
import NativeFormat
import ONNXFormat
import RNNConv
import TestSupport
import Testing
import Verification

/// The forms of recurrent model: many to one, many to many, one to many, sequence to sequence.
///
/// The shipped examples were trained by PyTorch (fixtures/train_examples.py), which also recorded what they put out.
@Suite(.serialized) struct FormTests {
  static let folder = Repository.fixtures.appending(path: "forms")
  static let names = ["adding", "captioning", "latching", "orbit", "parity", "reversal", "sentiment"]

  struct Example {
    let name: String
    var path: String { FormTests.folder.appending(path: "\(name)/example.model.json").path }
    var inputsPath: String { FormTests.folder.appending(path: "\(name)/inputs.npz").path }
    func inputs() throws -> [String: Tensor] { try RecordedCase.tensors(inputsPath) }
    func outputs() throws -> [String: Tensor] {
      try RecordedCase.tensors(FormTests.folder.appending(path: "\(name)/outputs.npz").path)
    }
  }

  @Test(arguments: names)
  func `what PyTorch recorded is within the bound, tokens are equal`(_ name: String) throws {
    let example = Example(name: name)
    let file = try ModelFile.open(example.path)
    let (inputs, outputs) = (try example.inputs(), try example.outputs())
    #expect(Set(outputs.keys) == Set(try file.model.outputs.map(\.name)))
    expectWithinBound(file, inputs, outputs, name, runtime: .pytorch)
    let found = try file.run(inputs)
    for (output, tensor) in outputs where !tensor.elementType.isFloat {
      #expect(found[output] == tensor, "\(name), \(output)")
    }
  }

  @Test func `onnxruntime runs the exports: within the bound, tokens are equal`() throws {
    var judge = try ExportJudge()
    defer { judge.remove() }
    for name in Self.names {
      let example = Example(name: name)
      let model = try ModelFile.open(example.path).model
      for opset in [11, 17, 21] as [Int64] {
        let path = try judge.add(model, "\(name)-\(opset)", opset: opset, inputs: example.inputsPath)
        let again = try ModelFile.open(path)
        #expect(try again.model.fingerprint == model.fingerprint, "\(name), opset \(opset)")
        let report = try ModelFile.open(example.path).verify(
          against: again, VerificationOptions(inputs: try example.inputs()))
        #expect(report.verdict <= .equal, "\(name), opset \(opset): \(report.verdict) \(report.reasons)")
        #expect(!report.roads.isEmpty && report.roads.allSatisfy { $0.verdict <= .equal })
      }
    }
    let (outputs, refused) = try judge.run()
    #expect(refused.isEmpty, "\(refused)")
    for name in Self.names {
      let example = Example(name: name)
      let recorded = try example.outputs()
      for opset in [11, 17, 21] {
        let theirs = try #require(outputs["\(name)-\(opset)"])
        expectWithinBound(try ModelFile.open(example.path), try example.inputs(), theirs, "\(name)-\(opset)")
        for (output, tensor) in recorded where !tensor.elementType.isFloat {
          #expect(theirs[output] == tensor, "\(name), opset \(opset), \(output)")
        }
      }
    }
  }

  /// Random weights, every cell: rows of one batch stop at different steps.
  @Test func `onnxruntime agrees on random loops of every cell`() throws {
    var judge = try ExportJudge()
    defer { judge.remove() }
    let folder = try TemporaryFolder()
    var cases: [(name: String, model: Model, inputs: [String: Tensor])] = []
    var generator = SeededGenerator(seed: 21)
    for cell in Cell.all {
      for form in GeneratingForm.allCases {
        for seed in UInt64(0)..<12 {
          let model = form.model(cell, seed: 100 + seed)
          let batch = 5
          var inputs: [String: Tensor] = [:]
          for port in model.inputs {
            switch port.kind {
            case .vector(let features): inputs[port.name] = generator.tensor([batch, features], scale: 2)
            case .tokens:
              inputs[port.name] = Tensor((0..<(4 * batch)).map { Int64($0 * 7 % 9) }, shape: [4, batch])
            case .indices where port.name == "lengths":
              inputs[port.name] = Tensor([Int64(4), 1, 2, 3, 4], shape: [batch])
            default: inputs[port.name] = Tensor((0..<batch).map { Int64($0) }, shape: [batch])
            }
          }
          let name = "\(cell.name)\(cell == .gru(resetAfter: false) ? "-before" : "")-\(form)-\(seed)"
          let path = folder.path("\(name).npz")
          try TensorFile.write(inputs.map { ($0.key, $0.value) }, to: path)
          _ = try judge.add(model, name, opset: 17, inputs: path)
          cases.append((name, model, inputs))
        }
      }
    }
    let (outputs, refused) = try withExtendedLifetime(folder) { try judge.run() }
    #expect(refused.isEmpty, "\(refused)")
    var (raggedBatches, equal) = (0, 0)
    for (name, model, inputs) in cases {
      let theirs = try #require(outputs[name])
      let ours = try ModelFile(model, name: name).run(inputs)
      for (output, tensor) in ours {
        #expect(theirs[output]?.shape == tensor.shape, "\(name), \(output)")
        if tensor.elementType.isFloat { continue }
        #expect(theirs[output] == tensor, "\(name), \(output)")
      }
      if let steps = try ours["steps"]?.integers(), Set(steps).count > 1 { raggedBatches += 1 }
      let report = try ModelFile(model, name: name).verify(
        expected: theirs, from: "onnxruntime", VerificationOptions(inputs: inputs))
      // Where a bound cannot tell which token wins, that is what the verdict says; never that they differ.
      #expect(report.verdict != .different, "\(name): \(report.reasons)")
      if report.verdict <= .equal { equal += 1 }
    }
    #expect(equal > 0, "nothing is decided")
    #expect(raggedBatches >= 8, "rows stop at different steps in \(raggedBatches) batches only")
  }

  @Test(arguments: names)
  func `an example survives .rnnw and ONNX`(_ name: String) throws {
    let model = try ModelFile.open(Example(name: name).path).model
    let back = try NativeFormat.decode(ByteBuffer(joining: try NativeFormat.encode(model)))
    #expect(back == model)
    let exported = try ONNXEncoder.encode(try ONNXExporter.export(model).model).model
    let again = try ONNXImporter.importModel(try ONNXDecoder.decode(exported, folder: nil)).model
    #expect(again.fingerprint == model.fingerprint)
  }

  @Test func `the captions and the reversed sequences are those that were learned`() throws {
    // What training was for, checked without PyTorch: the answers are right, not only equal.
    let reversal = Example(name: "reversal")
    let inputs = try reversal.inputs()
    let answer = try ModelFile.open(reversal.path).run(inputs)
    let (letters, lengths) = (try inputs["letters"]!.integers(), try inputs["lengths"]!.integers())
    let (found, steps) = (try answer["answer"]!.integers(), try answer["answer_lengths"]!.integers())
    for row in 0..<6 {
      let word = (0..<Int(lengths[row])).map { letters[$0 * 6 + row] }
      let reversed = (0..<Int(steps[row])).map { found[$0 * 6 + row] }
      #expect(reversed == word.reversed() + [1], "row \(row)")
    }
    #expect(Set(steps).count > 2)
  }
}
