public import Tensors

/// A narrower type that weights are stored in, though computed with in the precision of the pass.
public enum WeightStorage: String, Sendable, Hashable, CaseIterable {
  /// IEEE 754 binary16: each weight to nearest.
  case float16 = "F16"
  /// The upper half of a binary32: each weight to nearest.
  case bfloat16 = "BF16"
  /// 8-bit integers, symmetric, one scale a tensor: max|w| ÷ 127. Vectors (biases, peepholes) stay as they are.
  case int8 = "I8"

  /// The tensor as this type holds it: a float tensor's numbers moved by one rounding each.
  public func stored(_ tensor: Tensor) -> Tensor {
    let result: Tensor?
    switch self {
    case .float16: result = try? tensor.converted(to: .float16).tensor
    case .bfloat16: result = try? tensor.converted(to: .bfloat16).tensor
    case .int8: result = tensor.shape.count < 2 ? tensor : tensor.quantized()
    }
    return result ?? tensor
  }
}
