internal import ByteIO
internal import RNNConv

/// What opening a found fixture's models tells.
struct FoundModels {
  /// Nil where a model cannot be imported.
  var fingerprints: [String?] = []
  var inputNames: [String] = []
  var outputNames: [String] = []
  /// What the user should know: files that cannot be read, what was taken for granted.
  var notes: [String] = []

  init(_ fixture: Fixture, in folder: String, limits: Limits) {
    // Its tensors are no help in telling what the models are.
    let check = FixtureCheck(Fixture(fixture.name, fixture.models), in: folder, limits: limits)
    for (position, model) in fixture.models.enumerated() {
      do throws(RNNConvError) {
        if let reason = Folder.refusal(of: model.path, beneath: folder) {
          throw RNNConvError.unreadable(path: model.path, reason: reason)
        }
        let file = try check.open(model)
        if position == 0 {
          inputNames = file.inputNames
          outputNames = (try? file.model)?.outputs.map(\.name) ?? []
        }
        notes += file.findings.filter { $0.kind == .assumed }.map {
          "\(model.path): assumed \($0.subject.isEmpty ? "" : "\($0.subject): ")\($0.detail)"
        }
        fingerprints.append(try file.model.fingerprint.description)
      } catch {
        while fingerprints.count <= position { fingerprints.append(nil) }
        notes.append(error.description)
      }
    }
  }

  var json: JSONValue {
    func list(_ texts: [String]) -> JSONValue { .array(texts.map(JSONValue.string)) }
    return .object([
      JSONMember("fingerprints", .array(fingerprints.map { $0.map(JSONValue.string) ?? .null })),
      JSONMember("inputs", list(inputNames)), JSONMember("outputs", list(outputNames)),
      JSONMember("notes", list(notes)),
    ])
  }

  init?(_ json: JSONValue) {
    guard case .array(let prints)? = json["fingerprints"], case .array(let inputs)? = json["inputs"],
      case .array(let outputs)? = json["outputs"], case .array(let notes)? = json["notes"]
    else { return nil }
    fingerprints = prints.map(\.string)
    inputNames = inputs.compactMap(\.string)
    outputNames = outputs.compactMap(\.string)
    self.notes = notes.compactMap(\.string)
  }
}

/// Fixtures that were found, with what their models tell.
struct Described {
  var fixtures: [Fixture]
  /// What the user should know before trusting them.
  let notes: [String]

  /// - Parameter taken: names that other fixtures have.
  init(
    _ found: [Fixture], in folder: String, besides taken: [String] = [], notes: [String], by pool: WorkerPool
  ) {
    fixtures = found
    var notes = notes
    for (index, answer) in pool.run(found.map { Job(.describe, $0, in: folder) }).enumerated() {
      let path = found[index].models[0].path
      switch answer {
      case .json(let json):
        guard let models = FoundModels(json) else { continue }
        fixtures[index].take(models)
        notes += models.notes
      case .crash(let how): notes.append("\(path): its process \(how)")
      case .timeout(let limit): notes.append("\(path): no answer after \(limit.brief) s")
      case .cannotStart(let reason): notes.append("no process could be started: \(reason)")
      }
    }
    // `lstm.onnx` and `lstm/model.onnx` would both be called lstm.
    var names = Set(taken)
    for index in fixtures.indices where !names.insert(fixtures[index].name).inserted {
      var number = 2
      while !names.insert("\(fixtures[index].name) (\(number))").inserted { number += 1 }
      fixtures[index].name += " (\(number))"
    }
    var seen: Set<String> = []
    self.notes = notes.filter { seen.insert($0).inserted }
  }
}

/// A manifest of what is in a folder, not written yet.
public struct Draft: Sendable {
  public private(set) var manifest: Manifest
  /// Those that the manifest, as it is on the disk, does not have.
  public let added: [Fixture]
  /// What the user should know before trusting it.
  public let notes: [String]

  /// Looks for models below a folder and describes what it finds.
  ///
  /// - Throws: where nothing is found.
  public init(of folder: String, by pool: WorkerPool) throws(ManifestError) {
    guard Folder.exists(folder) else {
      throw .file(FileError(path: folder, action: "look for models", reason: "it is not a folder"))
    }
    let found = Discovery(in: folder)
    guard !found.fixtures.isEmpty else { throw .nothingFound(folder: folder) }
    let described = Described(found.fixtures, in: folder, notes: found.leftOut, by: pool)
    (added, notes) = (described.fixtures, described.notes)
    manifest = Manifest(added, folder: folder)
  }

  /// The manifest with fixtures of the models that it does not list; one that is a listed file under a new name is not added.
  public init(adding unlisted: Unlisted, to manifest: Manifest, by pool: WorkerPool) {
    let moves = manifest.moves(Array(manifest.fixtures.indices), among: unlisted, by: pool)
    let rest = moves.isEmpty ? unlisted : Unlisted(in: manifest, besides: Set(moves.map(\.to)))
    let described = Described(
      rest.fixtures, in: manifest.folder, besides: manifest.fixtures.map(\.name), notes: rest.notes, by: pool)
    added = described.fixtures
    notes =
      moves.map { "\($0.description): 'rnnconv check \(manifest.folder) --update' takes the new path" }
      + described.notes
    self.manifest = manifest
    self.manifest.json = manifest.json.appending(added.map(\.json), to: "fixtures")
  }

  /// Writes a manifest that is new.
  ///
  /// - Throws: where there is one already.
  public func create() throws(ManifestError) {
    guard !Folder.holds(manifest.path) else {
      throw .file(
        FileError(
          path: manifest.path, action: "write",
          reason: "it exists; --add adds what it does not list, --update records it anew, or remove it first")
      )
    }
    try manifest.write()
  }

  /// Writes the manifest with what was added in place of the one that it was read from.
  public func replace() throws(ManifestError) { try manifest.write() }
}

extension Fixture {
  fileprivate mutating func take(_ found: FoundModels) {
    for (position, print) in found.fingerprints.enumerated() where models[position].isNew {
      models[position].fingerprint = print
      // A file that is not imported has none to record.
      if print == nil { models[position].recordsFingerprint = false }
    }
    // In ONNX's test data the number says which input it is.
    func named(_ files: [TensorArgument], _ names: [String]) -> [TensorArgument] {
      guard files.count > 1, files.count <= names.count else { return files }
      return zip(files, names).map { TensorArgument(name: $1, path: $0.path) }
    }
    inputs = named(inputs, found.inputNames)
    expected = named(expected, found.outputNames)
  }
}

extension Fixture.Model {
  /// Whether its fingerprint is still to be recorded; what is listed already stays as it is.
  fileprivate var isNew: Bool { recordsFingerprint && fingerprint == nil }
}

extension JSONValue {
  fileprivate func appending(_ elements: [JSONValue], to key: String) -> JSONValue {
    changing(key) { list in
      guard case .array(let old) = list else { return list }
      return .array(old + elements)
    }
  }
}
