public import ByteIO

/// One line of the account of how an architecture was found.
public struct Finding: Sendable, Equatable {
  public enum Kind: String, Sendable {
    /// From names and shapes, or from what the file says.
    case inferred
    /// Not in the file: the usual, until the user says otherwise.
    case assumed
    /// In the file, and no part of the model.
    case unread
  }

  public let kind: Kind
  public let subject: String
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
