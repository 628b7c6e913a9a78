import ByteIO
import Forward
import Foundation
import TestSupport
import Testing
import Verification

@testable import RNNConv

@Suite struct VerificationOptionTests {
  /// What only code sets: the tensors that files hold, and two economies of conversions and checks.
  private static let ofCode: Set = ["inputs", "isMeasuringRadius", "isSingleNeeded"]

  @Test func `every property is an option, or is set by code alone`() {
    let properties = Set(Mirror(reflecting: VerificationOptions()).children.compactMap(\.label))
    #expect(properties.subtracting(Self.ofCode) == Set(VerificationOption.allCases.map(\.rawValue)))
  }

  @Test func `what is told is read back, and counts as told`() throws {
    var told = VerificationOptions(
      seed: .max, suite: .thorough, tolerance: Tolerance(absolute: 1e-7, relative: 0.1), runtime: .keras)
    told.storage = .bfloat16
    told.activationError = 1e-4
    told.isDiagnosing = false
    var copy = VerificationOptions()
    for option in VerificationOption.allCases {
      #expect(copy.isStandard(option) && !told.isStandard(option), "\(option)")
      try copy.set(option, JSONNode<EvidenceError>(told.json(option), path: option.rawValue))
    }
    #expect(copy == told)
    // Evidence holds them all.
    var request = VerificationRequest(["a.onnx", "b.onnx"])
    request.options = told
    #expect(try RecordedRequest(request).request.options == told)
    request.options = VerificationOptions()
    #expect(try RecordedRequest(request).request.options == VerificationOptions())
  }

  @Test func `evidence states the arithmetic that was used`() throws {
    let folder = "\(Repository.root.path())/fixtures/demo"
    var request = VerificationRequest(["\(folder)/model.onnx"])
    request.inputs = [TensorArgument("\(folder)/inputs.npz")]
    request.expected = [TensorArgument("\(folder)/outputs.npz")]
    request.options.activationError = 0x1p-7
    let evidence = try Evidence(request, request.run()).json
    #expect("\(evidence["rounding"] ?? .null)".contains("0.0078125"))
  }

  @Test func `evidence that says less than was written is refused by name`() throws {
    func changed(_ key: String, _ value: JSONValue) throws -> RecordedRequest {
      var request = VerificationRequest(["a.onnx"])
      request.options.tolerance = Tolerance(absolute: 1, relative: 0.5)
      guard case .object(let members) = RecordedRequest(request).json else { throw CancellationError() }
      return RecordedRequest(.object(members.map { $0.key == key ? JSONMember(key, value) : $0 }))
    }
    #expect(try changed("tolerance", .null).request.options.tolerance == nil)
    #expect(try changed("storage", .null).request.options.storage == nil)
    for (key, value, word) in [
      ("seed", JSONValue.null, "request.seed"), ("suite", .null, "request.suite"),
      ("runtime", .null, "request.runtime"),
      ("tolerance", .object([JSONMember("absolute", .number(1))]), "relative"),
      ("tolerance", .object([JSONMember("relative", .number(1))]), "absolute"),
    ] {
      let error = #expect(throws: EvidenceError.self, "\(key)") { try changed(key, value).request }
      #expect(error?.description.contains(word) ?? false, "\(error.map { "\($0)" } ?? "")")
    }
  }
}
