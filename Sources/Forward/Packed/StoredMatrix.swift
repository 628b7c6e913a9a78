internal import Tensors

/// A weight `[N, K]` that panels are packed from: all of its numbers, or a large one as its tensor stores it.
enum MatrixSource<Number: Panelled>: Sendable {
  case numbers([Number])
  case stored(Tensor)

  init(_ tensor: Tensor, _ rules: some PassRules) {
    self = rules.staysStored(tensor) ? .stored(tensor) : .numbers(Number.weights(tensor))
  }
}

extension PassRules {
  /// Whether a matrix is not packed but read where it is.
  func staysStored(_ tensor: Tensor) -> Bool {
    readsStoredWeights && !narrowsWeights && tensor.count > 1 << 18
  }
}

/// A weight `[N, K]` as its tensor stores it; some panels of it are in memory while something is multiplied by them.
struct StoredMatrix<Number: Panelled>: Sendable {
  let tensor: Tensor
  let depth: Int
  /// Which row each column shows; nil for a column of zeros.
  let rows: [Int?]

  /// Panels that the second cache holds.
  private static var groupBytes: Int { 1 << 20 }

  /// Calls with one group of some panels after another, packed as `PackedMatrix` packs them.
  func forEachGroup(of panels: Range<Int>, _ body: (Range<Int>, UnsafeMutableBufferPointer<Number>) -> Void) {
    let size = depth * Number.panelWidth
    let group = max(1, Self.groupBytes / max(1, size * MemoryLayout<Number>.stride))
    let packed = Workspace<Number>(min(group, panels.count) * size)
    let converted = Workspace<Number>(size)
    for start in stride(from: panels.lowerBound, to: panels.upperBound, by: group) {
      let some = start..<min(start + group, panels.upperBound)
      for panel in some { pack(panel, converted.start, into: packed.start + (panel - start) * size) }
      body(some, UnsafeMutableBufferPointer(start: packed.start, count: some.count * size))
    }
  }

  /// Converts the rows of a panel, then puts their numbers side by side; both have room for a panel.
  private func pack(
    _ panel: Int, _ converted: UnsafeMutablePointer<Number>, into packed: UnsafeMutablePointer<Number>
  ) {
    let width = Number.panelWidth
    let shown = rows[(panel * width)..<((panel + 1) * width)]
    var lane = 0
    while lane < width {
      let target = converted + lane * depth
      guard let first = shown[shown.startIndex + lane] else {
        target.update(repeating: 0, count: depth)
        lane += 1
        continue
      }
      // Rows that follow one another are read at once.
      var count = 1
      while lane + count < width, shown[shown.startIndex + lane + count] == first + count { count += 1 }
      let elements = (first * depth)..<((first + count) * depth)
      Number.copy(elements, of: tensor, to: target)
      tensor.releasePages(elements)
      lane += count
    }
    for k in 0..<depth {
      for lane in 0..<width { packed[k * width + lane] = converted[lane * depth + k] }
    }
  }
}
