import Foundation
import ONNXFormat
import ReferenceMath
import Tensors
import TestSupport
import Testing

/// The evaluator's own bounds, held against what other runtimes computed in Float32.
@Suite("Bounds of the ONNX evaluator")
struct EvaluatorBoundTests {
  /// The widest of the runtimes that were measured (docs/activation-accuracy.md).
  static let functions = RuntimeFunctions(
    sigmoid: FunctionAccuracy(relative: 0, absolute: 6e-7),
    tanh: FunctionAccuracy(relative: 5e-7, absolute: 7e-7),
    elementary: FunctionAccuracy(relative: 0x1p-21, absolute: 0x1p-126))

  /// What was seen of some cases.
  struct Tally {
    var numbers = 0
    /// Of which something is known.
    var bounded = 0
    /// Largest deviation ÷ bound of each case.
    var ratios: [Double] = []
    var failures: [String] = []

    /// Takes a case into account: its recorded floats must lie within the bounds.
    mutating func add(_ name: String, _ test: EvaluatorCase) {
      do {
        let bounds = try ONNXEvaluator(test.model).bounds(
          test.inputs, .float32, EvaluatorBoundTests.functions)
        var largest = 0.0
        for (output, expected) in zip(test.model.graph.outputs.map(\.name), test.expected) {
          guard let bound = bounds[output] else { continue }
          guard bound.shape == expected.shape else {
            if !bound.radii.contains(.infinity) { failures.append("\(name): shape \(expected.shape)") }
            continue
          }
          for (index, number) in expected.doubles.enumerated() {
            numbers += 1
            let (value, radius) = (bound.values[index], bound.radii[index])
            if radius == .infinity { continue }
            bounded += 1
            let isSame = value == number || value.isNaN && number.isNaN
            // A recording in half precision is rounded once more, below its smallest normal number by a fixed step.
            let unit = expected.elementType.isFloat ? expected.elementType.unitRoundoff : 0
            let least = expected.elementType == .float16 ? 0x1p-14 : 0x1p-126
            let stored = unit > 0x1p-24 ? unit * max(abs(number), least) * 1.01 : 0
            let deviation = isSame ? 0 : abs(value - number)
            if !(deviation <= radius + stored) {
              failures.append("\(name): \(output)[\(index)] is \(number), not \(value) ± \(radius)")
              break
            }
            if radius > 0 { largest = max(largest, deviation / (radius + stored)) }
          }
        }
        ratios.append(largest)
      } catch { failures.append("\(name): \(error)") }
    }
  }

  private static func say(_ what: String, _ tally: Tally) {
    guard ProcessInfo.processInfo.environment["RNNCONV_FIGURES"] != nil else { return }
    let ratios = tally.ratios.sorted()
    print(
      "\(what): \(ratios.count) cases, \(tally.numbers) numbers, \(tally.bounded) bounded; deviation ÷ bound of a case: median "
        + "\(ratios[ratios.count / 2]), largest \(ratios.last ?? 0)")
  }

  /// Cases in a folder that a script under Tests/judges writes.
  private static func names(_ folder: URL) throws -> [String] {
    try String(contentsOf: folder.appending(path: "cases.txt"), encoding: .utf8).split(separator: "\n").map(
      String.init)
  }

  @Test func `hold what onnxruntime computes of random graphs, optimised`() throws {
    let folder = Repository.root.appending(path: ".build/evaluator-bounds")
    try? FileManager.default.removeItem(at: folder)
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    _ = try runPython(["Tests/judges/evaluator_bounds.py", folder.path])
    let names = try Self.names(folder)
    #expect(names.count == 300)
    var tally = Tally()
    for name in names {
      let path = folder.appending(path: name)
      tally.add(name, try EvaluatorCase(model: path.appending(path: "model.onnx"), data: path))
    }
    #expect(tally.failures.isEmpty, "\(tally.failures.prefix(10))")
    Self.say("random graphs", tally)
    // Bounds that hold everything by saying nothing are none.
    let median = tally.ratios.sorted()[tally.ratios.count / 2]
    #expect(tally.bounded > tally.numbers * 9 / 10, "\(tally.bounded) of \(tally.numbers) are bounded")
    #expect(median > 0.01, "the usual bound is \(1 / median) times the deviation")
  }

  @Test func `hold what onnxruntime computes in every operator and attribute`() throws {
    let (folder, names, _) = try EvaluatorTests.generated.get()
    var tally = Tally()
    for name in names {
      let path = folder.appending(path: name)
      tally.add(name, try EvaluatorCase(model: path.appending(path: "model.onnx"), data: path))
    }
    Self.say("operators and attributes", tally)
    #expect(tally.failures.isEmpty, "\(tally.failures.count): \(tally.failures.prefix(20))")
    #expect(tally.bounded > tally.numbers * 98 / 100, "\(tally.bounded) of \(tally.numbers) are bounded")
  }

  @Test func `hold what the onnx package recorded of its nodes`() throws {
    let names = try FileManager.default.contentsOfDirectory(atPath: EvaluatorBackendTests.folder.path)
      .sorted()
    var (tally, cases) = (Tally(), 0)
    for name in names where name.hasPrefix("test_") {
      if EvaluatorBackendTests.exceptions.contains(name) { continue }
      let path = EvaluatorBackendTests.folder.appending(path: name)
      let data = path.appending(path: "test_data_set_0")
      guard let test = try? EvaluatorCase(model: path.appending(path: "model.onnx"), data: data),
        test.failure(.float64) == nil
      else { continue }
      cases += 1
      tally.add(name, test)
    }
    Self.say("backend nodes", tally)
    #expect(tally.failures.isEmpty, "\(tally.failures.count): \(tally.failures.prefix(20))")
    #expect(cases > 900, "\(cases) cases")
    #expect(tally.bounded > tally.numbers * 95 / 100, "\(tally.bounded) of \(tally.numbers) are bounded")
  }
}
