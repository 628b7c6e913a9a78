internal import CKernels

/// W `[N, K]` and b of `y = W x + b`, N cut into panels of a cache line's width: packed once for many products, or for each
/// product anew where the weight stays as it is stored.
struct PackedMatrix<Number: Panelled>: Sendable {
  let depth: Int
  let panels: Int
  /// Panel after panel, each `[K, width]`, from `first` on; zeros fill the last panel.
  private let elements: [Number]
  /// Where alignment to a cache line begins.
  private let first: Int
  private let bias: [Number]
  /// Where the panels come from if they are not in `elements`.
  let stored: StoredMatrix<Number>?

  /// - Parameter rows: which row of W each column shows; nil for a column of zeros. As many as fill whole panels.
  init(_ weight: MatrixSource<Number>, depth: Int, bias: [Number]?, rows: [Int?]) {
    let width = Number.panelWidth
    self.depth = depth
    panels = rows.count / width
    self.bias =
      bias.map { bias in rows.map { $0.map { bias[$0] } ?? 0 } }
      ?? [Number](
        repeating: 0, count: rows.count)
    let weights: [Number]
    switch weight {
    case .numbers(let numbers):
      weights = numbers
      stored = nil
    case .stored(let tensor):
      stored = StoredMatrix(tensor: tensor, depth: depth, rows: rows)
      elements = []
      first = 0
      return
    }
    let count = rows.count * depth
    var aligned = 0
    elements = [Number](unsafeUninitializedCapacity: count + width) { target, filled in
      guard let base = target.baseAddress else { return }
      let misalignment = Int(bitPattern: base) % (width * MemoryLayout<Number>.stride)
      aligned = misalignment == 0 ? 0 : width - misalignment / MemoryLayout<Number>.stride
      if count * MemoryLayout<Number>.stride >= 4 << 20 {
        ck_advise_large_pages(base, target.count * MemoryLayout<Number>.stride)
      }
      target.initialize(repeating: 0)
      filled = target.count
      weights.withUnsafeBufferPointer { weight in
        for (column, row) in rows.enumerated() {
          guard let row else { continue }
          let source = UnsafeBufferPointer(rebasing: weight[(row * depth)..<((row + 1) * depth)])
          let panel = base + aligned + column / width * depth * width + column % width
          for (k, number) in source.enumerated() { panel[k * width] = number }
        }
      }
    }
    first = aligned
  }

  /// Rows 0, 1, … of an `[N, K]` weight.
  init(_ weight: MatrixSource<Number>, outputs: Int, depth: Int, bias: [Number]?) {
    let width = Number.panelWidth
    let count = (outputs + width - 1) / width * width
    self.init(weight, depth: depth, bias: bias, rows: (0..<count).map { $0 < outputs ? $0 : nil })
  }

  /// C = A·Wᵀ + b for the columns of some panels: A has `rows` rows of K numbers, `lda` apart; those of C are `ldc` apart.
  ///
  /// Each element of C is b and then one product after another, however the rows and panels are shared out.
  func product(
    _ kernels: ck_kernels, _ range: Range<Int>, rows: Int, _ a: UnsafePointer<Number>, lda: Int,
    _ c: UnsafeMutablePointer<Number>, ldc: Int, backwards: Bool = false
  ) {
    precondition(range.lowerBound >= 0 && range.upperBound <= panels)
    let width = Number.panelWidth
    if let stored {
      stored.forEachGroup(of: range) { group, packed in
        bias.withUnsafeBufferPointer { bias in
          // `group` is within `range`, which is within the panels that `bias` holds.
          Number.product(
            kernels, rows: rows, panels: group.count, depth: depth, a, lda: lda, packed.baseAddress!,
            bias.baseAddress! + group.lowerBound * width, c + (group.lowerBound - range.lowerBound) * width,
            ldc: ldc, backwards: backwards)
        }
      }
      return
    }
    elements.withUnsafeBufferPointer { elements in
      bias.withUnsafeBufferPointer { bias in
        guard let elements = elements.baseAddress, let bias = bias.baseAddress else { return }
        // `range` is within the panels that `elements` and `bias` hold.
        Number.product(
          kernels, rows: rows, panels: range.count, depth: depth, a, lda: lda,
          elements + first + range.lowerBound * depth * width, bias + range.lowerBound * width, c, ldc: ldc,
          backwards: backwards)
      }
    }
  }
}

extension PackedMatrix<Double> {
  static var width: Int { Double.panelWidth }

  /// Σ w·x, Σ|w|·y and Σ|w|·z of the units of some panels with `rows` rows of (x, y, z), `[rows, depth, 3]`; returns
  /// `[rows, 3, units]`, the same bits with all instructions.
  func tripleProducts(
    _ range: Range<Int>, _ x: [Double], rows: Int, instructions: InstructionSet = .best
  ) -> [Double] {
    // Safe: these are the sizes that the C function stays under.
    precondition(range.lowerBound >= 0 && range.upperBound <= panels && stored == nil)
    return elements.withUnsafeBufferPointer { elements in
      Self.tripleProducts(
        elements.baseAddress! + first + range.lowerBound * depth * Self.width, panels: range.count,
        depth: depth, x, rows: rows, instructions: instructions)
    }
  }

  /// The same; the caller has as many panels behind the pointer.
  static func tripleProducts(
    _ packed: UnsafePointer<Double>, panels: Int, depth: Int, _ x: [Double], rows: Int,
    instructions: InstructionSet = .best
  ) -> [Double] {
    precondition(x.count == rows * depth * 3)
    let count = rows * 3 * panels * width
    return [Double](unsafeUninitializedCapacity: count) { sums, initialized in
      x.withUnsafeBufferPointer { x in
        instructions.kernels.bounded(rows, panels, depth, x.baseAddress, packed, sums.baseAddress)
      }
      initialized = count
    }
  }
}
