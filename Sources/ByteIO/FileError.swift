internal import Glibc

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

/// Upper bounds on what a file may ask for, so that no file can make a reader hang or exhaust memory.
public struct Limits: Sendable, Equatable {
  /// Bytes of one file.
  public var fileBytes = 1 << 40
  /// Bytes of a textual header (`.rnnw`, safetensors, NumPy).
  public var headerBytes = 64 << 20
  /// Bytes that compressed data may unfold to, in one tensor or archive member.
  public var inflatedBytes = 8 << 30
  /// How many times longer unfolded data may be than its compressed form; deflate cannot exceed 1,032.
  public var inflationRatio = 1_100
  /// Nodes of a graph, subgraphs included.
  public var nodes = 1_000_000
  /// Nested subgraphs, JSON levels, pickle levels.
  public var nesting = 64
  /// Values of one JSON text, which takes up to 40 times its bytes as a tree.
  public var jsonValues = 8_000_000
  /// Opcodes of one pickle, each of which makes at most one value of some 50 bytes.
  public var pickleValues = 4_000_000
  /// Elements of one tensor that a graph computes while it is read or evaluated.
  public var elements = 1 << 31
  /// Nodes run, turns of loops and time steps of recurrent nodes in one evaluation of a graph.
  public var evaluationSteps = 10_000_000

  public init() {}
  public static let standard = Limits()
}
