/// A row of the table of files in docs/BENCHMARKS.md: what we do, what a peer does, and how far apart they are to be.
struct FileCase: Sendable {
  enum Measure: String, Sendable, Encodable {
    /// Our seconds ÷ the peer's.
    case time
    /// The bytes that memory grows by, ours ÷ the peer's.
    case memory
    /// The bytes that our memory grows by ÷ those of the file.
    case memoryOfFile = "memory ÷ file"
  }

  let name: String
  let ours: FileStep
  /// A step of files_peers.py.
  let peer: String
  let measure: Measure
  let must: Double
  let aim: Double

  static let all: [FileCase] = [
    FileCase(
      name: "native read, mapped", ours: .nativeMap, peer: "torch-map", measure: .time, must: 1, aim: 0.5),
    FileCase(
      name: "native read, every checksum", ours: .nativeRead, peer: "safetensors-read", measure: .time,
      must: 0.6, aim: 0.25),
    FileCase(
      name: "native write, checksums in it", ours: .nativeWrite, peer: "safetensors-write", measure: .time,
      must: 1.35, aim: 1.05),
    FileCase(
      name: "native write and fsync", ours: .nativeWriteSync, peer: "raw-sync", measure: .time, must: 1.2,
      aim: 1.05),
    FileCase(
      name: "ONNX read to usable weights", ours: .onnxRead, peer: "onnx-read", measure: .time, must: 0.25,
      aim: 0.1),
    FileCase(
      name: "ONNX read, memory", ours: .onnxRead, peer: "onnx-read", measure: .memoryOfFile, must: 1.15,
      aim: 1.15),
    FileCase(
      name: "ONNX write", ours: .onnxWrite, peer: "onnx-write", measure: .time, must: 0.3, aim: 0.2),
    // A tensor is 4 MiB of 512 by default: five at a time are a fiftieth of what the peer takes.
    FileCase(
      name: "whole conversion, memory", ours: .convert, peer: "onnx-convert", measure: .memory, must: 1,
      aim: 0.02),
  ]
}

/// The figures of one step: medians over all rounds, and memory in a process of its own.
struct FileFigures: Encodable {
  let seconds: Double
  let quickest: Double
  let grownBytes: Int
}

struct FileResult: Encodable {
  let name: String
  let measure: FileCase.Measure
  let ours: FileFigures
  let peer: FileFigures?
  let ratio: Double?
  /// The same of the quickest times.
  let quickestRatio: Double?
  let must: Double
  let aim: Double

  init(_ item: FileCase, ours: FileFigures, peer: FileFigures?, fileBytes: Int) {
    name = item.name
    measure = item.measure
    self.ours = ours
    self.peer = peer
    must = item.must
    aim = item.aim
    quickestRatio = item.measure == .time ? peer.map { ours.quickest / $0.quickest } : nil
    ratio =
      switch item.measure {
      case .time: peer.map { ours.seconds / $0.seconds }
      case .memory: peer.map { Double(ours.grownBytes) / Double($0.grownBytes) }
      case .memoryOfFile: Double(ours.grownBytes) / Double(fileBytes)
      }
  }

  static let header =
    "files                          of              ours      peer   ratio  quickest   must    aim  memory MiB      peer's"

  var line: String {
    func megabytes(_ figures: FileFigures?) -> String {
      figures.map { (Double($0.grownBytes) / 1_048_576).fixed(1) } ?? "–"
    }
    func seconds(_ figures: FileFigures?) -> String { figures?.seconds.fixed(4) ?? "–" }
    let verdict = ratio.map { $0 <= aim ? "  aim" : $0 <= must ? "  must" : "  NOT REACHED" } ?? ""
    let cells: [(String, Int)] = [
      (seconds(ours), 9), (seconds(peer), 10), (ratio?.fixed(3) ?? "–", 8),
      (quickestRatio?.fixed(3) ?? "–", 10), (must.fixed(2), 7),
      (aim.fixed(2), 7), (megabytes(ours), 12), (megabytes(peer), 12),
    ]
    return cells.reduce(name.padded(31, left: false) + measure.rawValue.padded(13, left: false)) {
      $0 + $1.0.padded($1.1)
    } + verdict
  }
}
