internal import Synchronization

/// How far a function of a runtime may be off: `relative · |f(x)| + absolute`.
public struct FunctionAccuracy: Sendable, Hashable {
  public var relative: Double
  public var absolute: Double

  public init(relative: Double, absolute: Double) {
    self.relative = relative
    self.absolute = absolute
  }

  @inlinable func bound(_ magnitude: Double) -> Double { relative * magnitude + absolute }
}

/// What is assumed of the functions of a runtime whose evaluations are bounded.
public struct RuntimeFunctions: Sendable, Hashable {
  public var sigmoid: FunctionAccuracy
  public var tanh: FunctionAccuracy
  /// All others.
  public var elementary: FunctionAccuracy

  public init(sigmoid: FunctionAccuracy, tanh: FunctionAccuracy, elementary: FunctionAccuracy) {
    (self.sigmoid, self.tanh, self.elementary) = (sigmoid, tanh, elementary)
  }
}

/// What holds while an evaluation in `BoundedNumber` or `NoisyNumber` runs, which it does on one thread.
public final class EvaluationRules: Sendable {
  public let functions: RuntimeFunctions
  /// Of the errors that are drawn; even but for bit 0, which is set.
  public let seed: UInt64
  private let undecided = Atomic(false)

  public init(_ functions: RuntimeFunctions, seed: UInt64 = 0) {
    self.functions = functions
    // A seed of 0 is that of exact numbers.
    self.seed = seed | 1
  }

  /// Those of the evaluation that runs. Functions of four units in Float32's last place, where nobody said otherwise.
  @TaskLocal public static var current = EvaluationRules(
    RuntimeFunctions(sigmoid: .float32, tanh: .float32, elementary: .float32))

  /// Notes that something was decided which another evaluation may decide otherwise.
  public static func noteUndecided() { current.undecided.store(true, ordering: .relaxed) }

  /// Whether that was noted since the last call.
  static func takeUndecided() -> Bool { current.undecided.exchange(false, ordering: .relaxed) }
}

extension FunctionAccuracy {
  /// Four units in the last place.
  static let float32 = FunctionAccuracy(relative: 0x1p-21, absolute: 0x1p-126)
}
