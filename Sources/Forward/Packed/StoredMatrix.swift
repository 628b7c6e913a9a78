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
    readsStoredWeights && !narrowsWeights && tensor.count >= 1 << 17
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
    let tile = Workspace<Number>(Number.panelWidth * Self.tileDepth)
    for start in stride(from: panels.lowerBound, to: panels.upperBound, by: group) {
      let some = start..<min(start + group, panels.upperBound)
      for panel in some { pack(panel, tile.start, into: packed.start + (panel - start) * size) }
      body(some, UnsafeMutableBufferPointer(start: packed.start, count: some.count * size))
    }
  }

  /// Numbers of a row that are put beside those of others at a time.
  private static var tileDepth: Int { 512 }

  /// Converts the rows of a panel, tile by tile, and puts their numbers side by side: `packed` has room for a panel.
  private func pack(
    _ panel: Int, _ tile: UnsafeMutablePointer<Number>, into packed: UnsafeMutablePointer<Number>
  ) {
    let width = Number.panelWidth
    let lanes = rows[(panel * width)..<((panel + 1) * width)].map { row in
      row.map { tensor.rows($0..<($0 + 1)) }
    }
    for start in stride(from: 0, to: depth, by: Self.tileDepth) {
      let count = min(Self.tileDepth, depth - start)
      for (lane, row) in lanes.enumerated() {
        let target = tile + lane * Self.tileDepth
        if let row {
          Number.copy(start..<(start + count), of: row, to: target)
        } else {
          target.update(repeating: 0, count: count)
        }
      }
      Self.turn(tile, count, into: packed + start * width)
    }
    // Rows that follow one another share pages.
    var passed = 0..<0
    for case let row? in rows[(panel * width)..<((panel + 1) * width)] {
      if row != passed.upperBound {
        tensor.releasePages((passed.lowerBound * depth)..<(passed.upperBound * depth))
        passed = row..<row
      }
      passed = passed.lowerBound..<(row + 1)
    }
    tensor.releasePages((passed.lowerBound * depth)..<(passed.upperBound * depth))
  }

  /// packed `[count, width]` = tile `[width, tileDepth]`ᵀ, four by four.
  private static func turn(
    _ tile: UnsafeMutablePointer<Number>, _ count: Int, into packed: UnsafeMutablePointer<Number>
  ) {
    typealias Four = SIMD4<Number>
    let width = Number.panelWidth
    let whole = count / 4 * 4
    for lane in stride(from: 0, to: width, by: 4) {
      let source = tile + lane * tileDepth
      func row(_ number: Int, _ k: Int) -> Four {
        UnsafeRawPointer(source + number * tileDepth + k).loadUnaligned(as: Four.self)
      }
      for k in stride(from: 0, to: whole, by: 4) {
        let (a, b, c, d) = (row(0, k), row(1, k), row(2, k), row(3, k))
        let target = UnsafeMutableRawPointer(packed + k * width + lane)
        let stride = width * MemoryLayout<Number>.stride
        // Inside: four of the tile's columns, and as many rows of the panel.
        target.storeBytes(of: Four(a[0], b[0], c[0], d[0]), as: Four.self)
        (target + stride).storeBytes(of: Four(a[1], b[1], c[1], d[1]), as: Four.self)
        (target + 2 * stride).storeBytes(of: Four(a[2], b[2], c[2], d[2]), as: Four.self)
        (target + 3 * stride).storeBytes(of: Four(a[3], b[3], c[3], d[3]), as: Four.self)
      }
      for k in whole..<count {
        for number in 0..<4 { packed[k * width + lane + number] = source[number * tileDepth + k] }
      }
    }
  }
}
