import ReferenceMath
import TestSupport
import Testing

@testable import ONNXFormat

@Suite("Operator signatures")
struct EvaluatorSignatureTests {
  @Test("are those of the onnx package, for every opset")
  func agreeWithPackage() throws {
    let names = Signature.names
    let printed = try runPython(["Tests/judges/evaluator_signatures.py"] + names)
    let expected = printed.split(separator: "\n")
    #expect(Signature.text.split(separator: "\n") == expected)
    #expect(names.reduce(0) { $0 + Signature.all($1).count } == expected.count)
  }

  @Test("and functions belong to the same operators")
  func haveFunctions() {
    #expect(Evaluation<Float>.operatorNames == Signature.names)
  }
}
