internal import ByteIO

/// The format whose evaluations a `BoundedNumber` bounds.
public protocol BoundedFormat: BinaryFloatingPoint, Sendable {
  /// Whether a Float64 is one of its numbers.
  static func holds(_ number: Double) -> Bool
}

extension Float: BoundedFormat {
  @inlinable public static func holds(_ number: Double) -> Bool { Double(Float(number)) == number }
}

extension Double: BoundedFormat {
  @inlinable public static func holds(_ number: Double) -> Bool { !number.isNaN }
}

/// A Float64 number and how far from it any evaluation in `Format` may be that goes by the same formulas.
///
/// It is a sum whose terms may still grow in number: evaluations may add them in any order, whichever nodes of the graph they come
/// from, so that what adding them rounds off follows from how many there are and from their magnitudes. Everything else than
/// adding closes the sum. docs/error-bounds.md ("The evaluator's own bounds") derives every rule.
///
/// An infinite radius means that nothing is known; it stays with everything that is computed from the number.
@frozen
public struct BoundedNumber<Format: BoundedFormat> {
  /// What Float64 makes of it. Infinite numbers may be known exactly; a NaN is, only where the file or an input holds it.
  public let value: Double
  /// How far evaluations may be off for all other reasons than the order of the sum.
  @usableFromInline let inherited: Double
  /// At least Σ |term|, for the terms of every evaluation.
  @usableFromInline let mass: Double
  @usableFromInline let terms: Int32
  /// Whether it is a sum of integers so small that no order of adding them rounds.
  @usableFromInline let isWhole: Bool

  @inlinable
  init(value: Double, inherited: Double, mass: Double, terms: Int32, isWhole: Bool = false) {
    self.value = value
    self.inherited = inherited
    self.mass = mass
    self.terms = terms
    self.isWhole = isWhole
  }

  // MARK: The arithmetic that is assumed

  /// Of a rounding of the evaluation and one of Float64, in which the values are computed.
  @inlinable static var unit: Double { Double(Format.ulpOfOne) / 2 + 0x1p-53 }
  /// Hardware may flush smaller numbers to 0: two operations may.
  @inlinable static var tiny: Double { 2 * Double(Format.leastNormalMagnitude) }
  @inlinable static var largest: Double { Double(Format.greatestFiniteMagnitude) }
  /// Integers up to this one are all numbers of the format.
  @inlinable static var mostWhole: Double {
    Double(sign: .plus, exponent: Format.significandBitCount + 1, significand: 1)
  }
  /// Covers what the bound's own Float64 operations round, of which sixteen make less.
  @inlinable static var outwards: Double { 1 + 0x1p-48 }

  /// γ: what `count` roundings in a row make of a number, as a share of it.
  @inlinable
  static func gamma(_ count: Double) -> Double {
    let sum = count * unit
    return sum <= 0.5 ? sum * (1 + 2 * sum) : .infinity
  }

  // MARK: Making them

  /// How far an evaluation may be from `value`.
  @inlinable
  public var radius: Double {
    if isWhole { return 0 }
    if terms <= 1 { return inherited }
    return (inherited + Self.gamma(Double(terms - 1)) * mass) * Self.outwards
  }

  /// What an operation made that is no sum: a single term.
  ///
  /// - Parameters:
  ///   - propagated: how far it moves with its operands.
  ///   - own: how far the operation itself may be off.
  @inlinable
  init(_ value: Double, _ propagated: Double, own: Double) {
    let radius = (propagated + own) * Self.outwards
    // A NaN is not less either.
    guard abs(value) + radius <= Self.largest else {
      self = .unknown(value)
      return
    }
    self.init(value: value, inherited: radius, mass: abs(value) + radius, terms: 1)
  }

  /// A number that every evaluation has; infinite ones, too.
  @inlinable
  init(exact value: Double) {
    let isWhole = abs(value) <= Self.mostWhole && value == value.rounded(.towardZero)
    self.init(
      value: value, inherited: value.isFinite || value.isInfinite ? 0 : .infinity, mass: abs(value),
      terms: value == 0 ? 0 : 1, isWhole: isWhole)
  }

  /// A number of the file, which the format rounds once where it does not fit, and flushes where it is subnormal.
  @inlinable
  init(stored value: Double) {
    if value.isNaN {
      self.init(value: value, inherited: 0, mass: 0, terms: 1)
    } else if Format.holds(value), abs(value) >= Self.tiny || value == 0 {
      self.init(exact: value)
    } else {
      self.init(value, abs(value) < Self.tiny ? Self.tiny : Self.unit * abs(value), own: 0)
    }
  }

  @inlinable
  static func unknown(_ value: Double) -> BoundedNumber {
    BoundedNumber(value: value, inherited: .infinity, mass: 0, terms: 1)
  }

  /// The same number of which nothing is known.
  public var forgotten: BoundedNumber { .unknown(value) }

  /// The number that operations computed; exact where none of them rounds.
  @inlinable
  init(exactOperation value: Double, _ propagated: Double, own: Double, isExact: Bool) {
    if isExact, Format.holds(value), abs(value) >= Self.tiny || value == 0 {
      self.init(exact: value)
    } else {
      self.init(value, propagated, own: own)
    }
  }

  /// |x̂| is at most this.
  @inlinable var most: Double { abs(value) + radius }
  @inlinable var isExact: Bool { radius == 0 }
  /// The interval's ends.
  @inlinable var low: Double { radius == 0 ? value : (value - radius).nextDown }
  @inlinable var high: Double { radius == 0 ? value : (value + radius).nextUp }

  /// One operation's rounding of a number up to `magnitude`.
  @inlinable static func rounding(_ magnitude: Double) -> Double { unit * magnitude + tiny }

  /// Around `value`, as wide as to hold two others.
  @inlinable
  static func hull(_ value: Double, _ a: BoundedNumber, _ b: BoundedNumber) -> BoundedNumber {
    func reach(_ x: BoundedNumber) -> Double { abs(x.value - value) * (1 + 0x1p-50) + x.radius }
    return BoundedNumber(value, max(reach(a), reach(b)), own: 0)
  }
}

// MARK: - Sums

extension BoundedNumber {
  /// The terms of both.
  @inlinable
  public static func + (left: BoundedNumber, right: BoundedNumber) -> BoundedNumber {
    let value = left.value + right.value
    guard value.isFinite else { return notFinite(value, left, right) }
    let mass = left.mass + right.mass
    // Integers round nowhere as long as no partial sum grows too large.
    if left.isWhole, right.isWhole, mass <= mostWhole {
      return BoundedNumber(
        value: value, inherited: 0, mass: mass, terms: counted(left.terms, right.terms),
        isWhole: true)
    }
    // Nothing to add.
    if right.isExact, right.mass == 0 { return left }
    if left.isExact, left.mass == 0 { return right }
    let inherited = (left.inherited + right.inherited + tiny) * outwards
    let most = mass * outwards
    guard most + inherited <= largest else { return unknown(value) }
    return BoundedNumber(
      value: value, inherited: inherited, mass: most, terms: counted(left.terms, right.terms))
  }

  @inlinable
  static func counted(_ a: Int32, _ b: Int32) -> Int32 {
    let (sum, overflow) = a.addingReportingOverflow(b)
    return overflow ? .max : sum
  }

  /// An infinite number is one wherever it comes from an exact one.
  @inlinable
  static func notFinite(_ value: Double, _ left: BoundedNumber, _ right: BoundedNumber) -> BoundedNumber {
    let isSure =
      value.isInfinite && left.inherited < .infinity && right.inherited < .infinity
      && (left.value.isInfinite || right.value.isInfinite)
    return isSure ? BoundedNumber(exact: value) : unknown(value)
  }

  @inlinable
  public static func - (left: BoundedNumber, right: BoundedNumber) -> BoundedNumber { left + -right }

  @inlinable
  public static prefix func - (x: BoundedNumber) -> BoundedNumber {
    BoundedNumber(
      value: -x.value, inherited: x.inherited, mass: x.mass, terms: x.terms, isWhole: x.isWhole)
  }

  /// It may be made of these terms as well, each rounded so often.
  public func alsoRounded(_ times: Int, _ terms: BoundedNumber...) -> BoundedNumber {
    guard !isWhole else { return self }
    let most = terms.reduce(0) { $0 + $1.most }
    let inherited = (inherited + Self.gamma(Double(times)) * most + Double(times) * Self.tiny) * Self.outwards
    guard inherited <= Self.largest else { return forgotten }
    return BoundedNumber(value: value, inherited: inherited, mass: mass, terms: self.terms)
  }
}

// MARK: - Products and quotients

extension BoundedNumber {
  @inlinable
  public static func * (left: BoundedNumber, right: BoundedNumber) -> BoundedNumber {
    let value = left.value * right.value
    let (a, b) = (left.radius, right.radius)
    // What a mask keeps, it keeps as it is.
    if a == 0, left.value == 1 || left.value == 0 && b < .infinity && right.value.isFinite {
      return left.value == 1 ? right : BoundedNumber(exact: 0)
    }
    if b == 0, right.value == 1 || right.value == 0 && a < .infinity && left.value.isFinite {
      return right.value == 1 ? left : BoundedNumber(exact: 0)
    }
    guard value.isFinite else {
      // 0 · ∞ is a NaN; a number that may be 0 may make one.
      let isSure = left.isExact && right.isExact && value.isInfinite
      return isSure ? BoundedNumber(exact: value) : unknown(value)
    }
    let propagated = abs(left.value) * b + abs(right.value) * a + a * b
    return BoundedNumber(
      exactOperation: value, propagated, own: rounding(abs(value) + propagated),
      isExact: a == 0 && b == 0 && value.isProduct(of: left.value, right.value))
  }

  @inlinable
  public static func *= (left: inout BoundedNumber, right: BoundedNumber) { left = left * right }

  /// Also as a product with the rounded inverse.
  @inlinable
  public static func / (left: BoundedNumber, right: BoundedNumber) -> BoundedNumber {
    let value = left.value / right.value
    let (a, b) = (left.radius, right.radius)
    guard value.isFinite, right.value.isFinite else {
      let isSure = left.isExact && right.isExact && !value.isNaN
      return isSure ? BoundedNumber(exact: value) : unknown(value)
    }
    let least = (abs(right.value) - b) * (1 - 0x1p-50)
    guard least > 0 else { return unknown(value) }
    let propagated = (a + abs(value) * b) / least * (1 + 0x1p-40)
    // An inverse that is flushed to 0 is off by 2η, times the left side.
    let inverse = 1 / least < 4 * tiny ? .infinity : 0
    return BoundedNumber(
      exactOperation: value, propagated, own: 2.001 * rounding(abs(value) + propagated) + inverse,
      isExact: a == 0 && b == 0 && left.value.isProduct(of: value, right.value))
  }
}

extension Double {
  /// Whether it is the product, exactly.
  @inlinable
  func isProduct(of a: Double, _ b: Double) -> Bool { (-self).addingProduct(a, b) == 0 }
}

// MARK: - Decisions

extension BoundedNumber: Comparable {
  /// Whether the intervals lie apart, or both numbers are known.
  @inlinable
  static func areApart(_ left: BoundedNumber, _ right: BoundedNumber) -> Bool {
    let (a, b) = (left.radius, right.radius)
    if a == 0 && b == 0 { return true }
    return abs(left.value - right.value) * (1 - 0x1p-50) > (a + b) * outwards
  }

  @inlinable
  public static func < (left: BoundedNumber, right: BoundedNumber) -> Bool {
    if !areApart(left, right) { EvaluationRules.noteUndecided() }
    return left.value < right.value
  }
  @inlinable
  public static func > (left: BoundedNumber, right: BoundedNumber) -> Bool { right < left }
  @inlinable
  public static func <= (left: BoundedNumber, right: BoundedNumber) -> Bool {
    if !areApart(left, right) { EvaluationRules.noteUndecided() }
    return left.value <= right.value
  }
  @inlinable
  public static func >= (left: BoundedNumber, right: BoundedNumber) -> Bool { right <= left }
  @inlinable
  public static func == (left: BoundedNumber, right: BoundedNumber) -> Bool {
    if !areApart(left, right) { EvaluationRules.noteUndecided() }
    return left.value == right.value
  }

  public var isNaN: Bool { noted().isNaN }
  public var isInfinite: Bool { noted().isInfinite }
  public var isFinite: Bool { noted().isFinite }

  /// What may be no number at all may be any.
  private func noted() -> Double {
    if radius == .infinity { EvaluationRules.noteUndecided() }
    return value
  }

  public var decided: Double {
    if !isExact { EvaluationRules.noteUndecided() }
    return value
  }

  public var whole: Int64? { Int64(exactly: decided) }

  @inlinable public var estimate: Double { value }

  /// Each of the first ones is apart from all behind it.
  public static func noteOrder(_ ordered: some BidirectionalCollection<BoundedNumber>, first count: Int) {
    var (least, most) = (Double.infinity, -Double.infinity)
    var rest = ordered.count
    var (inexact, isOpen) = (false, false)
    for number in ordered.reversed() {
      rest -= 1
      if rest < count, rest + 1 < ordered.count {
        // Numbers that are all known are in order by whatever put them there.
        let isApart = number.low > most || number.high < least
        if !isApart, inexact || !number.isExact { isOpen = true }
      }
      inexact = inexact || !number.isExact
      if number.radius == .infinity || number.value.isNaN {
        (least, most) = (-.infinity, .infinity)
      } else {
        (least, most) = (Swift.min(least, number.low), Swift.max(most, number.high))
      }
    }
    if isOpen { EvaluationRules.noteUndecided() }
  }

  public static func takeUndecided() -> Bool { EvaluationRules.takeUndecided() }

  /// Moves by no more than the one of both that moves most, and not at all with one that surely is the smaller one.
  @inlinable
  public static func larger(_ a: BoundedNumber, _ b: BoundedNumber) -> BoundedNumber {
    let isLeft = a.value.isNaN || a.value > b.value
    let chosen = isLeft ? a : b
    if areApart(a, b) { return chosen }
    let radius = max(a.radius, b.radius)
    return BoundedNumber(chosen.value, radius, own: 0)
  }

  @inlinable
  public static func smaller(_ a: BoundedNumber, _ b: BoundedNumber) -> BoundedNumber { -larger(-a, -b) }

  /// Where the threshold lies inside the interval, both.
  public static func piecewise(
    _ x: BoundedNumber, _ threshold: BoundedNumber, below: (BoundedNumber) -> BoundedNumber,
    otherwise: (BoundedNumber) -> BoundedNumber
  ) -> BoundedNumber {
    let isBelow = x.value < threshold.value
    if areApart(x, threshold) { return isBelow ? below(x) : otherwise(x) }
    let (left, right) = (below(x), otherwise(x))
    return hull(isBelow ? left.value : right.value, left, right)
  }
}

extension BoundedNumber: ReferenceScalar {
  public typealias Magnitude = BoundedNumber

  @inlinable public init(integerLiteral value: Int) { self.init(exact: Double(value)) }
  @inlinable public init(floatLiteral value: Double) { self.init(stored: value) }
  @inlinable public init(_ number: Int) { self.init(stored: Double(number)) }
  @inlinable public init(_ number: Int64) { self.init(stored: Double(number)) }
  @inlinable public init(_ number: Float) { self.init(stored: Double(number)) }
  @inlinable public init(_ number: Double) { self.init(stored: number) }
  public init?<T: BinaryInteger>(exactly source: T) {
    guard let value = Double(exactly: source) else { return nil }
    self.init(stored: value)
  }

  /// |x| moves by no more than x.
  @inlinable
  public var magnitude: BoundedNumber {
    if abs(value) >= radius { return value < 0 ? -self : self }
    return BoundedNumber(abs(value), radius, own: 0)
  }
}
