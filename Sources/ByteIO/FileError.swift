/// What went wrong with a file as a whole: which file, what was tried, why it failed.
public struct FileError: Error, Equatable, CustomStringConvertible {
  public let path: String
  public let action: String
  public let reason: String

  public init(path: String, action: String, reason: String) {
    self.path = path
    self.action = action
    self.reason = reason
  }

  public init(path: String, action: String, code: Int32) {
    self.init(path: path, action: action, reason: String(cString: strerror(code)).lowercased())
  }

  public var description: String { "\(path): cannot \(action): \(reason)" }
}

/// What is wrong with bytes at a place: the offset counts from the start of what was parsed.
public struct ParseError: Error, Equatable, CustomStringConvertible {
  public let offset: Int
  public let reason: String

  public init(offset: Int, reason: String) {
    self.offset = offset
    self.reason = reason
  }

  public var description: String { "byte \(offset): \(reason)" }
}
