internal import Dispatch
public import Forward
public import StateDicts
public import Tensors
public import Verification

// What takes long, for tasks: it runs on threads of its own, and none of Swift's pool waits for it.

/// Runs `work` outside Swift's pool of threads.
func outsideThePool<Result: Sendable>(
  _ work: @escaping @Sendable () throws(RNNConvError) -> Result
) async throws(RNNConvError) -> Result {
  let result = await withCheckedContinuation { continuation in
    DispatchQueue.global().async { continuation.resume(returning: Swift.Result(catching: work)) }
  }
  return try result.get()
}

extension ModelFile {
  /// As the function of the same name, without blocking the task's thread.
  public static func open(
    _ path: String, format: Format? = nil, bindings: [String: Tensor] = [:],
    architecture: ArchitectureOptions = ArchitectureOptions(), limits: Limits = .standard
  ) async throws(RNNConvError) -> ModelFile {
    try await outsideThePool { () throws(RNNConvError) in
      try open(path, format: format, bindings: bindings, architecture: architecture, limits: limits)
    }
  }

  /// As the function of the same name, without blocking the task's thread.
  public func run(
    _ inputs: [String: Tensor], precision: Precision = .float32
  ) async throws(RNNConvError) -> [String: Tensor] {
    try await outsideThePool { () throws(RNNConvError) in try run(inputs, precision: precision) }
  }

  /// As the function of the same name, without blocking the task's thread.
  public func evaluate(
    _ inputs: [String: Tensor], precision: Precision = .float32
  ) async throws(RNNConvError) -> [String: Tensor] {
    try await outsideThePool { () throws(RNNConvError) in try evaluate(inputs, precision: precision) }
  }

  /// As the function of the same name, without blocking the task's thread.
  public func convert(
    to path: String, _ options: ConversionOptions = ConversionOptions()
  ) async throws(RNNConvError) -> Conversion {
    try await outsideThePool { () throws(RNNConvError) in try convert(to: path, options) }
  }

  /// As the function of the same name, without blocking the task's thread.
  public func verify(
    against other: ModelFile, _ options: VerificationOptions = VerificationOptions()
  ) async throws(RNNConvError) -> VerificationReport {
    try await outsideThePool { () throws(RNNConvError) in try verify(against: other, options) }
  }
}

extension PreparedModel {
  /// As the function of the same name, without blocking the task's thread.
  public func run(_ inputs: [String: Tensor]) async throws(RNNConvError) -> [String: Tensor] {
    try await outsideThePool { () throws(RNNConvError) in try run(inputs) }
  }
}
