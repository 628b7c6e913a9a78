/// What verification found, best first.
public enum Verdict: String, Sendable, Comparable, CaseIterable {
  /// One fingerprint, and every output equal bit for bit.
  case identical
  /// The same but for rounding: every parameter is the same after at most one stated rounding, or every output lies within a
  /// bound, or deviates like rounding noise, which would show any mistake.
  case equal
  /// Only within the tolerance that the user gave.
  case close
  /// Neither: deviations are larger than noise and no proof of a mistake, or rounding alone may hide one.
  case inconclusive
  /// A parameter is another one, or some output lies outside its bound, or beyond all noise.
  case different

  public static func < (left: Verdict, right: Verdict) -> Bool {
    left.rank < right.rank
  }

  private var rank: Int {
    switch self {
    case .identical: 0
    case .equal: 1
    case .close: 2
    case .inconclusive: 3
    case .different: 4
    }
  }
}

/// A tolerance that the user gave: `|Δ| ≤ absolute + relative·|reference|`.
public struct Tolerance: Sendable, Equatable {
  /// In the unit of the output.
  public var absolute: Double
  /// As a share of the reference.
  public var relative: Double

  /// A tolerance of both parts; what is left out allows nothing.
  public init(absolute: Double = 0, relative: Double = 0) {
    self.absolute = absolute
    self.relative = relative
  }
}
