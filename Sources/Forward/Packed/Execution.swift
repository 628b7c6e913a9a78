internal import ByteIO
internal import CKernels

/// How a pass in native numbers runs: how fast, never with what result.
package struct Execution: Sendable, Hashable {
  /// How passes run that are not told otherwise.
  @TaskLocal package static var current = Execution()

  /// At most so many threads; fewer where more would not pay.
  package var threads: Int
  var instructions: InstructionSet
  var readsStoredWeights = false

  package init(threads: Int = Execution.cores) {
    self.init(threads: threads, instructions: .best)
  }

  init(threads: Int, instructions: InstructionSet) {
    self.threads = max(1, threads)
    self.instructions = instructions
  }

  /// How many cores this process may use.
  package static let cores = processorCount
}

extension Execution: PassRules {
  var narrowsWeights: Bool { false }
}

/// The instructions that the kernels use. All give the same bits.
enum InstructionSet: Int32, Sendable, CaseIterable {
  case portable, avx2, avx512

  static let best = InstructionSet(rawValue: ck_best_level()) ?? .portable
  static var available: [InstructionSet] { allCases.filter { ck_kernels_of($0.rawValue) != nil } }

  /// Only `available` ones have a table.
  var kernels: ck_kernels { ck_kernels_of(rawValue).pointee }
}

/// Calls `body(0)`, … `body(members - 1)` at once, each on its own thread, and waits for all.
func concurrently(_ members: Int, _ body: (Int) -> Void) {
  if members == 1 { return body(0) }
  withoutActuallyEscaping(body) { body in
    withUnsafePointer(to: body) { body in
      // `ck_run` returns after the last call: the closure outlives them.
      ck_run(
        Int32(members),
        { context, member in
          context!.assumingMemoryBound(to: ((Int) -> Void).self).pointee(Int(member))
        }, UnsafeMutableRawPointer(mutating: body))
    }
  }
}

/// Calls `body` with as many threads as `wanted` and the rest of the process leave.
func withThreads(_ wanted: Int, _ body: (Int) -> Void) {
  let threads = ck_acquire(Int32(clamping: wanted))
  body(Int(threads))
  ck_release(threads)
}

/// Numbers aligned for the kernels, all zero at first; freed with its last use.
struct Workspace<Number: Native>: ~Copyable {
  let start: UnsafeMutablePointer<Number>

  init(_ count: Int) {
    let raw = UnsafeMutableRawPointer.allocate(
      byteCount: max(1, count) * MemoryLayout<Number>.stride, alignment: Int(CK_PANEL_BYTES))
    start = raw.bindMemory(to: Number.self, capacity: max(1, count))
    start.initialize(repeating: 0, count: max(1, count))
  }

  deinit { start.deallocate() }
}
