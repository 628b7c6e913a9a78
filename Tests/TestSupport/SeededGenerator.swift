public import Tensors

/// SplitMix64 (Steele, Lea, Flood 2014): tests name their seed, so a failure can be repeated.
public struct SeededGenerator: RandomNumberGenerator, Sendable {
  private var state: UInt64

  public init(seed: UInt64) { state = seed }

  public mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }

  /// Float32 numbers, uniform in ±scale.
  public mutating func floats(_ count: Int, scale: Float = 1) -> [Float] {
    (0..<count).map { _ in Float.random(in: -scale...scale, using: &self) }
  }

  /// A Float32 tensor, uniform in ±scale.
  public mutating func tensor(_ shape: [Int], scale: Float = 1) -> Tensor {
    Tensor(floats(shape.reduce(1, *), scale: scale), shape: shape)
  }
}
