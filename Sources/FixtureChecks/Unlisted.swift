internal import Verification

/// Models that lie below a manifest's folder and that none of its fixtures lists: nothing checks them.
public struct Unlisted: Sendable {
  /// From the manifest's folder.
  public private(set) var models: [String] = []
  /// As `--init` would list them, behind the listed model of the same name where there is one to compare with.
  private(set) var fixtures: [Fixture] = []
  /// What looked like a model, and why it is not one of these.
  let notes: [String]

  /// - Parameter known: further paths that count as listed.
  public init(in manifest: Manifest, besides known: Set<String> = []) {
    let found = Discovery(in: manifest.folder)
    notes = found.leftOut
    let partners = manifest.partners
    var seen = known.union(manifest.fixtures.flatMap(\.models).map { Folder.plain($0.path) })
    let listed = seen
    for var fixture in found.fixtures {
      let partner = fixture.models.lazy.compactMap { partners[$0.path] }.first
      fixture.models.removeAll { listed.contains($0.path) }
      guard !fixture.models.isEmpty else { continue }
      models += fixture.models.map(\.path).filter { seen.insert($0).inserted }
      if let partner { fixture.models.insert(partner, at: 0) }
      fixtures.append(fixture)
    }
  }

  /// One line that names a few of them; nil where there are none.
  ///
  /// - Parameter manifest: what they are not in.
  public func warning(for manifest: Manifest, besides moves: [Move] = []) -> String? {
    let models = models.filter { path in !moves.contains { $0.to == path } }
    guard !models.isEmpty else { return nil }
    let named = models.prefix(5).joined(separator: ", ")
    let more = models.count > 5 ? " and \(models.count - 5) more" : ""
    return "\(manifest.path) lists no fixture of \(named)\(more), so nothing checks "
      + "\(models.count == 1 ? "it" : "them"): 'rnnconv check \(manifest.folder) --add' adds "
      + "\(models.count == 1 ? "it" : "them"); one that is not to be checked is listed with \"skip\" and the reason"
  }
}

extension Manifest {
  /// The listed models, by path, that another file can be compared with: not those that are bad, skipped or meant to differ.
  fileprivate var partners: [String: Fixture.Model] {
    let good = fixtures.filter { $0.refused == nil && $0.skip == nil && $0.verdict != .different }
    return Dictionary(good.flatMap(\.models).map { (Folder.plain($0.path), $0) }) { first, _ in first }
  }
}
