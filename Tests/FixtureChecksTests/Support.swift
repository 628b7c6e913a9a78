import ByteIO
import Foundation
import TestSupport
import Testing
import Verification

@testable import FixtureChecks

func json(_ text: String) throws -> JSONValue { try JSONValue(parsing: ByteBuffer(Array(text.utf8))) }

/// A manifest with these fixtures, as text.
func manifestText(_ fixtures: String, rest: String = "") -> String {
  "{ \"rnnconv_check\": 1, \(rest)\n\"fixtures\": [\n\(fixtures)\n] }"
}

func manifest(_ text: String) throws -> Manifest {
  try Manifest(ByteBuffer(Array(text.utf8)), path: "models/rnnconv.json")
}

/// A run with every kind of outcome, whose names and messages hold what each format could stumble over.
func awkwardRun() throws -> CheckRun {
  let names = ["plain", "a<b>&\"c\"", "hash # and \\ back", "ünï / cödé", "skipped"]
  let entries = names.map { name in
    "{ \"name\": \(String(decoding: try! JSONValue.string(name).compactBytes(), as: UTF8.self)), \"models\": [\"dir, a/m:%1.onnx\"] }"
  }
  let manifest = try manifest(manifestText(entries.joined(separator: ",\n")))
  var outcomes = names.map { Outcome($0) }
  outcomes[0].comparisons = [.init(left: "a", right: "b", verdict: .equal)]
  outcomes[1].problems = [
    Problem(.different, "dir, a/m:%1.onnx", "100% wrong: <x> & \u{1}\u{1B}[31m\nsecond, line\r\nthird | `x`")
  ]
  outcomes[2].problems = [
    Problem(.blind, "m.onnx", "would not notice"), Problem(.crash, "m.onnx", "signal 11"),
  ]
  outcomes[3].problems = [Problem(.inconclusive, "m.onnx", "cannot tell")]
  outcomes[4].skipped = "needs # a GPU"
  for index in outcomes.indices { outcomes[index].seconds = 0.25 }
  return CheckRun(
    manifest: manifest,
    entries: outcomes.indices.map {
      .init(fixture: manifest.fixtures[$0], line: manifest.lines[$0], outcome: outcomes[$0])
    }, seconds: 1.5)
}
