public import ByteIO
public import Recurrent

/// Everything that the toolkit can answer instead of a result. `description` is the message for people.
public enum RNNConvError: Error, Equatable, CustomStringConvertible {
  /// A file cannot be read or written.
  case file(FileError)
  /// The content fits no format, or not the one asked for.
  case unknownFormat(path: String, known: [String])
  /// Malformed, or holding something that is not supported.
  case unreadable(path: String, reason: String)
  /// The target format lacks what a layer means.
  case notExpressible(format: String, reason: String)
  /// The conversion would lose something, and no leave was given.
  case loss(format: String, notes: [ConversionNote])
  /// What the user asked for makes no sense.
  case arguments(String)
  /// The inputs given do not fit the model.
  case inputs(String)

  public var description: String {
    switch self {
    case .file(let error): error.description
    case .unknownFormat(let path, let known):
      "\(path): not a file of a known format (\(known.joined(separator: ", "))); name it with --format"
    case .unreadable(let path, let reason): "\(path): \(reason)"
    case .notExpressible(let format, let reason): "\(format): \(reason)"
    case .loss(let format, let notes):
      "\(format): the conversion would lose something:\n"
        + notes.map { "  \($0.layer): \($0.detail)" }.joined(separator: "\n")
        + "\npass --allow-loss to accept this"
    case .arguments(let reason): reason
    case .inputs(let reason): reason
    }
  }

  /// 2 bad arguments · 3 not expressible in the target format · 4 a file is malformed, unsupported or inaccessible.
  public var exitCode: Int32 {
    switch self {
    case .arguments, .inputs: 2
    case .notExpressible, .loss: 3
    case .file, .unknownFormat, .unreadable: 4
    }
  }
}
