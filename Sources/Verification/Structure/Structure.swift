public import Recurrent

/// How two models are built, side by side: which of their parameters are the same, which are one rounding apart, and which
/// differ. It is read off the models; nothing is run.
public struct Structure: Sendable, Equatable {
  /// Numbers that were compared.
  public var parameters = 0
  /// How many tensors hold them; two biases that are added count as one.
  public var tensors = 0
  /// Every tensor whose numbers are not all the same on both sides, in the order of the left model's layers.
  public var differences: [ParameterDifference] = []
  /// What layers do otherwise than by their tensors: a direction, an activation, a clip.
  public var attributes: [AttributeMismatch] = []
  /// Why the models cannot be laid side by side; nil where they can.
  public var unaligned: String?

  /// What the comparison comes to, best first.
  public enum Outcome: String, Sendable, Comparable, CaseIterable {
    /// Every parameter is the same number.
    case same
    /// The same after one stated rounding each.
    case rounded
    /// Apart by the few units in the last place that arithmetic on weights leaves.
    case near
    /// The layers correspond, but some does something else with its tensors: only outputs can tell whether it matters.
    case otherAttributes
    /// The models are built differently: outputs alone tell.
    case unaligned
    /// Some parameter is another number.
    case different

    private var rank: Int { Self.allCases.firstIndex(of: self)! }
    public static func < (left: Outcome, right: Outcome) -> Bool { left.rank < right.rank }
  }

  /// What all of it comes to.
  public var outcome: Outcome {
    if unaligned != nil { return .unaligned }
    if differences.contains(where: { $0.relation == .different }) { return .different }
    if attributes.contains(where: { !$0.isRounding }) { return .otherAttributes }
    if differences.contains(where: { $0.relation == .near }) { return .near }
    return differences.isEmpty && attributes.isEmpty ? .same : .rounded
  }

  /// Whether the parameters explain every difference of outputs: what is left is proven by each side's own road.
  public var isProof: Bool { outcome <= .near }
}

/// Something that two corresponding layers do otherwise.
public struct AttributeMismatch: Sendable, Equatable {
  /// The left model's layer, by name.
  public var layer: String
  /// Such as `clip` or `forward.gateActivation`.
  public var name: String
  /// The left side's, in words.
  public var left: String
  /// The right side's, in words.
  public var right: String
  /// Whether both are one number in Float32.
  public var isRounding = false
}

/// The numbers of one tensor (or of two biases that are added) that are not the same on both sides.
public struct ParameterDifference: Sendable, Equatable {
  /// The layer's name on the left side.
  public var left: String
  /// The layer's name on the right side.
  public var right: String
  /// Such as `forward.recurrentWeight`; `forward.bias` where two biases are added.
  public var role: String
  /// What explains all that differ.
  public var relation: Relation
  /// Elements that were compared.
  public var elements: Int
  /// Elements that are not the same number.
  public var differing: Int
  /// Elements that no rounding explains.
  public var unexplained: Int
  /// The largest difference in units in the last place of the narrower type at the term that it came from.
  public var largestUlps: Double
  /// The largest difference of two numbers.
  public var largestDifference: Double
  /// Whose rows hold what no rounding explains.
  public var gates: [Gate]
  /// Rows (of axis 0) with such elements.
  public var rows: Int
  /// All rows.
  public var rowCount: Int
  /// The first of the worst kind.
  public var first: Place

  /// One element, and its number on each side.
  public struct Place: Sendable, Equatable {
    /// In the tensor, a number for each axis.
    public var index: [Int]
    /// The left side's number.
    public var left: Double
    /// The right side's number.
    public var right: Double
  }

  /// What one side's numbers are of the other's.
  public enum Relation: Sendable, Hashable {
    /// One rounding each, checked element by element.
    case rounded(Rounding)
    /// Off by at most `Structure.nearUlps`.
    case near
    /// Another number.
    case different
  }

  /// A rounding that a conversion may do.
  public enum Rounding: Sendable, Hashable, CustomStringConvertible {
    /// To the narrower of the two element types.
    case narrowed(to: String)
    /// b_W + b_R kept as one number.
    case merged
    /// To multiples of one scale.
    case quantised(scale: Double)

    public var description: String {
      switch self {
      case .narrowed(let type): "rounded to \(type)"
      case .merged: "two biases added to one"
      case .quantised(let scale): "quantised, scale \(scale.brief)"
      }
    }
  }

  /// One line for a report.
  public var summary: String {
    (left == right ? "layer '\(left)', \(role)" : "layer '\(left)' ('\(right)'), \(role)") + ": \(finding)"
  }

  /// The same without the place.
  var finding: String {
    let at = first.index.map(String.init).joined(separator: ", ")
    switch relation {
    case .rounded(let rounding): return "\(differing) of \(elements) numbers \(rounding)"
    case .near:
      return
        "\(differing) of \(elements) numbers differ by at most \(largestUlps.brief) ulps, as arithmetic on weights leaves"
    case .different:
      let of = gates.isEmpty ? "" : ", in the rows of \(gates.map(\.rawValue).joined(separator: ", "))"
      return
        "\(unexplained) of \(elements) numbers differ, by up to \(largestDifference.brief)\(of); "
        + "\(rows) of \(rowCount) rows; first at [\(at)]: \(first.left) against \(first.right)"
    }
  }
}

extension Structure {
  /// More than scaling a weight, or dividing it by a norm, leaves: each takes a few roundings of half an ulp.
  static let nearUlps = 8.0
}
