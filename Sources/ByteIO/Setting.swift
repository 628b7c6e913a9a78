/// What can be set, as messages name it: by the name that it has in the library, as in `.select`. A tool that takes it by other
/// means, such as a flag, says that in its place; with the dot no text of a file is likely to be taken for one.
public enum Setting: String, Sendable, CaseIterable, CustomStringConvertible {
  // Of a file of weights alone (`ArchitectureOptions`).
  case key, modules, nonlinearity, batchFirst, select, head, architecture
  // Of opening and of writing files.
  case format, bindings, axes, opset, externalData, compressed, allowLoss
  case targetFormat
  // Of a verification (`VerificationOptions`).
  case inputs, expected, runtime, activationError, tolerance
  /// Which of several outputs a file of one tensor holds.
  case outputName

  public var description: String { "`.\(rawValue)`" }
}
