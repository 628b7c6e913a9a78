public import ByteIO

/// One line of the account of how an architecture was found.
public struct Finding: Sendable, Equatable {
  /// How a finding came about.
  public enum Kind: String, Sendable {
    /// From names and shapes, or from what the file says.
    case inferred
    /// Not in the file: the usual, until the user says otherwise.
    case assumed
    /// In the file, and no part of the model.
    case unread
  }

  /// How it came about.
  public let kind: Kind
  /// What it is about: a module, a tensor, or a word such as `input`.
  public let subject: String
  /// What was found, in words.
  public let detail: String
  /// What settles it.
  public let setting: Setting?

  init(_ kind: Kind, _ subject: String, _ detail: String, setting: Setting? = nil) {
    self.kind = kind
    self.subject = subject
    self.detail = detail
    self.setting = setting
  }
}
