internal import Foundation

/// A Python process that runs peers, asked and answered line by line: `peers.py` and what each command adds to it.
final class Peers {
  private let process = Process()
  private let requests = Pipe()
  private let answers = Pipe()
  private var pending = Data()
  /// Versions of Python and of the packages that are there.
  private(set) var versions: [String: String] = [:]

  struct Failure: Error, CustomStringConvertible {
    let description: String
  }

  /// Throws where there is no such Python, or packages that `script` cannot do without are not in it.
  init(python: String, script: [UInt8], needs packages: [String]) throws {
    let program = PackageResources.peers_py + script + Array("\nserve(operations)\n".utf8)
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = [python, "-c", String(decoding: program, as: UTF8.self)]
    process.standardInput = requests
    process.standardOutput = answers
    process.standardError = FileHandle.nullDevice
    try process.run()
    versions = try ask(["op": "hello"]).compactMapValues { $0 as? String }
    let missing = packages.filter { versions[$0] == nil }
    guard missing.isEmpty else {
      throw Failure(description: "\(python) has no \(missing.joined(separator: ", "))")
    }
  }

  deinit {
    try? requests.fileHandleForWriting.close()
    process.waitUntilExit()
  }

  /// The Python that the user names, by `--python` or by RNNCONV_PYTHON.
  static func python(_ option: String?) -> String? {
    option ?? ProcessInfo.processInfo.environment["RNNCONV_PYTHON"]
  }

  /// onnxruntime, and what else runs forward passes, for commands that measure nothing without it.
  static func forward(python option: String?) throws -> Peers {
    let peers = open(
      python: option, script: PackageResources.forward_peers_py, needs: ["numpy", "onnx", "onnxruntime"])
    guard let peers else {
      throw Failure(description: "--python PATH, or RNNCONV_PYTHON, names the Python that is compared with")
    }
    return peers
  }

  /// The peers, or nil; says on standard error what they are, or why there are none.
  static func open(python option: String?, script: [UInt8], needs packages: [String]) -> Peers? {
    guard let path = python(option) else {
      let wanted = packages.joined(separator: ", ")
      note("no peers: --python PATH, or RNNCONV_PYTHON, names a Python with \(wanted)")
      return nil
    }
    do {
      let peers = try Peers(python: path, script: script, needs: packages)
      note(peers.versions.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value)" }.joined(separator: ", "))
      return peers
    } catch {
      note("no peers: \(error)")
      return nil
    }
  }

  private static func note(_ text: String) { FileHandle.standardError.write(Data((text + "\n").utf8)) }

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
}
