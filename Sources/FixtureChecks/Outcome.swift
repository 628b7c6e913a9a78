public import ByteIO
public import Verification

/// What checking one fixture found.
public struct Outcome: Sendable, Equatable {
  public var fixture: String
  /// Nothing is wrong where there are none.
  public var problems: [Problem] = []
  public var comparisons: [Comparison] = []
  /// What does not fail the fixture and is worth knowing.
  public var notes: [String] = []
  /// Why it was not checked.
  public var skipped: String?
  public var seconds = 0.0

  public init(_ fixture: String) { self.fixture = fixture }

  public enum Status: String, Sendable { case passed, failed, skipped }

  public var status: Status { skipped != nil ? .skipped : problems.isEmpty ? .passed : .failed }

  /// The worst verdict of all comparisons; nil where nothing could be compared.
  public var verdict: Verdict? { comparisons.map(\.verdict).max() }

  /// Two sides that were compared.
  public struct Comparison: Sendable, Equatable {
    public var left: String
    public var right: String
    public var verdict: Verdict
  }
}

/// Why a fixture fails.
public struct Problem: Sendable, Equatable {
  public var kind: Kind
  /// The file at fault, from the manifest's folder.
  public var file: String
  public var message: String

  public init(_ kind: Kind, _ file: String, _ message: String) {
    self.kind = kind
    self.file = file
    self.message = message
  }

  /// The raw values are rules' and failures' names in reports, and stay as they are.
  public enum Kind: String, Sendable, CaseIterable {
    case different
    case inconclusive
    case worse = "worse-verdict"
    case alike = "not-different"
    case fingerprint
    case blind
    case accepted = "not-refused"
    case missing
    case unreadable
    case crash
    case timeout

    /// In one sentence.
    public var summary: String {
      switch self {
      case .different: "The models, or a model and its expected outputs, compute something else."
      case .inconclusive: "The arithmetic cannot tell whether both sides compute the same."
      case .worse: "The verdict is worse than the fixture allows."
      case .alike: "Models that must differ do not."
      case .fingerprint: "A model is not the one that was recorded."
      case .blind: "The inputs could not notice a mistake in a convention."
      case .accepted: "A bad file was read, or refused for another reason than the recorded one."
      case .missing: "A file is missing."
      case .unreadable: "A file is malformed, unsupported or inaccessible, or does not fit the others."
      case .crash: "The check ended the process that it ran in."
      case .timeout: "The check took longer than it may."
      }
    }

    /// Whether nothing could be judged, as JUnit tells errors from failures.
    public var isError: Bool {
      switch self {
      case .missing, .unreadable, .crash, .timeout: true
      case .different, .inconclusive, .worse, .alike, .fingerprint, .blind, .accepted: false
      }
    }
  }
}

extension Outcome {
  public var json: JSONValue {
    .object([
      JSONMember("fixture", .string(fixture)), JSONMember("status", .string(status.rawValue)),
      JSONMember("verdict", verdict.map { .string($0.rawValue) } ?? .null),
      JSONMember("seconds", .number(seconds)),
      JSONMember(
        "problems",
        .array(
          problems.map {
            .object([
              JSONMember("kind", .string($0.kind.rawValue)), JSONMember("file", .string($0.file)),
              JSONMember("message", .string($0.message)),
            ])
          })),
      JSONMember(
        "comparisons",
        .array(
          comparisons.map {
            .object([
              JSONMember("left", .string($0.left)), JSONMember("right", .string($0.right)),
              JSONMember("verdict", .string($0.verdict.rawValue)),
            ])
          })),
      JSONMember("notes", .array(notes.map(JSONValue.string))),
      JSONMember("skipped", skipped.map(JSONValue.string) ?? .null),
    ])
  }

  /// What `json` gave; nil for anything else.
  init?(_ json: JSONValue) {
    guard let name = json.text("fixture"), case .array(let problems)? = json["problems"],
      case .array(let comparisons)? = json["comparisons"], case .array(let notes)? = json["notes"]
    else { return nil }
    self.init(name)
    skipped = json.text("skipped")
    self.notes = notes.compactMap(\.string)
    if case .number(let number)? = json["seconds"] { seconds = number }
    for problem in problems {
      guard let kind = problem.text("kind").flatMap(Problem.Kind.init(rawValue:)),
        let file = problem.text("file"), let message = problem.text("message")
      else { return nil }
      self.problems.append(Problem(kind, file, message))
    }
    for comparison in comparisons {
      guard let left = comparison.text("left"), let right = comparison.text("right"),
        let verdict = comparison.text("verdict").flatMap(Verdict.init(rawValue:))
      else { return nil }
      self.comparisons.append(Comparison(left: left, right: right, verdict: verdict))
    }
  }
}

extension JSONValue {
  var string: String? { if case .string(let text) = self { text } else { nil } }

  /// The member `key`, where it is a string.
  func text(_ key: String) -> String? { self[key]?.string }
}
