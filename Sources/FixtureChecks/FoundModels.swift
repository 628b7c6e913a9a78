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
    for (position, model) in fixture.models.enumerated() {
      do throws(RNNConvError) {
        if let reason = Folder.refusal(of: model.path, beneath: folder) {
          throw RNNConvError.unreadable(path: model.path, reason: reason)
        }
        let file = try ModelFile.open(Folder.join(folder, model.path), limits: limits)
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

/// A manifest made from what is in a folder.
public struct Draft: Sendable {
  public let manifest: Manifest
  /// What the user should know before trusting it.
  public let notes: [String]

  /// Looks for models below a folder and describes what it finds; nothing is written.
  ///
  /// - Throws: where nothing is found.
  public init(of folder: String, by pool: WorkerPool) throws(ManifestError) {
    guard Folder.exists(folder) else {
      throw .file(FileError(path: folder, action: "look for models", reason: "it is not a folder"))
    }
    let found = Discovery(in: folder)
    var notes = found.leftOut
    var fixtures = found.fixtures
    let answers = pool.run(fixtures.map { Job(.describe, $0, in: folder) })
    for (index, answer) in answers.enumerated() {
      switch answer {
      case .json(let json):
        guard let models = FoundModels(json) else { continue }
        fixtures[index].take(models)
        notes += models.notes
      case .crash(let how): notes.append("\(fixtures[index].models[0].path): its process \(how)")
      case .timeout(let limit):
        notes.append("\(fixtures[index].models[0].path): no answer after \(limit.brief) s")
      case .cannotStart(let reason): notes.append("no process could be started: \(reason)")
      }
    }
    // `lstm.onnx` and `lstm/model.onnx` would both be called lstm.
    var names: Set<String> = []
    for index in fixtures.indices where !names.insert(fixtures[index].name).inserted {
      var number = 2
      while !names.insert("\(fixtures[index].name) (\(number))").inserted { number += 1 }
      fixtures[index].name += " (\(number))"
    }
    guard !fixtures.isEmpty else {
      throw .wrong(
        path: folder,
        ManifestFault(
          place: "nothing found", reason: "no .onnx, .rnnw, .pt, .safetensors or .model.json in it"))
    }
    var seen: Set<String> = []
    self.notes = notes.filter { seen.insert($0).inserted }
    manifest = Manifest(fixtures, folder: folder)
  }

  /// Writes the manifest.
  ///
  /// - Throws: where there is one already.
  public func write() throws(ManifestError) {
    guard !Folder.holds(manifest.path) else {
      throw .file(
        FileError(
          path: manifest.path, action: "write",
          reason: "it exists; --update records it anew, or remove it first"))
    }
    do { try AtomicFile.write(try manifest.json.prettyBytes(), to: manifest.path) } catch let error
      as FileError
    {
      throw .file(error)
    } catch { throw .file(FileError(path: manifest.path, action: "write", reason: "\(error)")) }
  }
}

extension Fixture {
  fileprivate mutating func take(_ found: FoundModels) {
    for (position, print) in found.fingerprints.enumerated() {
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
