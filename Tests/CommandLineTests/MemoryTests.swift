import Foundation
import TestSupport
import Testing

@Suite struct MemoryTests {
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
}
