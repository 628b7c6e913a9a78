/// Which fixtures of a manifest are checked.
public struct FixtureSelection: Sendable {
  /// Names, or beginnings of names that end with `*`; empty for all.
  public var only: [String] = []
  /// Only those that changed since a git revision.
  public var changedSince: String?
  public var shard: Shard?

  public init() {}

  /// Part `index` of `count`, counted from 1: together the parts hold every fixture once.
  public struct Shard: Sendable, Equatable {
    public let index: Int
    public let count: Int

    /// `2/5`; nil for anything else.
    public init?(_ text: String) {
      let parts = text.split(separator: "/", omittingEmptySubsequences: false)
      guard parts.count == 2, let index = Int(parts[0]), let count = Int(parts[1]), index >= 1, index <= count
      else { return nil }
      (self.index, self.count) = (index, count)
    }
  }

  /// Why nothing can be selected.
  public enum Failure: Error, Equatable, CustomStringConvertible {
    case unknown(String)
    case git(String)

    public var description: String {
      switch self {
      case .unknown(let name): "--only \(name): the manifest has no such fixture"
      case .git(let reason): "--changed-since: \(reason)"
      }
    }
  }

  /// Positions in the manifest's list, in its order.
  public func positions(in manifest: Manifest) throws(Failure) -> [Int] {
    var chosen = Array(manifest.fixtures.indices)
    if !only.isEmpty {
      func matches(_ pattern: String, _ name: String) -> Bool {
        pattern.hasSuffix("*") ? name.hasPrefix(pattern.dropLast()) : name == pattern
      }
      for pattern in only where !manifest.fixtures.contains(where: { matches(pattern, $0.name) }) {
        throw .unknown(pattern)
      }
      chosen = chosen.filter { index in only.contains { matches($0, manifest.fixtures[index].name) } }
    }
    if let changedSince {
      let changes = try Changes(since: changedSince, in: manifest)
      chosen = chosen.filter { changes.touch(manifest.fixtures[$0]) }
    }
    // Dealt out like cards, so that neighbours, which cost alike, go to different parts.
    if let shard {
      chosen = chosen.enumerated().filter { $0.offset % shard.count == shard.index - 1 }.map(\.element)
    }
    return chosen
  }
}
