internal import ByteIO
internal import Recurrent
internal import Tensors

/// What the values of one step of a recurrence are in terms of others, whatever operators say so: sums of products, feature by feature, of
/// matrices times other values, and of numbers.
///
/// Equal sums have equal numbers (`Sum.ID`), so that two ways to write one formula are found to be one: split before σ or behind it,
/// `(1 − z)⊙n + z⊙h` or `n + z⊙(h − n)`.
struct StepAlgebra {
  /// Some rows of a known tensor; of a vector some of its elements.
  struct Rows: Hashable {
    var tensor: Int
    var start: Int
    var count: Int

    func cut(_ offset: Int, _ count: Int) -> Rows {
      Rows(tensor: tensor, start: start + offset, count: count)
    }
  }

  /// What is multiplied, feature by feature.
  enum Factor: Hashable {
    /// Features of a value from outside, from `start` on.
    case value(String, start: Int)
    /// A value of one feature, the same for each.
    case spread(String)
    case constant(Rows)
    case activation(Activation, Sum.ID)
    case sum(Sum.ID)
  }

  /// matrix · sum + bias
  struct Product: Hashable {
    var matrix: Rows
    var bias: Rows?
    var of: Sum.ID
  }

  struct Sum: Hashable {
    typealias ID = Int
    var width: Int
    /// The scale of each product of factors; how often each of these is in it.
    var terms: [[Factor: Int]: Double] = [:]
    var products: Set<Product> = []
    var biases: Set<Rows> = []
    /// The same for each feature.
    var number = 0.0

    /// Whether it is sums of products of factors alone.
    var isPolynomial: Bool { products.isEmpty && biases.isEmpty }

    /// The only factor, where it is nothing else.
    var factor: Factor? {
      guard isPolynomial, number == 0, terms.count == 1, let term = terms.first, term.value == 1,
        term.key.count == 1, let factor = term.key.first, factor.value == 1
      else { return nil }
      return factor.key
    }

    /// The value that it is, where it is all of that.
    var value: String? {
      if case .value(let name, 0)? = factor { name } else { nil }
    }
  }

  /// Whether a number was taken for the one that it is next to in Float32.
  private(set) var isRounded = false
  private(set) var sums: [Sum] = []
  private var numbers: [Sum: Sum.ID] = [:]
  /// How many sums stand within one another in each.
  private var depths: [Int] = []
  private(set) var tensors: [Tensor] = []
  /// Tensors by their shapes and first bytes.
  private var places: [[Int]: [Int]] = [:]
  private var columns: [[Int]: Int] = [:]
  private var cuts: [[Int]: Sum.ID] = [:]
  /// Products of sums grow like their terms; cells have three.
  private static let mostTerms = 12
  /// Of cells it is six.
  private static let deepest = 12
  /// Of a file that only looks like a recurrence there may be many.
  private static let mostSums = 50_000

  mutating func number(_ sum: Sum) -> Sum.ID {
    if let known = numbers[sum] { return known }
    depths.append(depth(sum))
    sums.append(sum)
    numbers[sum] = sums.count - 1
    return sums.count - 1
  }

  private func depth(_ sum: Sum) -> Int {
    let inner = sum.terms.keys.joined().compactMap { factor, _ in
      switch factor {
      case .activation(_, let id), .sum(let id): depths[id]
      case .value, .spread, .constant: nil
      }
    }
    return 1 + max(inner.max() ?? 0, sum.products.map { depths[$0.of] }.max() ?? 0)
  }

  /// Whether a sum is no more than a cell may be.
  func isBounded(_ sum: Sum) -> Bool { sums.count < Self.mostSums && depth(sum) <= Self.deepest }

  /// All rows of a tensor; equal tensors are one.
  mutating func rows(_ tensor: Tensor) -> Rows {
    // Of many weights few begin alike.
    let beginning = tensor.bytes.slice(offset: 0, count: min(16, tensor.bytes.count))?.array ?? []
    let key = tensor.shape + beginning.map { Int($0) }
    let known = places[key]?.first { tensors[$0].elementType == tensor.elementType && tensors[$0] == tensor }
    if known == nil {
      places[key, default: []].append(tensors.count)
      tensors.append(tensor)
    }
    return Rows(tensor: known ?? tensors.count - 1, start: 0, count: tensor.shape[0])
  }

  func tensor(_ rows: Rows) -> Tensor { tensors[rows.tensor].rows(rows.start..<(rows.start + rows.count)) }

  static func value(_ name: String, _ width: Int) -> Sum {
    Sum(width: width, terms: [[.value(name, start: 0): 1]: 1])
  }

  // MARK: Arithmetic

  func sum(_ left: Sum, _ right: Sum) -> Sum? {
    guard left.width == right.width, left.products.isDisjoint(with: right.products),
      left.biases.isDisjoint(with: right.biases)
    else { return nil }
    var result = left
    result.products.formUnion(right.products)
    result.biases.formUnion(right.biases)
    result.number += right.number
    for (term, scale) in right.terms {
      let total = result.terms[term, default: 0] + scale
      result.terms[term] = total == 0 ? nil : total
    }
    return result.terms.count <= Self.mostTerms ? result : nil
  }

  mutating func scaled(_ sum: Sum, _ scale: Double) -> Sum {
    if scale == 1 { return sum }
    var result = Sum(width: sum.width)
    guard scale != 0 else { return result }
    result.number = sum.number * scale
    if !sum.isPolynomial {
      var others = sum
      others.number = 0
      result.terms = [[.sum(number(others)): 1]: scale]
      return result
    }
    result.terms = sum.terms.mapValues { $0 * scale }
    return sigmoid(result) ?? result
  }

  /// min(max(x + 3, 0), 6) ÷ 6, or times a sixth in Float32, as Keras' hard sigmoid is exported.
  private mutating func sigmoid(_ sum: Sum) -> Sum? {
    guard let (term, factor) = sum.terms.first, sum.terms.count == 1, sum.number == 0, term.count == 1,
      let only = term.first, only.value == 1, case .activation(let clip, let id) = only.key,
      clip.kind == .clip, clip.alpha == 0, abs(clip.beta * factor - 1) < 0x1p-23
    else { return nil }
    var inner = scaled(sums[id], factor)
    if clip.beta * factor != 1 {
      inner.number = Double(Float(inner.number))
      isRounded = true
    }
    return hardSigmoid(inner)
  }

  mutating func product(_ left: Sum, _ right: Sum) -> Sum? {
    guard left.width == right.width else { return nil }
    let (a, b) = (opaque(left), opaque(right))
    guard (a.terms.count + 1) * (b.terms.count + 1) <= 4 * Self.mostTerms else { return nil }
    var result = Sum(width: left.width)
    func add(_ term: [Factor: Int], _ scale: Double) {
      if term.isEmpty {
        result.number += scale
      } else {
        let total = result.terms[term, default: 0] + scale
        result.terms[term] = total == 0 ? nil : total
      }
    }
    for (left, m) in a.terms.merging([[:]: a.number], uniquingKeysWith: +) where m != 0 {
      for (right, n) in b.terms.merging([[:]: b.number], uniquingKeysWith: +) where n != 0 {
        add(left.merging(right, uniquingKeysWith: +), m * n)
      }
    }
    return result.terms.count <= Self.mostTerms ? result : nil
  }

  /// Itself where it is a polynomial, else one factor.
  private mutating func opaque(_ sum: Sum) -> Sum {
    sum.isPolynomial ? sum : Sum(width: sum.width, terms: [[.sum(number(sum)): 1]: 1])
  }

  mutating func activated(_ activation: Activation, _ sum: Sum) -> Sum {
    switch activation.kind {
    case .identity: return sum
    case .affine:
      var result = scaled(sum, activation.alpha)
      result.number += activation.beta
      return result
    case .clip: return clipped(sum, activation.alpha, activation.beta)
    default: return Sum(width: sum.width, terms: [[.activation(activation, number(sum)): 1]: 1])
    }
  }

  /// min(max(x, low), high)
  mutating func clipped(_ sum: Sum, _ low: Double, _ high: Double) -> Sum {
    var (low, high, inner) = (low, high, sum)
    if case .activation(let first, let id)? = sum.factor, first.kind == .clip || first == .relu {
      // One clip behind another, with what they leave in common.
      let (least, most) = first == .relu ? (0, .infinity) : (first.alpha, first.beta)
      if least <= low, high <= most || most == .infinity { inner = sums[id] }
      if low <= least, least <= high, most == .infinity { (low, inner) = (least, sums[id]) }
    }
    if low == 0, high == 1, let result = hardSigmoid(inner) { return result }
    let activation =
      low == 0 && high == .infinity ? Activation.relu : Activation(.clip, alpha: low, beta: high)
    return Sum(width: sum.width, terms: [[.activation(activation, number(inner)): 1]: 1])
  }

  /// min(max(αx + β, 0), 1), of a sum that is αx + β.
  private mutating func hardSigmoid(_ sum: Sum) -> Sum? {
    guard sum.isPolynomial, sum.terms.count == 1, let (term, alpha) = sum.terms.first else { return nil }
    var inner = Sum(width: sum.width, terms: [term: 1])
    if term.count == 1, let only = term.first, only.value == 1, case .sum(let id) = only.key {
      inner = sums[id]
    }
    return activated(Activation(.hardSigmoid, alpha: alpha, beta: sum.number), inner)
  }

  /// What is left where a row runs its step, of a sum that is `kept` where it does not: of m·x + (1 − m)·kept the x.
  func running(_ sum: Sum, mask: String, otherwise kept: Sum?) -> Sum? {
    guard sum.isPolynomial, sum.number == 0 else { return nil }
    var difference = sum
    if let kept {
      for (term, scale) in kept.terms { difference.terms[term, default: 0] -= scale }
      difference.terms = difference.terms.filter { $0.value != 0 }
    }
    var result = Sum(width: sum.width)
    for (term, scale) in difference.terms {
      guard term[.spread(mask)] == 1 else { return nil }
      var others = term
      others[.spread(mask)] = nil
      guard !others.isEmpty else { return nil }
      result.terms[others] = scale
    }
    for (term, scale) in kept?.terms ?? [:] { result.terms[term, default: 0] += scale }
    result.terms = result.terms.filter { $0.value != 0 }
    return result
  }

  // MARK: Features

  /// Features `start ..< start + count` of a sum.
  mutating func cut(_ sum: Sum, _ start: Int, _ count: Int) -> Sum {
    if start == 0, count == sum.width { return sum }
    var result = Sum(width: count, number: sum.number)
    for (term, scale) in sum.terms {
      var factors: [Factor: Int] = [:]
      for (factor, power) in term { factors[cut(factor, start, count), default: 0] += power }
      result.terms[factors, default: 0] += scale
    }
    result.products = Set(
      sum.products.map {
        Product(matrix: $0.matrix.cut(start, count), bias: $0.bias?.cut(start, count), of: $0.of)
      })
    result.biases = Set(sum.biases.map { $0.cut(start, count) })
    return result
  }

  private mutating func cut(_ factor: Factor, _ start: Int, _ count: Int) -> Factor {
    switch factor {
    case .value(let name, let first): .value(name, start: first + start)
    case .spread: factor
    case .constant(let rows): .constant(rows.cut(start, count))
    case .activation(let activation, let id): .activation(activation, cut(id, start, count))
    case .sum(let id): .sum(cut(id, start, count))
    }
  }

  private mutating func cut(_ id: Sum.ID, _ start: Int, _ count: Int) -> Sum.ID {
    if let known = cuts[[id, start, count]] { return known }
    let made = number(cut(sums[id], start, count))
    cuts[[id, start, count]] = made
    return made
  }

  /// weight · x + bias, of features that are sums one after another.
  mutating func dense(_ dense: Dense, _ parts: [Sum]) -> Sum? {
    let weight = rows(dense.weight)
    var result = Sum(width: dense.weight.shape[0])
    var bias = dense.bias.map { rows($0) }
    var start = 0
    for part in parts {
      let matrix = parts.count == 1 ? weight : columns(of: weight.tensor, start..<(start + part.width))
      start += part.width
      // Zeros make nothing.
      if part == Sum(width: part.width) { continue }
      let product = Product(matrix: matrix, bias: parts.count == 1 ? bias : nil, of: number(part))
      if parts.count == 1 { bias = nil }
      guard result.products.insert(product).inserted else { return nil }
    }
    if let bias { result.biases = [bias] }
    return result
  }

  private mutating func columns(of tensor: Int, _ range: Range<Int>) -> Rows {
    let key = [tensor, range.lowerBound, range.count]
    let whole = tensors[tensor]
    if let known = columns[key] { return Rows(tensor: known, start: 0, count: whole.shape[0]) }
    let rows = rows(whole.transposed([1, 0]).rows(range).transposed([1, 0]))
    columns[key] = rows.tensor
    return rows
  }
}
