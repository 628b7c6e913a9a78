internal import Recurrent
internal import Tensors

/// What one side's numbers of a gate (or of a whole tensor) are of the other side's.
enum Pattern: Hashable {
  case same, transposed, negated, zeroed, bytesReversed, rowsReordered, columnsReordered, halvesExchanged
  case scaled(Double)
  case shifted(Double)
  case rounded(ElementType)
  /// To multiples of one scale.
  case quantised(Double)

  var words: String {
    switch self {
    case .same: "the same"
    case .transposed: "transposed"
    case .negated: "of the other sign"
    case .zeroed: "zeroed"
    case .bytesReversed: "with the bytes of each number the other way round"
    case .rowsReordered: "with its rows in another order"
    case .columnsReordered: "with its columns in another order"
    case .halvesExchanged: "with the halves of its columns exchanged"
    case .scaled(let factor): "multiplied by \(factor.brief)"
    case .shifted(let offset): "shifted by \(offset.brief)"
    case .rounded(let type): "rounded to \(type.rawValue)"
    case .quantised(let scale): "rounded to multiples of \(scale.brief)"
    }
  }
}

/// A matrix whose numbers are looked at; a vector has one column.
struct Block {
  var rows: Int
  var columns: Int
  var values: [Double]

  var isZero: Bool { values.allSatisfy { $0 == 0 } }

  var transposed: Block {
    var result = Block(rows: columns, columns: rows, values: values)
    for row in 0..<rows {
      for column in 0..<columns { result.values[column * rows + row] = values[row * columns + column] }
    }
    return result
  }
}

/// Which pattern makes one block of another, and what it leaves.
struct PatternMatch {
  var pattern: Pattern
  /// Numbers that it does not give.
  var misses: Int
  /// The first of them, and what the pattern gives there.
  var first: (index: Int, made: Double)?

  /// The pattern that leaves least of all; `.same` with what differs where none does much better.
  ///
  /// - Parameters:
  ///   - roundoff: of the coarser side's numbers.
  ///   - step: the scale that a quantisation of the whole tensor would have.
  static func best(_ left: Block, _ right: Block, roundoff: Double, step: Double) -> PatternMatch {
    let matcher = Matcher(left, right, roundoff)
    let same = matcher.match(.same, left.values)
    if same.misses == 0 { return same }
    if right.isZero { return PatternMatch(pattern: .zeroed, misses: 0) }
    let best = matcher.candidates(step).map { matcher.match($0.0, $0.1()) }.min { $0.misses < $1.misses }
    // A few numbers that differ are just that.
    guard let best, 8 * best.misses <= right.values.count, 2 * best.misses < same.misses else { return same }
    return best
  }
}

private struct Matcher {
  private let left: Block
  private let right: Block
  private let roundoff: Double

  init(_ left: Block, _ right: Block, _ roundoff: Double) {
    (self.left, self.right, self.roundoff) = (left, right, roundoff)
  }

  func match(_ pattern: Pattern, _ made: [Double]) -> PatternMatch {
    var result = PatternMatch(pattern: pattern, misses: 0)
    let offset = if case .shifted(let offset) = pattern { abs(offset) } else { 0.0 }
    // What differs nearly everywhere is not counted to the end.
    let isHopeless = { (index: Int) in index > 256 && 2 * result.misses > index && pattern != .same }
    for index in made.indices where made[index] != right.values[index] {
      let (x, y) = (made[index], right.values[index])
      if isSame(x, y) || abs(x - y) <= 16 * roundoff * max(abs(x), abs(y), offset) { continue }
      result.misses += 1
      if result.first == nil { result.first = (index, x) }
      if isHopeless(index) {
        result.misses = made.count
        break
      }
    }
    return result
  }

  /// Everything that may have been done to the left block, and what it gives.
  func candidates(_ step: Double) -> [(Pattern, () -> [Double])] {
    let values = left.values
    var all: [(Pattern, () -> [Double])] = [
      (.negated, { values.map { -$0 } }),
      (.bytesReversed, { values.map { Double(Float(bitPattern: Float($0).bitPattern.byteSwapped)) } }),
      (.rounded(.float16), { values.map { Double(Float16($0)) } }),
      (.rounded(.bfloat16), { values.map { Double(BFloat16.float(BFloat16.bits(Float($0)))) } }),
    ]
    if left.rows == left.columns, left.rows > 1 { all.append((.transposed, { left.transposed.values })) }
    if let factor = median({ $1 / $0 }) { all.append((.scaled(factor), { values.map { $0 * factor } })) }
    if let offset = median({ $1 - $0 }) { all.append((.shifted(offset), { values.map { $0 + offset } })) }
    if step > 0 {
      // Where half a step lies between them, which way it went is open.
      all.append(
        (
          .quantised(step),
          {
            zip(values, right.values).map { value, found in
              abs(found - value) <= 0.51 * step && abs((found / step).rounded() * step - found) <= 1e-3 * step
                ? found : (value / step).rounded() * step
            }
          }
        ))
    }
    if left.columns > 1, left.columns.isMultiple(of: 2) {
      let half = left.columns / 2
      all.append(
        (
          .halvesExchanged,
          {
            values.indices.map { index in
              let column = index % left.columns
              return values[index - column + (column + half) % left.columns]
            }
          }
        ))
    }
    if left.rows > 1 { all.append((.rowsReordered, { Self.reordered(left, as: right).values })) }
    if left.columns > 1 {
      all.append(
        (
          .columnsReordered, { Self.reordered(left.transposed, as: right.transposed).transposed.values }
        ))
    }
    return all
  }

  /// Of some numbers that are not 0, the middle one of what relates them.
  private func median(_ relation: (Double, Double) -> Double) -> Double? {
    let every = max(1, left.values.count / 101)
    let found = stride(from: 0, to: left.values.count, by: every).filter { left.values[$0] != 0 }
      .map { relation(left.values[$0], right.values[$0]) }.filter(\.isFinite).sorted()
    return found.count > 2 ? found[found.count / 2] : nil
  }

  /// The left rows, each where the right block has it; a row that it does not have stays.
  private static func reordered(_ left: Block, as right: Block) -> Block {
    func row(_ block: Block, _ index: Int) -> ArraySlice<Double> {
      block.values[index * block.columns..<(index + 1) * block.columns]
    }
    let places = Dictionary((0..<left.rows).map { (row(left, $0), $0) }) { first, _ in first }
    var result = left
    for index in 0..<right.rows {
      guard let source = places[row(right, index)] else { continue }
      result.values.replaceSubrange(
        index * left.columns..<(index + 1) * left.columns, with: row(left, source))
    }
    return result
  }
}
