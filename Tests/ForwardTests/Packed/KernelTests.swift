import CKernels
import Foundation
import TestSupport
import Testing

@testable import Forward

/// The error of a Float32 in units of the last place of the true value, which is subnormal below 2⁻¹²⁶.
private func ulps(_ found: Float, _ expected: Double) -> Double {
  if expected.isNaN || found.isNaN { return expected.isNaN && found.isNaN ? 0 : .infinity }
  let exponent = expected == 0 ? -149 : max(-149, Int(expected.magnitude.exponent) - 23)
  return abs(Double(found) - expected) / scalbn(1.0, exponent)
}

@Suite struct KernelTests {
  /// Every Float32 with RNNCONV_EXHAUSTIVE=1, else each 4,099th of the bit patterns, from −NaN to NaN.
  @Test(arguments: InstructionSet.available)
  func `σ and tanh are within 2 ulp over all Float32, and the same bits as portably`(_ set: InstructionSet) {
    let isExhaustive = ProcessInfo.processInfo.environment["RNNCONV_EXHAUSTIVE"] == "1"
    let stride: UInt64 = isExhaustive ? 1 : 4099
    let (kernels, portable) = (set.kernels, InstructionSet.portable.kernels)
    var worst = (sigmoid: 0.0, tanh: 0.0)
    var differing = 0
    for start in Swift.stride(from: UInt64(0), to: 1 << 32, by: Int(stride) * 4096) {
      let x = (0..<4096).compactMap { index -> Float? in
        UInt32(exactly: start + UInt64(index) * stride).map { Float(bitPattern: $0) }
      }
      func map(_ function: (Int, UnsafePointer<Float>, UnsafeMutablePointer<Float>) -> Void) -> [Float] {
        [Float](unsafeUninitializedCapacity: x.count) { y, count in
          count = x.count
          x.withUnsafeBufferPointer { function(x.count, $0.baseAddress!, y.baseAddress!) }
        }
      }
      let (sigmoids, tanhs) = (map(kernels.sigmoid), map(kernels.tanh))
      let portably = (map(portable.sigmoid), map(portable.tanh))
      for index in x.indices {
        worst.sigmoid = max(worst.sigmoid, ulps(sigmoids[index], 1 / (1 + exp(-Double(x[index])))))
        worst.tanh = max(worst.tanh, ulps(tanhs[index], tanh(Double(x[index]))))
        if x[index].isNaN { continue }
        if sigmoids[index].bitPattern != portably.0[index].bitPattern { differing += 1 }
        if tanhs[index].bitPattern != portably.1[index].bitPattern { differing += 1 }
      }
    }
    #expect(worst.sigmoid <= 2 && worst.tanh <= 2, "σ \(worst.sigmoid) ulp, tanh \(worst.tanh) ulp")
    #expect(differing == 0)
  }

  @Test(arguments: InstructionSet.available)
  func `σ and tanh of the corners are what the formulas say`(_ set: InstructionSet) {
    let x: [Float] = [0, -0.0, .infinity, -.infinity, .nan, .leastNonzeroMagnitude, -.leastNonzeroMagnitude]
    var y = x
    set.kernels.sigmoid(x.count, x, &y)
    #expect(y[0] == 0.5 && y[1] == 0.5 && y[2] == 1 && y[3] == 0 && y[4].isNaN && y[5] == 0.5 && y[6] == 0.5)
    set.kernels.tanh(x.count, x, &y)
    #expect(y[0].bitPattern == 0 && y[1].bitPattern == Float(-0.0).bitPattern && y[2] == 1 && y[3] == -1)
    #expect(y[4].isNaN && y[5] == x[5] && y[6] == x[6])
  }

  /// One chain of fused operations, in order, starting with the bias: what every tile of every instruction set must give.
  private func expected<Number: Panelled>(_ weight: [Number], _ bias: [Number], _ x: ArraySlice<Number>)
    -> [Number]
  {
    bias.indices.map { n in
      x.enumerated().reduce(bias[n]) { $0.addingProduct($1.element, weight[n * x.count + $1.offset]) }
    }
  }

  private func check<Number: Panelled>(
    _ set: InstructionSet, _ rows: Int, _ outputs: Int, _ depth: Int, _: Number.Type
  ) {
    var generator = SeededGenerator(seed: UInt64(rows * 1000 + outputs))
    func numbers(_ count: Int, scale: Float) -> [Number] {
      generator.floats(count, scale: scale).map { Number($0) }
    }
    // Large and small: sums that round and cancel.
    let weight = numbers(outputs * depth, scale: 1).enumerated().map { $1 * ($0 % 7 == 0 ? 4096 : 1) }
    let (bias, x) = (numbers(outputs, scale: 1), numbers(rows * depth, scale: 3))
    let matrix = PackedMatrix(.numbers(weight), outputs: outputs, depth: depth, bias: bias)
    let columns = matrix.panels * Number.panelWidth
    for backwards in [false, true] {
      var c = [Number](repeating: .nan, count: rows * columns)
      matrix.product(
        set.kernels, 0..<matrix.panels, rows: rows, x, lda: depth, &c, ldc: columns, backwards: backwards)
      for row in 0..<rows {
        let expected = expected(weight, bias, x[(row * depth)..<((row + 1) * depth)])
        #expect(Array(c[(row * columns)..<(row * columns + outputs)]) == expected, "row \(row) of \(rows)")
        #expect(c[(row * columns + outputs)..<((row + 1) * columns)].allSatisfy { $0 == 0 })
      }
    }
  }

  @Test(arguments: InstructionSet.available, [(1, 5, 3), (1, 150, 33), (2, 70, 20), (3, 40, 9)])
  func `A product is one chain of fused operations an element: few rows`(
    _ set: InstructionSet, _ size: (rows: Int, outputs: Int, depth: Int)
  ) {
    check(set, size.rows, size.outputs, size.depth, Float.self)
    check(set, size.rows, size.outputs, size.depth, Double.self)
  }

  @Test(arguments: InstructionSet.available, 4...20)
  func `A product is one chain of fused operations an element: tiles of rows`(
    _ set: InstructionSet, _ rows: Int
  ) {
    check(set, rows, 90, 12, Float.self)
    check(set, rows, 90, 12, Double.self)
  }

  /// Where the machine has no fused operation, the portable kernels compute it from exact products.
  /// Kernels leave the third sum out where its numbers are all 0.
  @Test(
    arguments: InstructionSet.available,
    [(1, 3), (1, 75), (2, 40), (3, 20), (4, 17), (7, 33), (13, 9)].flatMap { size in
      ["any", "all 0", "all but the last 0"].map { (size.0, size.1, $0) }
    })
  func `Each of three sums at once is one chain of fused operations`(
    _ set: InstructionSet, _ size: (rows: Int, outputs: Int, thirds: String)
  ) {
    let (rows, outputs, thirds) = size
    var generator = SeededGenerator(seed: UInt64(outputs))
    for depth in [1, 2, 5, 300] {
      let weight = generator.floats(outputs * depth, scale: 1).map { Double($0) / 3 }
      var x = generator.floats(rows * depth * 3, scale: 1).map { Double($0) / 7 }
      if thirds != "any" { for k in stride(from: 2, to: x.count, by: 3) { x[k] = 0 } }
      if thirds == "all but the last 0" { x[x.count - 1] = 0.25 }
      let matrix = PackedMatrix(.numbers(weight), outputs: outputs, depth: depth, bias: nil)
      // All panels, and some in the middle.
      for panels in [0..<matrix.panels, (matrix.panels / 2)..<matrix.panels] {
        let sums = matrix.tripleProducts(panels, x, rows: rows, instructions: set)
        let width = panels.count * 8
        var differing = 0
        for (row, place) in (0..<(rows * 3)).map({ ($0 / 3, $0 % 3) }) {
          for unit in (panels.lowerBound * 8)..<outputs {
            let sum = (0..<depth).reduce(0.0) { sum, k in
              let w = weight[unit * depth + k]
              return sum.addingProduct(x[(row * depth + k) * 3 + place], place == 0 ? w : abs(w))
            }
            if sums[(row * 3 + place) * width + unit - panels.lowerBound * 8] != sum { differing += 1 }
          }
        }
        #expect(differing == 0, "\(depth) terms")
      }
    }
  }

  @Test func `Portable fused operations round once, also where they overflow or underflow`() {
    let numbers: [Float] = [
      0, -0.0, 1, -1, 1 + 0x1p-23, 1 - 0x1p-24, 0x1p-126, -0x1p-149, 0x1.fffffep127, -0x1.fffffep127, 0x1p-75,
      0x1.000002p-63, 3, .infinity, 0x1p100, 0x1.8p-24,
    ]
    for a in numbers {
      for b in numbers {
        for c in numbers {
          let matrix = PackedMatrix(.numbers([a]), outputs: 1, depth: 1, bias: [c])
          var y = [Float](repeating: 0, count: 16)
          matrix.product(InstructionSet.portable.kernels, 0..<1, rows: 1, [b], lda: 1, &y, ldc: 16)
          let expected = c.addingProduct(a, b)
          #expect(y[0] == expected || y[0].isNaN && expected.isNaN, "\(a) · \(b) + \(c)")
        }
      }
    }
  }
}
