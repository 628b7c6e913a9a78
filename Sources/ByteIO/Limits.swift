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
  /// Tensors of one file, or members of an archive.
  public var tensors = 1_000_000
  /// Bytes of one string: a name, a text of the metadata.
  public var stringBytes = 16 << 20
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
  /// Multiplications of one evaluation of a graph, and elements that its nodes make, on top of what the sizes of its weights
  /// and inputs explain.
  public var evaluationWork = 1 << 30

  public init() {}
  public static let standard = Limits()
}

extension Limits {
  /// Every limit by the name that people give it.
  public static let names: [(name: String, field: any WritableKeyPath<Limits, Int> & Sendable)] = [
    ("file-bytes", \.fileBytes), ("header-bytes", \.headerBytes), ("inflated-bytes", \.inflatedBytes),
    ("inflation-ratio", \.inflationRatio), ("tensors", \.tensors), ("string-bytes", \.stringBytes),
    ("nodes", \.nodes), ("nesting", \.nesting), ("json-values", \.jsonValues),
    ("pickle-values", \.pickleValues), ("elements", \.elements), ("evaluation-steps", \.evaluationSteps),
    ("evaluation-work", \.evaluationWork),
  ]

  /// Sets a limit by its name, as in `nodes=1000`; false where there is no such limit, or the value is not a number from 1
  /// on.
  public mutating func set(_ setting: String) -> Bool {
    let parts = setting.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
    guard parts.count == 2, let value = Int(parts[1]), value >= 1,
      let limit = Self.names.first(where: { $0.name == parts[0] })
    else { return false }
    // Sums and small multiples of a limit must not overflow.
    self[keyPath: limit.field] = min(value, 1 << 56)
    return true
  }
}
