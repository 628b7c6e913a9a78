public import ByteIO
public import Forward
public import Recurrent
public import Verification

/// Everything that the library can answer instead of a result: each call throws this, to be matched by case. `description` is the
/// message for people; what it calls `.name` is a setting (`Setting`), which a command line has flags for.
public enum RNNConvError: Error, Equatable, CustomStringConvertible {
  /// A file cannot be read or written.
  case file(FileError)
  /// The content fits no format, or not the one asked for.
  case unknownFormat(path: String, known: [String])
  /// A format that is known and not read.
  case foreignFormat(path: String, name: String, advice: String)
  /// Malformed, or holding something that is not supported.
  case unreadable(path: String, reason: String)
  /// A file that can be evaluated and not imported, for several reasons: the first of them, and all with how many nodes each is about.
  case notImported(path: String, reason: String, all: [String])
  /// The target format lacks what a layer means.
  case notExpressible(format: String, reason: String)
  /// The conversion would lose something, and no leave was given.
  case loss(format: String, notes: [ConversionNote])
  /// The converted model computes something else than its source, and was not written: a fault of ours.
  case disproved(VerificationReport)
  /// What the user asked for makes no sense.
  case arguments(String)
  /// A model built in code means nothing.
  case model(ModelError)
  /// The canonical model does not run on what it was given, or not in the way that was asked for.
  case run(path: String, ForwardError)
  /// The file's own evaluator does not run on what it was given.
  case evaluation(path: String, reason: String)
  /// Two sides cannot be compared.
  case comparison(VerificationError)

  public var description: String { ([summary] + details.map { "  \($0)" }).joined(separator: "\n") }

  /// What is lost, or everything that keeps a file from being imported, a line each.
  public var details: [String] {
    switch self {
    case .loss(_, let notes): notes.map { "\($0.layer): \($0.detail)" }
    case .notImported(_, _, let all): all
    default: []
    }
  }

  /// On one line, without the details.
  public var summary: String {
    switch self {
    case .file(let error): error.description
    case .unknownFormat(let path, let known):
      "\(path): not a file of a known format (\(known.joined(separator: ", "))); if it is one of them, name it with \(Setting.format)"
    case .foreignFormat(let path, let name, let advice):
      "\(path): \(name), which is not read: \(advice)"
    case .unreadable(let path, let reason), .notImported(let path, let reason, _): "\(path): \(reason)"
    case .notExpressible(let format, let reason): "\(format): \(reason)"
    case .loss(let format, _):
      "\(format): something would be lost; \(Setting.allowLoss) accepts it:"
    case .disproved(let report):
      "\(report.right) was not written: the converted model computes something else than \(report.left); please report this"
    case .arguments(let reason): reason
    case .model(let error): error.description
    case .run(let path, let error): "\(path): \(error)"
    case .evaluation(let path, let reason): "\(path): \(reason)"
    case .comparison(let error): error.description
    }
  }
}
