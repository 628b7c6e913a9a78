public import Recurrent

/// Where two sides part, and which known mistake explains it.
public struct Diagnosis: Sendable, Equatable {
  /// Name of the side that is judged.
  public var suspect: String
  /// Name of the side that it is judged by.
  public var reference: String
  /// Where they part, in words: output and step, layer, tensor, gate.
  public var places: [String] = []
  /// Every known mistake that, alone, explains all of it.
  public var explanations: [Explanation] = []
  /// How many ways of making a mistake were tried.
  public var tried = 0
  /// False where trying was cut short.
  public var isComplete = true
  /// The suspect's own model with the mistake taken back: only where one explanation is left, and nothing was lost for good.
  public var mended: Model?
  /// What somebody can do who gave an option; nil where no option is behind it.
  public var suggestion: Suggestion?

  /// One known mistake, made in one place, that explains the difference.
  public struct Explanation: Sendable, Equatable {
    /// The mistake's id, such as `gate-order`.
    public var mistake: String
    /// The mistake in plain words.
    public var name: String
    /// Where it is made, in words: layers, tensors, gates.
    public var place: String
    /// What shows it.
    public var evidence: Evidence
    /// Whether either side may be the one that suffered it: what can be taken back in one can be made in the other.
    public var isMutual = false
    /// Whether it leaves differences of a few units in the last place, which may be a second mistake's.
    public var leavesUlps = false

    /// What it rests on.
    public enum Evidence: String, Sendable {
      /// The mistake, made in the reference, gives the suspect's parameters, one stated rounding aside.
      case weights
      /// It gives the same outputs within their rounding bounds.
      case outputs
    }
  }

  /// An option that settles the difference; it was tried.
  public enum Suggestion: Sendable, Equatable {
    /// The left side takes one thing of its last recurrent layer, the right side another (`last`, `hidden`, `mean` or `max`).
    case select(left: String, right: String)
    /// One side has time first, the other one the batch.
    case batchFirst
  }

  /// Whether exactly one of all known mistakes explains the data.
  public var isCertain: Bool { isComplete && explanations.count == 1 && !explanations[0].leavesUlps }

  /// One sentence.
  public var summary: String {
    let all = explanations.prefix(4).map { "\($0.name) (\($0.place))" }.joined(separator: "; or ")
    if isCertain {
      let isOpen = explanations[0].isMutual && (explanations[0].evidence == .outputs || suggestion != nil)
      return "certain\(isOpen ? " if \(reference) is right" : ""): in \(suspect), \(all)"
    }
    switch explanations.count {
    case 0 where tried == 0: return "no known mistake can be tried on it"
    case 0:
      return "none of the known mistakes explains it (\(tried) tried"
        + (isComplete ? ")" : "; cut short, as the models are too large to try them all)")
    case 1 where explanations[0].leavesUlps:
      return "perhaps: in \(suspect), \(all); but it leaves differences of a few units in the last place"
    case 1:
      return "perhaps: in \(suspect), \(all); the models are too large to try every known mistake"
    default:
      let more = explanations.count > 4 ? "; and \(explanations.count - 4) more" : ""
      return
        "several known mistakes explain it alike, so it is not certain which: in \(suspect), \(all)\(more)"
    }
  }
}

extension Diagnosis {
  /// What whoever asked can do.
  public enum Remedy: Sendable, Equatable {
    /// Run this: it writes the suspect's model with its mistake taken back.
    case command(String)
    /// Ask otherwise: no file is wrong but this option, in a sentence.
    case option(String)
  }
}
