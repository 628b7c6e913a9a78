import Foundation
import TestSupport
import Testing

@testable import FixtureChecks

/// Workers written in shell, which crash and hang for real.
@Suite struct WorkerTests {
  private func pool(_ script: String, workers: Int = 2, timeout: Double = 20) -> WorkerPool {
    WorkerPool(program: "/bin/sh", arguments: ["-c", script], workers: workers, timeout: timeout)
  }

  /// Answers with the name of the fixture, which stands first in the job's line.
  private static let answer = """
    name=${line#*'"name":"'}; name=${name%%'"'*}
    echo '{"fixture":"'$name'","seconds":0,"problems":[],"comparisons":[],"notes":[],"skipped":null}'
    """

  private func manifest(_ names: [String]) throws -> Manifest {
    try FixtureChecksTests.manifest(
      manifestText(names.map { "{ \"name\": \"\($0)\", \"models\": [\"m.onnx\"] }" }.joined(separator: ",\n"))
    )
  }

  @Test(arguments: [1, 2, 5])
  func `a crash or a hang fails its fixture alone, and all others are checked`(workers: Int) throws {
    let names = ["a", "crash-1", "b", "hang", "c", "crash-2", "d", "quits", "nonsense", "e"]
    let script = """
      while read -r line; do case $line in
      *crash*) echo 'index out of range' >&2; kill -SEGV $$;; *hang*) exec sleep 100;; *quits*) exit 7;;
      *nonsense*) echo 'hello';; *) \(Self.answer);; esac; done
      """
    var finished: [String] = []
    let start = Date()
    let run = try manifest(names).check(Array(names.indices), by: pool(script, workers: workers, timeout: 1))
    {
      finished.append($0.fixture)
    }
    #expect(run.outcomes.map(\.fixture) == names && finished == names)
    #expect(Date().timeIntervalSince(start) < 15)
    let failed = run.outcomes.filter { $0.status == .failed }
    #expect(failed.map(\.fixture) == ["crash-1", "hang", "crash-2", "quits", "nonsense"])
    #expect(failed.map { $0.problems[0].kind } == [.crash, .timeout, .crash, .crash, .crash])
    #expect(failed[0].problems[0].message.contains("signal 11"), "\(failed[0])")
    #expect(failed[0].problems[0].message.contains("index out of range"), "\(failed[0])")
    #expect(failed[1].problems[0].message.contains("no answer after 1 s") && failed[1].seconds >= 1)
    #expect(failed[3].problems[0].message.contains("code 7"))
    #expect(run.exitCode == 1)
  }

  @Test func `a crash is told on one line, with what the process said of it and without its stack`() throws {
    let script = """
      while read -r line; do case $line in
      *crash*)
        printf '\\n==========\\nMain.swift:7: Fatal error: Index out of range\\nCurrent stack trace:\\n' >&2
        for frame in 0 1 2; do echo "$frame libswiftCore.so 0x00007f0000000$frame _report + 40" >&2; done
        kill -ILL $$;;
      *silent*) kill -SEGV $$;;
      *) echo 'a warning' >&2; \(Self.answer);; esac; done
      """
    let names = ["a", "crash", "b", "silent", "c"]
    let run = try manifest(names).check(Array(names.indices), by: pool(script, workers: 1))
    let failed = run.outcomes.filter { $0.status == .failed }
    #expect(failed.map(\.fixture) == ["crash", "silent"])
    #expect(
      failed.map { $0.problems[0].message } == [
        "its process ended by signal 4 (Illegal instruction): Main.swift:7: Fatal error: Index out of range; "
          + "please report this",
        "its process ended by signal 11 (Segmentation fault); please report this",
      ])
  }

  @Test func `a worker that does not start, and one that reads nothing, fail fixtures and end`() throws {
    let three = try manifest(["a", "b", "c"])
    let missing = three.check([0, 1, 2], by: WorkerPool(program: "/no/such/program", arguments: []))
    #expect(missing.outcomes.count == 3)
    #expect(
      missing.outcomes.allSatisfy {
        $0.problems.first?.message.contains("no process could be started") ?? false
      })
    let dead = three.check([0, 1, 2], by: pool("exit 0"))
    #expect(dead.outcomes.map { $0.problems.first?.kind } == [.crash, .crash, .crash])
    #expect(three.check([], by: pool("exit 0")).exitCode == 0)
  }

  @Test func `workers work at the same time`() throws {
    let script = "while read -r line; do sleep 0.5; \(Self.answer); done"
    let start = Date()
    let run = try manifest((0..<8).map { "f\($0)" }).check(Array(0..<8), by: pool(script, workers: 4))
    #expect(run.exitCode == 0, "\(run.outcomes)")
    // One after another they would take four seconds.
    #expect(Date().timeIntervalSince(start) < 3)
  }

  @Test func `no worker is left behind`() throws {
    let mark = "rnnconv-\(UUID().uuidString)"
    let run = try manifest(["hang", "a"]).check(
      [0, 1], by: pool(": \(mark); while read -r line; do sleep 0.3; done", timeout: 0.1))
    // Workers were there, and had work.
    #expect(run.outcomes.map { $0.problems.first?.kind } == [.timeout, .timeout])
    let processes = try FileManager.default.contentsOfDirectory(atPath: "/proc").filter { Int($0) != nil }
    for process in processes {
      let line = (try? Data(contentsOf: URL(filePath: "/proc/\(process)/cmdline"))) ?? Data()
      #expect(!String(decoding: line, as: UTF8.self).contains(mark))
    }
  }
}
