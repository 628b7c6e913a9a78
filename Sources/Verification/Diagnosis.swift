public import Recurrent

/// Where two sides part, and which known mistake explains it.
public struct Diagnosis: Sendable, Equatable {
  /// The side that is judged, and the one that it is judged by.
  public var suspect: String
  public var reference: String
  /// Where they part, in words: output and step, layer, gate.
  public var places: [String] = []
  /// Every known mistake that, alone, explains every output on every probe.
  public var explanations: [Explanation] = []
  /// How many ways of making a mistake were tried.
  public var tried = 0
  /// False where the model is so large that trying was cut short.
  public var isComplete = true
  /// The suspect's model with the mistake taken back: only where one explanation is left.
  public var mended: Model?

  public struct Explanation: Sendable, Equatable {
    public var mistake: String
    /// In plain words.
    public var name: String
    public var place: String
    public var evidence: Evidence

    /// What it rests on.
    public enum Evidence: String, Sendable {
      /// The mistake, made in the reference, gives the suspect's model bit for bit.
      case weights
      /// It gives the same outputs within their rounding bounds.
      case outputs
    }
  }

  /// Whether exactly one of all known mistakes explains the data.
  public var isCertain: Bool { isComplete && explanations.count == 1 }

  /// One sentence.
  public var summary: String {
    let all = explanations.prefix(4).map { "\($0.name) (\($0.place))" }.joined(separator: "; or ")
    if isCertain { return "certain: in \(suspect), \(all)" }
    switch explanations.count {
    case 0:
      return "none of the known mistakes explains it (\(tried) tried"
        + (isComplete ? ")" : "; the model is too large to try them all)")
    case 1: return "perhaps: in \(suspect), \(all); the model is too large to try every known mistake"
    default:
      let more = explanations.count > 4 ? "; and \(explanations.count - 4) more" : ""
      return
        "several known mistakes explain it alike, so it is not certain which: in \(suspect), \(all)\(more)"
    }
  }
}
