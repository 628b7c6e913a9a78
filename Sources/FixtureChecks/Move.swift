internal import ByteIO
internal import RNNConv

/// A file that a manifest lists and that is not there, and where it seems to be now.
public struct Move: Sendable, Equatable {
  /// As the manifest says it.
  public let from: String
  /// From the manifest's folder.
  public let to: String

  /// For people.
  public var description: String { "\(from): moved to \(to)" }

  /// Where a file that lay with the one that moved lies then: in the same place from its folder, or with its name in front.
  fileprivate func companions(of path: String) -> [String] {
    let folders = (Folder.parent(of: from), Folder.parent(of: to))
    guard folders.0 == "." || path.hasPrefix(folders.0 + "/") else { return [] }
    let rest = folders.0 == "." ? path : String(path.dropFirst(folders.0.count + 1))
    let (old, new) = (
      Discovery.stem(of: Folder.lastName(of: from)), Discovery.stem(of: Folder.lastName(of: to))
    )
    let renamed = rest.hasPrefix(old) ? [new + rest.dropFirst(old.count)] : []
    return (renamed + [rest]).map { Folder.join(folders.1, $0) }.filter { $0 != Folder.plain(path) }
  }
}

extension Manifest {
  /// Recognises listed models that are not there by their recorded fingerprints, and the tensors that moved with them.
  ///
  /// - Parameter positions: of the fixtures to look at.
  public func moves(_ positions: [Int], among unlisted: Unlisted, by pool: WorkerPool) -> [Move] {
    let fixtures = positions.map { self.fixtures[$0] }.filter { $0.skip == nil }
    let missing = fixtures.flatMap(\.models).filter { $0.fingerprint != nil && isMissing($0.path) }
    guard !missing.isEmpty, !unlisted.models.isEmpty else { return [] }
    let prints = fingerprints(of: unlisted.models, readAs: missing, by: pool)
    var moves: [Move] = []
    for (model, prints) in zip(missing, prints) where !moves.contains(where: { $0.from == model.path }) {
      let same = zip(unlisted.models, prints).filter { $1 == model.fingerprint }.map(\.0)
      let free = same.filter { path in !moves.contains { $0.to == path } }
      guard let path = free.max(by: { model.likeness(to: $0) < model.likeness(to: $1) }) else { continue }
      moves.append(Move(from: model.path, to: path))
    }
    for fixture in fixtures {
      let beside = moves.filter { move in fixture.models.contains { $0.path == move.from } }
      for path in fixture.paths where isMissing(path) && !moves.contains(where: { $0.from == path }) {
        let place = beside.lazy.flatMap { $0.companions(of: path) }.first { !isMissing($0) }
        if let place { moves.append(Move(from: path, to: place)) }
      }
    }
    return moves
  }

  private func isMissing(_ path: String) -> Bool { !Folder.holds(Folder.join(folder, path)) }

  /// Those of every path, for each of the models: read with what the manifest says of that one.
  private func fingerprints(
    of paths: [String], readAs models: [Fixture.Model], by pool: WorkerPool
  ) -> [[String?]] {
    var readings: [Fixture.Model] = []
    let indices = models.map { model in
      var reading = model
      (reading.path, reading.fingerprint, reading.storage) = ("", nil, nil)
      if let index = readings.firstIndex(of: reading) { return index }
      readings.append(reading)
      return readings.count - 1
    }
    let jobs = readings.flatMap { reading in
      paths.map { path in
        var model = reading
        model.path = path
        return Job(.describe, Fixture(path, [model]), in: folder)
      }
    }
    let prints = pool.run(jobs).map { answer -> String? in
      guard case .json(let json) = answer else { return nil }
      return FoundModels(json)?.fingerprints.first ?? nil
    }
    return indices.map { Array(prints[($0 * paths.count)..<(($0 + 1) * paths.count)]) }
  }

  /// With files where they are now.
  public func taking(_ moves: [Move]) throws(ManifestError) -> Manifest {
    guard !moves.isEmpty else { return self }
    let places = Dictionary(moves.map { ($0.from, $0.to) }) { first, _ in first }
    let moved = json.changing("fixtures") { $0.mapElements { $0.moving(places) } }
    do { return try Manifest(ByteBuffer(try moved.prettyBytes()), path: path) } catch let error
      as ManifestError
    {
      throw error
    } catch { throw .file(FileError(path: path, action: "change", reason: "\(error)")) }
  }
}

extension Fixture.Model {
  /// How much a path looks like the model's own.
  fileprivate func likeness(to other: String) -> Int {
    let names = (Folder.lastName(of: path), Folder.lastName(of: other))
    if names.0 == names.1 { return 2 }
    return names.0.split(separator: ".").last == names.1.split(separator: ".").last ? 1 : 0
  }
}

extension JSONValue {
  /// A fixture, with its files at new places.
  fileprivate func moving(_ places: [String: String]) -> JSONValue {
    func moved(_ text: JSONValue) -> JSONValue {
      guard let argument = text.string.map(TensorArgument.init), let place = places[argument.path] else {
        return text
      }
      return .string(TensorArgument(name: argument.name, path: place).description)
    }
    func list(_ value: JSONValue) -> JSONValue { value.mapElements(moved) }
    return changing("inputs", list).changing("expected", list).changing("models") { models in
      models.mapElements { model in
        if let path = model.string { return places[path].map(JSONValue.string) ?? model }
        return model.changing("bindings", list).changing("path") { path in
          path.string.flatMap { places[$0] }.map(JSONValue.string) ?? path
        }
      }
    }
  }

  fileprivate func mapElements(_ change: (JSONValue) -> JSONValue) -> JSONValue {
    guard case .array(let elements) = self else { return self }
    return .array(elements.map(change))
  }
}
