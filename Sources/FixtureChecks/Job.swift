internal import ByteIO

/// What a worker is asked, one line of JSON, and answers with one.
struct Job: Sendable {
  var task: Task
  var fixture: Fixture
  var folder: String

  enum Task: String, Sendable {
    case check
    /// Checks, and also asks what the inputs would notice.
    case checkPower = "check-power"
    /// Says what `--init` writes down about models that were found.
    case describe
    /// Says what recording would change.
    case propose
    /// Writes expected outputs.
    case record
  }

  var json: JSONValue {
    .object([
      JSONMember("task", .string(task.rawValue)), JSONMember("fixture", fixture.json),
      JSONMember("folder", .string(folder)),
    ])
  }

  init(_ task: Task, _ fixture: Fixture, in folder: String) {
    self.task = task
    self.fixture = fixture
    self.folder = folder
  }

  init?(_ json: JSONValue) {
    guard let task = json.text("task").flatMap(Task.init(rawValue:)), let folder = json.text("folder"),
      let entry = json["fixture"],
      let fixture = try? Fixture(ManifestNode(entry, path: "fixture"))
    else { return nil }
    self.init(task, fixture, in: folder)
  }

  func run(limits: Limits) -> JSONValue {
    switch task {
    case .check, .checkPower:
      var check = FixtureCheck(fixture, in: folder, limits: limits)
      return check.run(power: task == .checkPower).json
    case .describe: return FoundModels(fixture, in: folder, limits: limits).json
    case .propose, .record:
      return Recording(fixture, in: folder, writing: task == .record, limits: limits).json
    }
  }
}
