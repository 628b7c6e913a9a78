import Foundation
import TestSupport
import Testing

/// Sanitizers keep a shadow of all memory, which counts as the process's own.
@Suite(.disabled(if: Tool.isSanitized, "a sanitizer's own memory would be measured"))
struct MemoryTests {
  /// One value [T, B, H] alone would be 25 MB here; a pass that kept its steps would hold four of them and more.
  @Test(arguments: [(100_000, 1), (1600, 64)])
  func `A pass that needs the last step only takes memory for a block of steps`(steps: Int, batch: Int) throws
  {
    let bench = try Tool.binary.get().deletingLastPathComponent().appending(path: "rnnconv-bench")
    let (child, text) = try Child.output(
      of: bench, ["memory", "--steps", "\(steps)", "--batch", "\(batch)"],
      in: bench.deletingLastPathComponent(), joiningError: true)
    #expect(child.code == 0, "\(text)")
    let figures = try #require(
      try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Int], "\(text)")
    let (grown, value) = (try #require(figures["grownBytes"]), try #require(figures["valueBytes"]))
    #expect(value > 25_000_000 && grown < 4_000_000, "\(text)")
  }

  /// The weights are 64 MiB. What is mapped counts as memory too.
  @Test func `Files are converted tensor by tensor, written without a copy and read into one`() throws {
    let bench = try Tool.binary.get().deletingLastPathComponent().appending(path: "rnnconv-bench")
    let (child, text) = try Child.output(
      of: bench, ["files", "--mib", "64", "--rounds", "1", "--json"], in: bench.deletingLastPathComponent(),
      joiningError: false)
    #expect(child.code == 0, "\(text)")
    struct Report: Decodable {
      struct Result: Decodable {
        struct Figures: Decodable { let grownBytes: Int }
        let name: String
        let ours: Figures
      }
      let fileBytes: Int
      let results: [Result]
    }
    let report = try JSONDecoder().decode(Report.self, from: Data(text.utf8))
    let grown = Dictionary(uniqueKeysWithValues: report.results.map { ($0.name, $0.ours.grownBytes) })
    #expect(report.fileBytes > 64 << 20)
    #expect(try #require(grown["whole conversion, memory"]) < 24 << 20, "\(text)")
    #expect(try #require(grown["native write, checksums in it"]) < 8 << 20, "\(text)")
    #expect(try #require(grown["ONNX write"]) < 8 << 20, "\(text)")
    #expect(try #require(grown["ONNX read, memory"]) < report.fileBytes + (24 << 20), "\(text)")
  }
}
