internal import Foundation

/// The Python process that runs the peers: `forward_peers.py`, asked and answered line by line.
final class ForwardPeers {
  private let process = Process()
  private let requests = Pipe()
  private let answers = Pipe()
  private var pending = Data()
  /// Versions of Python and of the packages that are there.
  private(set) var versions: [String: String] = [:]

  struct Failure: Error, CustomStringConvertible {
    let description: String
  }

  /// Throws where there is no such Python, or onnxruntime, onnx and numpy are not in it.
  init(python: String) throws {
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = [python, "-c", String(decoding: PackageResources.forward_peers_py, as: UTF8.self)]
    process.standardInput = requests
    process.standardOutput = answers
    process.standardError = FileHandle.nullDevice
    try process.run()
    let hello = try ask(["op": "hello"])
    versions = hello.compactMapValues { $0 as? String }
    let missing = ["numpy", "onnx", "onnxruntime"].filter { versions[$0] == nil }
    guard missing.isEmpty else {
      throw Failure(description: "\(python) has no \(missing.joined(separator: ", "))")
    }
  }

  deinit {
    try? requests.fileHandleForWriting.close()
    process.waitUntilExit()
  }

  func ask(_ request: [String: Any]) throws -> [String: Any] {
    let line = try JSONSerialization.data(withJSONObject: request) + Data("\n".utf8)
    try requests.fileHandleForWriting.write(contentsOf: line)
    while !pending.contains(UInt8(ascii: "\n")) {
      let more = answers.fileHandleForReading.availableData
      guard !more.isEmpty else { throw Failure(description: "Python ended without an answer") }
      pending.append(more)
    }
    let end = pending.firstIndex(of: UInt8(ascii: "\n"))!
    let answer = try JSONSerialization.jsonObject(with: pending[..<end]) as? [String: Any] ?? [:]
    pending = Data(pending[(end + 1)...])
    if let error = answer["error"] as? String { throw Failure(description: error) }
    return answer
  }

  /// Seconds of each pass of a peer, for about so long.
  func run(_ peer: String, seconds: Double) throws -> [Double] {
    try ask(["op": "run", "peer": peer, "seconds": seconds])["times"] as? [Double] ?? []
  }
}
