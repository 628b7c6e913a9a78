internal import CKernels
internal import Tensors

/// y = weight · x + bias over packed weights.
struct PackedDense<Number: Panelled>: DenseLayer {
  private let matrix: PackedMatrix<Number>
  private let outputs: Int
  private let execution: Execution

  init(weight: Tensor, bias: Tensor?, _ rules: Execution) {
    outputs = weight.shape[0]
    execution = rules
    matrix = PackedMatrix(
      MatrixSource(weight, rules), outputs: outputs, depth: weight.shape[1],
      bias: bias.map { Number.stored($0, rules) })
  }

  func run(_ x: Numbers<Number>) -> Numbers<Number> {
    let count = x.groups * outputs
    let elements = [Number](unsafeUninitializedCapacity: count) { y, filled in
      filled = count
      guard count > 0, let y = y.baseAddress else { return }
      x.elements.withUnsafeBufferPointer { x in
        // No features: there is nothing to read.
        run(rows: count / outputs, x.baseAddress ?? UnsafePointer(y), y)
      }
    }
    return Numbers(steps: x.steps, batch: x.batch, features: outputs, elements: elements)
  }

  /// Tiles of rows, or of panels where there are few rows, each on one of the threads.
  private func run(rows: Int, _ x: UnsafePointer<Number>, _ y: UnsafeMutablePointer<Number>) {
    let kernels = execution.instructions.kernels
    let work = rows * outputs * matrix.depth
    let byRows = rows >= 12
    let parts = min(execution.threads, max(1, work / 500_000), byRows ? rows / 6 : matrix.panels)
    withThreads(parts) { parts in
      concurrently(parts) { part in
        func share(_ count: Int) -> Range<Int> { (count * part / parts)..<(count * (part + 1) / parts) }
        run(
          kernels, rows: byRows ? share(rows) : 0..<rows, byRows ? 0..<matrix.panels : share(matrix.panels),
          x,
          y)
      }
    }
  }

  private func run(
    _ kernels: ck_kernels, rows: Range<Int>, _ panels: Range<Int>, _ x: UnsafePointer<Number>,
    _ y: UnsafeMutablePointer<Number>
  ) {
    let (width, depth, most) = (Number.panelWidth, matrix.depth, 96)
    let scratch = Workspace<Number>(min(rows.count, most) * panels.count * width)
    let columns = (panels.lowerBound * width)..<min(panels.upperBound * width, outputs)
    for start in stride(from: rows.lowerBound, to: rows.upperBound, by: most) {
      let count = min(most, rows.upperBound - start)
      matrix.product(
        kernels, panels, rows: count, x + start * depth, lda: depth, scratch.start, ldc: panels.count * width)
      for row in 0..<count {
        (y + (start + row) * outputs + columns.lowerBound).update(
          from: scratch.start + row * panels.count * width, count: columns.count)
      }
    }
  }
}
