public import ByteIO

/// A reader, or the evaluator, as something that takes any bytes: it may refuse them, and must not trap, hang or take
/// more memory than `limits` allow.
public struct FuzzTarget: Sendable {
  public let name: String
  private let use: @Sendable (ByteBuffer) -> Bool

  init(_ name: String, _ use: @escaping @Sendable (ByteBuffer) -> Bool) {
    self.name = name
    self.use = use
  }

  /// Whether the bytes were what the target reads, as far as it goes.
  @discardableResult
  public func run(_ bytes: ByteBuffer) -> Bool { use(bytes) }

  public static let all: [FuzzTarget] = [
    .rnnw, .onnx, .safetensors, .pytorch, .numpy, .description, .json, .evaluator,
  ]

  /// Small files are all that a fuzzer makes, and small sizes all that they may honestly ask for.
  static let limits: Limits = {
    var limits = Limits()
    limits.elements = 1 << 16
    limits.evaluationSteps = 10_000
    limits.inflatedBytes = 1 << 22
    return limits
  }()
}
