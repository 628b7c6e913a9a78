import ByteIO
import Foundation
import ONNXFormat
import TestSupport
import Testing

/// All node cases that the onnx package itself ships (wheel 1.16.2, the last that holds them as files; scripts/backend-data.sh).
@Suite("ONNX evaluator on the backend node cases")
struct EvaluatorBackendTests {
  static let folder = URL(
    filePath: ProcessInfo.processInfo.environment["RNNCONV_BACKEND_NODES"]
      ?? Repository.root.appending(path: ".peers/backend-nodes").path)

  /// Cases of operators and types that are evaluated, which are not passed all the same.
  static let exceptions = [
    // Divides by what lies beyond the padding, too. onnx 1.23's own reference and onnxruntime do not.
    "test_averagepool_3d_dilations_large_count_include_pad_is_1_ceil_mode_is_True",
    // Take the length of the resized axis for scale times the old one, a fraction; the text and onnxruntime take it as it is.
    "test_resize_downsample_scales_cubic_align_corners", "test_resize_downsample_scales_linear_align_corners",
    // Recorded to four decimals.
    "test_gridsample_bicubic",
  ]

  /// What keeps a case from being evaluated, by how the error puts it.
  static let reasons = [
    "data type 8 is not supported": "strings",
    "data type 17 is not supported": "8-bit floats", "data type 18 is not supported": "8-bit floats",
    "data type 19 is not supported": "8-bit floats", "data type 20 is not supported": "8-bit floats",
    "data type 21 is not supported": "4-bit integers", "data type 22 is not supported": "4-bit integers",
    "not sequences or optionals": "sequences as inputs and outputs of a graph",
    "only inference is evaluated": "training", "(opset_import is missing)": "training",
    // Their tensors hold bfloat16 as uint16, which the models do not state.
    "the graph takes BF16, not U16": "bfloat16 in tensors of uint16",
    "expected uint16": "bfloat16 in tensors of uint16",
  ]

  @Test(
    "computes the recorded outputs, wherever operators and types are known",
    arguments: EvaluationPrecision.allCases)
  func passes(precision: EvaluationPrecision) throws {
    let names = try FileManager.default.contentsOfDirectory(atPath: Self.folder.path).sorted().filter {
      $0.hasPrefix("test_")
    }
    #expect(names.count == 1_282, "run scripts/backend-data.sh")
    var (passed, unevaluated) = (0, [String: Int]())
    for name in names {
      let path = Self.folder.appending(path: name)
      let sets = try FileManager.default.contentsOfDirectory(atPath: path.path).filter {
        $0.hasPrefix("test_data_set_")
      }
      #expect(!sets.isEmpty, "\(name) has no data")
      for set in sets {
        guard let failure = failure(path, path.appending(path: set), precision) else {
          #expect(!Self.exceptions.contains(name), "\(name) is passed")
          passed += 1
          continue
        }
        if Self.exceptions.contains(name) { continue }
        if let reason = Self.reasons.first(where: { failure.contains($0.key) })?.value {
          unevaluated[reason, default: 0] += 1
        } else if let operation = failure.firstMatch(of: /\((\w+)\): .*operator.* is not supported/)?.1 {
          unevaluated[String(operation), default: 0] += 1
        } else {
          Issue.record("\(name)/\(set): \(failure)")
        }
      }
    }
    let rest = unevaluated.sorted { $0.key < $1.key }.map { "\($0.key): \($0.value)" }
    #expect(passed == 965 && unevaluated.values.reduce(0, +) == 313, "\(passed); not evaluated \(rest)")
  }

  private func failure(_ path: URL, _ data: URL, _ precision: EvaluationPrecision) -> String? {
    do {
      return try EvaluatorCase(model: path.appending(path: "model.onnx"), data: data).failure(precision)
    } catch { return "\(error)" }
  }
}
