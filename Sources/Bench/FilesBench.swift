internal import ArgumentParser
internal import Foundation

struct FilesBench: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "files",
    abstract: "Reading, writing and converting files, beside PyTorch, safetensors and onnx in the same run.",
    discussion: """
      Ours and the peers take turns, on files that are in the cache; the figures are medians. Memory is what it grows by at \
      most, pages of mapped files included, each step once in a process of its own. The peers run where --python, or \
      RNNCONV_PYTHON, names a Python that has numpy, onnx and (if it can be) safetensors and torch.
      """)

  @Option(help: "A Python that has the peers.")
  var python: String?

  @Option(help: "MiB of weights, in LSTMs of 8 MiB.")
  var mib = 512

  @Option(help: "How many times each.")
  var rounds = 11

  @Option(
    help: "Where a folder for the files is made and removed again; the system's temporary folder if left out."
  )
  var folder: String?

  @Option(help: "Only rows that begin with this, such as 'native' or 'ONNX read'.")
  var only = ""

  @Flag(help: "Print the results as JSON.")
  var json = false

  func validate() throws {
    guard mib >= 8, rounds > 0 else {
      throw ValidationError("--mib takes a number from 8 on, --rounds one from 1 on")
    }
  }

  func run() throws {
    let parent = folder.map { URL(fileURLWithPath: $0) } ?? FileManager.default.temporaryDirectory
    // Two files of ours, two of the peers, one that is being written; each somewhat longer than its weights.
    try Self.checkSpace(parent, bytes: (5 * mib + mib / 4) << 20)
    let folder = parent.appendingPathComponent("rnnconv-files-\(getpid())")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }

    try FileStep.prepare(folder, mebibytes: mib)
    let bytes = try FileManager.default.attributesOfItem(atPath: folder.appendingPathComponent("m.onnx").path)
    let fileBytes = (bytes[.size] as? NSNumber)?.intValue ?? 0
    let peers = Peers.open(python: python, script: PackageResources.files_peers_py, needs: ["numpy", "onnx"])
    let steps = try peers?.ask(["op": "prepare", "folder": folder.path])["steps"] as? [String] ?? []

    if !json { print(FileResult.header) }
    let work = FileWork(folder)
    var measured: [FileStep: (FileFigures, FileFigures?)] = [:]
    var results: [FileResult] = []
    for item in FileCase.all where item.name.hasPrefix(only) {
      let peer = steps.contains(item.peer) ? peers : nil
      let (ours, theirs) = try measured[item.ours] ?? measure(item, work, peer, folder)
      measured[item.ours] = (ours, theirs)
      results.append(FileResult(item, ours: ours, peer: theirs, fileBytes: fileBytes))
      if !json { print(results.last!.line) }
    }
    if !json { return print("\(mib) MiB of weights, \(rounds) rounds. \(Machine.text)") }
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys]
    let report = FilesReport(
      machine: Machine.text, peers: peers?.versions ?? [:], mebibytes: mib, fileBytes: fileBytes,
      results: results)
    print(String(decoding: try encoder.encode(report), as: UTF8.self))
  }

  private static func checkSpace(_ folder: URL, bytes: Int) throws {
    let values = try folder.resourceValues(forKeys: [.volumeAvailableCapacityKey])
    if let free = values.volumeAvailableCapacity, free < bytes {
      throw ValidationError(
        "\(folder.path) has \(free >> 20) MiB free, the files take \(bytes >> 20): give another --folder or --mib"
      )
    }
  }

  /// In turns; the first of each, which warms up, does not count.
  private func measure(
    _ item: FileCase, _ work: FileWork, _ peers: Peers?, _ folder: URL
  ) throws -> (FileFigures, FileFigures?) {
    var times: [Double] = []
    var peerTimes: [Double] = []
    for _ in 0...rounds {
      times.append(try work.measure(item.ours).seconds)
      if let peers { peerTimes.append(try peers.measure(item.peer, in: folder).seconds) }
    }
    let ours = FileFigures(times, try FileStepCommand.measure(item.ours, in: folder))
    guard peers != nil, let python = Peers.python(python) else { return (ours, nil) }
    let fresh = try Peers(python: python, script: PackageResources.files_peers_py, needs: [])
    return (ours, FileFigures(peerTimes, try fresh.measure(item.peer, in: folder)))
  }
}

extension FileFigures {
  init(_ times: [Double], _ alone: FileStep.Measurement) {
    let counted = Array(times.dropFirst())
    self.init(seconds: counted.median, quickest: counted.min()!, grownBytes: alone.grownBytes)
  }
}

extension Peers {
  fileprivate func measure(_ step: String, in folder: URL) throws -> FileStep.Measurement {
    let answer = try ask(["op": "run", "step": step, "folder": folder.path])
    guard let seconds = answer["seconds"] as? Double, let grown = answer["grownBytes"] as? Int else {
      throw Failure(description: "\(step): no figures")
    }
    return FileStep.Measurement(seconds: seconds, grownBytes: grown)
  }
}

struct FilesReport: Encodable {
  let machine: String
  let peers: [String: String]
  let mebibytes: Int
  let fileBytes: Int
  let results: [FileResult]
}
