internal import CKernels
internal import Recurrent

/// Native numbers that the kernels multiply.
protocol Panelled: Native {
  /// Columns of a panel, which is one cache line wide; also the units of a block of gates.
  static var panelWidth: Int { get }

  /// C = A·W + bias: see CKernels.h.
  static func product(
    _ kernels: ck_kernels, rows: Int, panels: Int, depth: Int, _ a: UnsafePointer<Self>, lda: Int,
    _ w: UnsafePointer<Self>, _ bias: UnsafePointer<Self>, _ c: UnsafeMutablePointer<Self>, ldc: Int,
    backwards: Bool)

  /// y += w·x of `count` numbers, each fused.
  static func multiplyAdd(
    _ kernels: ck_kernels, _ count: Int, _ w: UnsafePointer<Self>, _ x: UnsafePointer<Self>,
    _ y: UnsafeMutablePointer<Self>)

  /// A step of a standard cell; false where the kernels have none for this arithmetic.
  static func standardStep(_ kernels: ck_kernels, _ cell: StandardCell, _ step: GateStep<Self>) -> Bool
}

extension Float: Panelled {
  typealias Dense = PackedDense<Float>
  typealias Convolver = PackedConvolution<Float>

  static var panelWidth: Int { 16 }

  static func product(
    _ kernels: ck_kernels, rows: Int, panels: Int, depth: Int, _ a: UnsafePointer<Float>, lda: Int,
    _ w: UnsafePointer<Float>, _ bias: UnsafePointer<Float>, _ c: UnsafeMutablePointer<Float>, ldc: Int,
    backwards: Bool
  ) {
    kernels.product(rows, panels, depth, a, lda, w, bias, c, ldc, backwards)
  }

  static func multiplyAdd(
    _ kernels: ck_kernels, _ count: Int, _ w: UnsafePointer<Float>, _ x: UnsafePointer<Float>,
    _ y: UnsafeMutablePointer<Float>
  ) {
    kernels.multiply_add(count, w, x, y)
  }

  static func standardStep(_ kernels: ck_kernels, _ cell: StandardCell, _ step: GateStep<Float>) -> Bool {
    let (rows, blocks) = (step.rows, step.blocks)
    let (x, ldx, r, ldr, ld) = (step.x, step.ldx, step.r, step.ldr, step.ld)
    switch cell {
    case .lstm: kernels.lstm(rows, blocks, x, ldx, r, ldr, step.c, ld, step.h, ld)
    case .gru: kernels.gru(rows, blocks, x, ldx, r, ldr, step.before, ld, step.h, ld)
    case .rnn(let relu): kernels.rnn(rows, blocks, x, ldx, r, ldr, step.h, ld, relu)
    }
    return true
  }
}

extension Double: Panelled {
  typealias Dense = PackedDense<Double>
  typealias Convolver = PackedConvolution<Double>

  static var panelWidth: Int { 8 }

  static func product(
    _ kernels: ck_kernels, rows: Int, panels: Int, depth: Int, _ a: UnsafePointer<Double>, lda: Int,
    _ w: UnsafePointer<Double>, _ bias: UnsafePointer<Double>, _ c: UnsafeMutablePointer<Double>, ldc: Int,
    backwards: Bool
  ) {
    kernels.product64(rows, panels, depth, a, lda, w, bias, c, ldc, backwards)
  }

  static func multiplyAdd(
    _ kernels: ck_kernels, _ count: Int, _ w: UnsafePointer<Double>, _ x: UnsafePointer<Double>,
    _ y: UnsafeMutablePointer<Double>
  ) {
    kernels.multiply_add64(count, w, x, y)
  }

  static func standardStep(_ kernels: ck_kernels, _ cell: StandardCell, _ step: GateStep<Double>) -> Bool {
    false
  }
}

extension Panelled {
  static func recurrence(_ layer: RecurrentLayer, _ rules: Execution) -> PackedRecurrence<Self> {
    PackedRecurrence(layer, rules)
  }
  static func run(
    _ recurrence: PackedRecurrence<Self>, _ x: Numbers<Self>, lengths: [Int]?, h: Numbers<Self>?,
    c: Numbers<Self>?
  ) -> [Value<Self>] {
    recurrence.run(x, lengths: lengths, h: h, c: c)
  }
  static func runTogether(
    _ stack: [RecurrentLayer], _ x: Numbers<Self>, states: [InitialStates<Self>], _ execution: Execution,
    recurrence: (Int) -> PackedRecurrence<Self>
  ) -> [[Value<Self>]]? {
    Wavefront(stack, steps: x.steps ?? 1, batch: x.batch, execution)?.run(
      stack.indices.map(recurrence), x, states)
  }
}
