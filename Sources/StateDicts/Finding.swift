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
  /// The option that settles it.
  public let option: String?

  init(_ kind: Kind, _ subject: String, _ detail: String, option: String? = nil) {
    self.kind = kind
    self.subject = subject
    self.detail = detail
    self.option = option
  }
}
