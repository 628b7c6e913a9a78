/// What can be set, as messages name it: in backquotes, by the name that it has in the library. A tool that takes it by other
/// means, such as a flag, says that in its place.
public enum Setting: String, Sendable, CaseIterable, CustomStringConvertible {
  // Of a file of weights alone (`ArchitectureOptions`).
  case key, modules, nonlinearity, batchFirst, select, head
  // Of opening and of writing files.
  case format, bindings, externalData, allowLoss
  case targetFormat = "ConversionOptions.format"
  // Of a verification (`VerificationOptions`).
  case inputs, expected, runtime, activationError, tolerance
  /// Which of several outputs a file of one tensor holds.
  case outputName

  public var description: String { "`\(rawValue)`" }
}
