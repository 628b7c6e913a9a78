internal import ByteIO

/// A file, whatever it is called: links and other spellings lead to the same one.
public struct FileIdentity: Equatable, Sendable {
  private let device: UInt64
  private let number: UInt64
  /// Whether it is no folder, device or pipe.
  public let isRegular: Bool

  /// Nil where there is none.
  public init?(_ path: String) {
    var status = stat()
    guard stat(path, &status) == 0 else { return nil }
    (device, number) = (UInt64(status.st_dev), UInt64(status.st_ino))
    isRegular = status.st_mode & S_IFMT == S_IFREG
  }
}
