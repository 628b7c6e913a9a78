import ByteIO
import Foundation
import NativeFormat
import NumPyFormat
import Recurrent
import Tensors
import TestSupport

/// The models and tensors that the tests of the command line start from.
enum Sample {
  static let demo = Repository.fixtures.appending(path: "demo/model.onnx").path
  static let demoInputs = Repository.fixtures.appending(path: "demo/inputs.npz").path
  static let demoOutputs = Repository.fixtures.appending(path: "demo/outputs.npz").path
  static let hostile = Repository.fixtures.appending(path: "hostile")
  static let valid = hostile.appending(path: "valid.onnx").path

  /// A model as the bytes of a `.rnnw` file.
  static func rnnw(_ model: Model) throws -> [UInt8] {
    ByteBuffer(joining: try NativeFormat.encode(model)).array
  }

  /// One LSTM layer, its weights drawn from `seed`.
  static func lstm(seed: UInt64) throws -> [UInt8] {
    try rnnw(LayerSpecification(.lstm).model(seed: seed))
  }

  static func npy(_ tensor: Tensor) throws -> [UInt8] {
    ByteBuffer(joining: try NumPyFormat.encodeArray(tensor)).array
  }

  static func npz(_ path: String) throws -> [String: Tensor] {
    try npz(try ByteBuffer.open(path: path))
  }

  static func npz(_ bytes: ByteBuffer) throws -> [String: Tensor] {
    let entries = try NumPyFormat.decodeArchive(bytes).map { ($0.name, $0.tensor) }
    return Dictionary(uniqueKeysWithValues: entries)
  }

  /// The largest difference between two tensors; infinite where their shapes differ or a number is none.
  static func distance(_ left: Tensor?, _ right: Tensor?) -> Double {
    guard let left, let right, left.shape == right.shape else { return .infinity }
    return zip(left.doubles, right.doubles).reduce(0) { worst, pair in
      let difference = abs(pair.0 - pair.1)
      // max would pass over a NaN.
      return difference.isNaN ? .infinity : max(worst, difference)
    }
  }
}
