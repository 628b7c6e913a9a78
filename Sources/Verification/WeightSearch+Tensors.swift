internal import Recurrent
internal import Tensors

// Each tensor that differs, explained on its own: what no known mistake made has mostly been made of something.

extension WeightSearch {
  /// One line for each tensor that differs; those of a layer that differ alike share one.
  var tensorLines: [String] {
    var lines: [(layer: String, roles: [String], what: String)] = []
    var count: [String: Int] = [:]
    var differences = structure.differences[...]
    for pair in pairs {
      count[pair.layers.left, default: 0] += 1
      guard let difference = differences.first, difference.left == pair.layers.left,
        difference.right == pair.layers.right, difference.role == pair.role
      else { continue }
      differences.removeFirst()
      let what = difference.relation == .different ? words(pair, difference) : difference.finding
      if let index = lines.firstIndex(where: { $0.layer == pair.layers.left && $0.what == what }) {
        lines[index].roles.append(pair.role)
      } else {
        lines.append((pair.layers.left, [pair.role], what))
      }
    }
    return lines.map { layer, roles, what in
      let which =
        roles.count > 1 && roles.count == count[layer] ? "all weights" : roles.joined(separator: ", ")
      return "layer '\(layer)', \(which): \(what)"
    }
  }

  private func words(_ pair: ParameterPair, _ difference: ParameterDifference) -> String {
    guard let right = pair.right else { return "lost in the right model" }
    guard let left = pair.left else { return "the left model has none" }
    // What is larger is not held in memory as a whole.
    guard pair.count <= 1 << 24 else { return difference.finding }
    if let source = holder(of: right, besides: pair) { return "holds the left model's \(source)" }
    return TensorComparison(left, right, pair).words
  }

  /// The other tensor of the left model that holds the very numbers.
  private func holder(of numbers: Numbers, besides pair: ParameterPair) -> String? {
    pairs.first { other in
      guard other.role != pair.role || other.layers.left != pair.layers.left, let left = other.left else {
        return false
      }
      return left.shape == numbers.shape && left.hasSameBits(numbers)
    }.map { $0.layers.left == pair.layers.left ? $0.role : "'\($0.layers.left)', \($0.role)" }
  }
}

/// Two tensors of one shape, gate by gate.
private struct TensorComparison {
  private let shape: [Int]
  private let gates: [Gate]
  private let left: [Double]
  private let right: [Double]
  private let height: Int
  private let width: Int
  private let roundoff: Double

  /// What the rows of one gate are made of.
  private struct Part {
    /// Whose rows on the left; nil where nothing known was done to any.
    var source: Int?
    var match: PatternMatch
  }

  init(_ left: Numbers, _ right: Numbers, _ pair: ParameterPair) {
    shape = pair.shape
    self.left = left.doubles(0..<pair.count)
    self.right = right.doubles(0..<pair.count)
    let rows = shape.first ?? 1
    gates = rows > 0 && rows.isMultiple(of: max(1, pair.gates.count)) ? pair.gates : []
    height = rows / max(1, gates.count)
    width = pair.count / max(1, rows)
    roundoff = max(left.type.unitRoundoff, right.type.unitRoundoff)
  }

  private var size: Int { height * width }

  private func block(_ values: [Double], _ gate: Int) -> Block {
    Block(rows: height, columns: width, values: Array(values[gate * size..<(gate + 1) * size]))
  }

  var words: String {
    if right.allSatisfy({ $0 == 0 }) { return "zeroed in the right model" }
    if left.allSatisfy({ $0 == 0 }) { return "zeroed in the left model" }
    if let whole = wholeWords { return whole }
    let parts = (0..<max(1, gates.count)).map(part)
    var lines = moved(parts)
    // Patterns by the gates that show them.
    var patterns: [(words: String, gates: [Int])] = []
    for (gate, part) in parts.enumerated() {
      guard let words = patternWords(part, gate) else { continue }
      if let index = patterns.firstIndex(where: { $0.words == words }) {
        patterns[index].gates.append(gate)
      } else {
        patterns.append((words, [gate]))
      }
    }
    for (words, members) in patterns {
      if members.count == parts.count {
        lines.append(words + (gates.count > 1 && words == Pattern.transposed.words ? " gate by gate" : ""))
      } else {
        lines.append("the rows of \(names(members)) \(words)")
      }
    }
    if let rest = rest(parts) { lines.append(rest) }
    return lines.joined(separator: "; ")
  }

  /// What no gate shows on its own.
  private var wholeWords: String? {
    let rows = height * max(1, gates.count)
    guard gates.count > 1, width > 1 else { return nil }
    let whole = Block(rows: rows, columns: width, values: left).transposed
    let misses = zip(whole.values, right).count { $0 != $1 }
    guard 64 * misses <= right.count else { return nil }
    return "reshaped where it should be transposed"
      + (misses == 0 ? "" : "; \(misses) numbers differ besides")
  }

  private func part(_ gate: Int) -> Part {
    let found = block(right, gate)
    let step = (left.reduce(0) { max($0, abs($1)) }) / 127
    let own = PatternMatch.best(block(left, gate), found, roundoff: roundoff, step: step)
    if own.misses == 0 || own.pattern != .same || 8 * own.misses <= size {
      return Part(source: gate, match: own)
    }
    for source in gates.indices where source != gate {
      let other = PatternMatch.best(block(left, source), found, roundoff: roundoff, step: step)
      if 8 * other.misses <= size, other.pattern != .zeroed { return Part(source: source, match: other) }
    }
    return Part(source: nil, match: own)
  }

  /// Gates that hold another one's rows.
  private func moved(_ parts: [Part]) -> [String] {
    let words = parts.indices.filter { parts[$0].source != $0 && parts[$0].match.pattern == .same }.compactMap
    {
      gate in
      parts[gate].source.map {
        "\(gates[gate].rawValue) (which holds the left model's \(gates[$0].rawValue))"
      }
    }
    return words.isEmpty ? [] : ["the rows of \(words.joined(separator: ", ")) differ"]
  }

  /// What was done to the rows of a gate, but for a few numbers.
  private func patternWords(_ part: Part, _ gate: Int) -> String? {
    guard let source = part.source else { return nil }
    if part.match.pattern == .same { return nil }
    return part.match.pattern.words
      + (source == gate ? "" : " from the left model's \(gates[source].rawValue)")
  }

  /// Numbers that are left when the patterns are taken away.
  private func rest(_ parts: [Part]) -> String? {
    let noisy = parts.indices.filter { parts[$0].source == nil }
    let few = parts.indices.filter { parts[$0].source != nil && parts[$0].match.misses > 0 }
    var lines: [String] = []
    if !noisy.isEmpty {
      let count = noisy.reduce(0) { $0 + parts[$1].match.misses }
      var (change, whole) = (0.0, 0.0)
      for index in noisy.flatMap({ $0 * size..<($0 + 1) * size }) {
        change += (right[index] - left[index]) * (right[index] - left[index])
        whole += left[index] * left[index]
      }
      lines.append(
        "\(count) of \(noisy.count * size) numbers differ\(noisy.count == parts.count ? "" : " in the rows of \(names(noisy))"), "
          + "no pattern (by \((change / whole).squareRoot().brief) of their size)")
    }
    if let gate = few.first, let first = parts[gate].match.first {
      let count = few.reduce(0) { $0 + parts[$1].match.misses }
      let place = shape.index(at: gate * size + first.index).map(String.init)
      let isAll = parts.indices.allSatisfy { parts[$0].source == $0 && parts[$0].match.pattern == .same }
      lines.append(
        "\(count) \(isAll ? "of \(right.count) numbers" : count == 1 ? "number" : "numbers") "
          + "\(count == 1 ? "differs" : "differ")\(isAll ? "" : " besides") "
          + "(first at [\(place.joined(separator: ", "))]: \(first.made) against \(right[gate * size + first.index]))"
      )
    }
    return lines.isEmpty ? nil : lines.joined(separator: "; ")
  }

  private func names(_ members: [Int]) -> String {
    members.map { gates.isEmpty ? "it" : gates[$0].rawValue }.joined(separator: ", ")
  }
}
