internal import ByteIO
internal import RNNConv
internal import Tensors
internal import Verification

/// What recording a fixture anew changes: fingerprints in the manifest, and expected outputs that the first model does
/// not give any more.
public struct Recording: Sendable, Equatable {
  public var fixture: String
  public var changes: [Change] = []
  /// Why something cannot be recorded.
  public var problems: [String] = []

  public enum Change: Sendable, Equatable {
    /// Of the model at this position.
    case fingerprint(model: Int, path: String, old: String?, new: String)
    /// A file of expected outputs is written.
    case outputs(path: String, reason: String)

    /// For people.
    public var description: String {
      switch self {
      case .fingerprint(_, let path, let old, let new):
        "\(path): fingerprint \(old.map { "\($0.prefix(16))…" } ?? "not recorded") → \(new.prefix(16))…"
      case .outputs(let path, let reason): "\(path): written anew: \(reason)"
      }
    }
  }

  init(_ name: String) { fixture = name }

  /// - Parameter writing: write the outputs; otherwise only say what would change.
  init(_ fixture: Fixture, in folder: String, writing: Bool, limits: Limits) {
    self.fixture = fixture.name
    guard fixture.skip == nil, fixture.refused == nil else { return }
    problems = fixture.paths.compactMap { path in
      Folder.refusal(of: path, beneath: folder).map { "\(Folder.join(folder, path)): \($0)" }
    }
    guard problems.isEmpty else { return }
    let check = FixtureCheck(fixture, in: folder, limits: limits)
    for (position, model) in fixture.models.enumerated() {
      do {
        let file = try check.open(model)
        if model.recordsFingerprint {
          let new = try file.model.fingerprint.description
          if new != model.fingerprint {
            changes.append(.fingerprint(model: position, path: model.path, old: model.fingerprint, new: new))
          }
        }
        if position == 0, !fixture.expected.isEmpty { try record(file, check, writing: writing) }
      } catch { problems.append(error.description) }
    }
  }

  private mutating func record(
    _ reference: ModelFile, _ check: FixtureCheck, writing: Bool
  ) throws(RNNConvError) {
    let fixture = check.fixture
    guard let inputs = try check.given(for: reference) else { return }
    let targets = fixture.expected.map { Folder.join(check.folder, $0.path) }
    let reason: String
    if !targets.allSatisfy(Folder.holds) {
      reason = "it does not exist yet"
    } else {
      let report = try reference.verify(
        expected: try check.expected(of: reference), from: targets.joined(separator: ", "),
        check.options(inputs))
      if report.verdict <= fixture.verdict { return }
      let worst = report.outputs.max { $0.tightness < $1.tightness }
      reason =
        "\(report.verdict.rawValue)"
        + (worst.map { ", output \($0.name) is \($0.maxDeviation) from what is recorded" } ?? "")
    }
    for argument in fixture.expected { changes.append(.outputs(path: argument.path, reason: reason)) }
    guard writing else { return }
    let outputs = try reference.evaluate(inputs).sorted { $0.key < $1.key }
    if fixture.expected.count == 1, fixture.expected[0].name == nil {
      return try TensorFile.write(outputs.map { (name: $0.key, tensor: $0.value) }, to: targets[0])
    }
    for (argument, target) in zip(fixture.expected, targets) {
      guard let name = argument.name, let output = outputs.first(where: { $0.key == name }) else {
        throw .arguments(
          "\(fixture.name): which output \(argument.path) holds has to be said to record it, as name=file; there are "
            + outputs.map(\.key).joined(separator: ", "))
      }
      try TensorFile.write([(name: name, tensor: output.value)], to: target)
    }
  }
}

extension Recording {
  var json: JSONValue {
    .object([
      JSONMember("fixture", .string(fixture)), JSONMember("changes", .array(changes.map(\.json))),
      JSONMember("problems", .array(problems.map(JSONValue.string))),
    ])
  }

  init?(_ json: JSONValue) {
    guard let name = json.text("fixture"), case .array(let changes)? = json["changes"],
      case .array(let problems)? = json["problems"]
    else { return nil }
    self.init(name)
    self.changes = changes.compactMap(Change.init)
    self.problems = problems.compactMap(\.string)
  }
}

extension Recording.Change {
  fileprivate var json: JSONValue {
    switch self {
    case .fingerprint(let model, let path, let old, let new):
      .object([
        JSONMember("model", .integer(Int64(model))), JSONMember("path", .string(path)),
        JSONMember("old", old.map(JSONValue.string) ?? .null), JSONMember("new", .string(new)),
      ])
    case .outputs(let path, let reason):
      .object([JSONMember("path", .string(path)), JSONMember("reason", .string(reason))])
    }
  }

  fileprivate init?(_ json: JSONValue) {
    guard let path = json.text("path") else { return nil }
    if let reason = json.text("reason") {
      self = .outputs(path: path, reason: reason)
    } else if case .integer(let model)? = json["model"], let new = json.text("new") {
      self = .fingerprint(model: Int(model), path: path, old: json.text("old"), new: new)
    } else {
      return nil
    }
  }
}

extension Manifest {
  /// What recording these fixtures would change; nothing is written.
  public func proposals(_ positions: [Int], by pool: WorkerPool) -> [Recording] {
    recordings(positions, .propose, by: pool)
  }

  /// Writes the expected outputs, then the manifest with its fingerprints.
  ///
  /// - Parameter proposals: what `proposals(_:by:)` gave for the same positions.
  public mutating func record(
    _ proposals: [Recording], at positions: [Int], by pool: WorkerPool
  ) throws(ManifestError) -> [Recording] {
    let writing = zip(positions, proposals).filter { _, proposal in
      proposal.changes.contains { if case .outputs = $0 { true } else { false } }
    }.map(\.0)
    let written = recordings(writing, .record, by: pool)
    for (position, proposal) in zip(positions, proposals) {
      for case .fingerprint(let model, _, _, let new) in proposal.changes {
        json = json.settingFingerprint(new, ofModel: model, inFixture: position)
      }
    }
    try write()
    return written
  }

  private func recordings(_ positions: [Int], _ task: Job.Task, by pool: WorkerPool) -> [Recording] {
    let jobs = positions.map { Job(task, fixtures[$0], in: folder) }
    return zip(jobs, pool.run(jobs)).map { job, answer in
      var recording = Recording(job.fixture.name)
      switch answer {
      case .json(let json): return Recording(json) ?? recording
      case .crash(let how): recording.problems = ["its process \(how)"]
      case .timeout(let limit): recording.problems = ["no answer after \(limit.brief) s"]
      case .cannotStart(let reason): recording.problems = ["no process could be started: \(reason)"]
      }
      return recording
    }
  }
}

extension JSONValue {
  fileprivate func settingFingerprint(_ text: String, ofModel model: Int, inFixture fixture: Int) -> JSONValue
  {
    changing("fixtures") { fixtures in
      fixtures.changing(at: fixture) { entry in
        entry.changing("models") { models in
          models.changing(at: model) { file in
            file.changing("fingerprint") { _ in .string(text) }
          }
        }
      }
    }
  }

  /// With the member `key` changed, where there is one.
  func changing(_ key: String, _ change: (JSONValue) -> JSONValue) -> JSONValue {
    guard case .object(let members) = self else { return self }
    return .object(members.map { $0.key == key ? JSONMember(key, change($0.value)) : $0 })
  }

  private func changing(at index: Int, _ change: (JSONValue) -> JSONValue) -> JSONValue {
    guard case .array(var elements) = self, elements.indices.contains(index) else { return self }
    elements[index] = change(elements[index])
    return .array(elements)
  }
}
