internal import ByteIO
internal import CReferenceMath
public import Tensors

/// The numbers that the evaluators compute in: Float and Double with the C library's elementary functions, and numbers that know
/// how far a runtime may be from them (`BoundedNumber`) or usually is (`NoisyNumber`).
///
/// A comparison is a decision: of a number that is not known exactly it may be another one elsewhere, which is noted
/// (`EvaluationRules.noteUndecided`). What need not decide, such as the larger of two numbers, is therefore an operation of its own.
public protocol ReferenceScalar: SignedNumeric, Comparable, ExpressibleByFloatLiteral, BitwiseCopyable,
  Sendable
where Magnitude == Self {
  init(_ number: Int)
  init(_ number: Int64)
  init(_ number: Float)
  init(_ number: Double)

  static func / (left: Self, right: Self) -> Self
  func squareRoot() -> Self
  func rounded(_ rule: FloatingPointRoundingRule) -> Self

  static var pi: Self { get }
  static var infinity: Self { get }
  var isNaN: Bool { get }
  var isInfinite: Bool { get }
  var isFinite: Bool { get }
  /// The number itself, where nothing is decided by it that is not noted otherwise.
  var estimate: Double { get }
  /// As a number to decide by, such as where an image is read.
  var decided: Double { get }
  /// The integer that it is, nil where it is none or does not fit.
  var whole: Int64? { get }

  static func exp(_ x: Self) -> Self
  static func expm1(_ x: Self) -> Self
  static func log(_ x: Self) -> Self
  static func log1p(_ x: Self) -> Self
  static func tanh(_ x: Self) -> Self
  static func erf(_ x: Self) -> Self
  static func sin(_ x: Self) -> Self
  static func cos(_ x: Self) -> Self
  static func tan(_ x: Self) -> Self
  static func asin(_ x: Self) -> Self
  static func acos(_ x: Self) -> Self
  static func atan(_ x: Self) -> Self
  static func sinh(_ x: Self) -> Self
  static func cosh(_ x: Self) -> Self
  static func asinh(_ x: Self) -> Self
  static func acosh(_ x: Self) -> Self
  static func atanh(_ x: Self) -> Self
  static func pow(_ x: Self, _ y: Self) -> Self
  static func fmod(_ x: Self, _ y: Self) -> Self
  /// 1 / (1 + e^−x)
  static func sigmoid(_ x: Self) -> Self

  /// The larger one; a NaN on either side is the result, and of equal numbers the second one.
  static func larger(_ a: Self, _ b: Self) -> Self
  /// The smaller one, likewise.
  static func smaller(_ a: Self, _ b: Self) -> Self
  /// `below` of x where it is less than the threshold, else `otherwise`.
  static func piecewise(
    _ x: Self, _ threshold: Self, below: (Self) -> Self, otherwise: (Self) -> Self
  ) -> Self
  /// (1 − z) · n + z · h
  static func blend(_ z: Self, _ n: Self, _ h: Self) -> Self
  /// e^x of each number, divided by their sum.
  static func softmax(_ x: ArraySlice<Self>) -> [Self]
  /// The logarithms of those.
  static func logSoftmax(_ x: ArraySlice<Self>) -> [Self]
  /// ln Σ e^x
  static func logSumExp(_ x: ArraySlice<Self>) -> Self
  /// √(Σ x²)
  static func norm(_ x: ArraySlice<Self>) -> Self
  /// The mean of some numbers, and the mean of the squares of what they are off it.
  static func moments(_ x: ArraySlice<Self>) -> (mean: Self, variance: Self)
  /// The number, which runtimes also compute from other terms, rounding each of them a few times.
  func alsoRounded(_ times: Int, _ terms: Self...) -> Self

  /// c[rows × columns] += a[rows × inner] · b[inner × columns]; the caller has as many elements behind the pointers.
  static func accumulateProduct(
    _ a: UnsafePointer<Self>, _ b: UnsafePointer<Self>, into c: UnsafeMutablePointer<Self>,
    rows: Int, inner: Int, columns: Int)
  /// b[columns × rows] = a[rows × columns]ᵀ; the caller has as many elements behind the pointers.
  static func transpose(
    _ a: UnsafePointer<Self>, into b: UnsafeMutablePointer<Self>, rows: Int, columns: Int)

  /// The element type of tensors that hold such numbers.
  static var elementType: ElementType { get }
  /// The elements of any tensor as such numbers, rounded to nearest where they do not fit.
  static func values(of tensor: Tensor) -> [Self]
  /// Some of them, to memory that has room for as many.
  static func copy(_ elements: Range<Int>, of tensor: Tensor, to target: UnsafeMutablePointer<Self>)
  static func tensor(_ values: [Self], shape: [Int]) -> Tensor
  /// Rounded to a narrower float type.
  static func narrowed(_ values: [Self], to type: ElementType) throws(TensorError) -> [Self]
  /// As a runtime may hold them that rounds to the type of their tensor; nil where the type does not matter.
  static func held(_ values: [Self], as type: ElementType) -> [Self]?
  /// Notes where the first `count` of some numbers, which stand in order, may stand in another one or among the rest elsewhere.
  static func noteOrder(_ ordered: some BidirectionalCollection<Self>, first count: Int)
  /// Whether something since the last call was decided that may be decided otherwise elsewhere.
  static func takeUndecided() -> Bool
}

extension ReferenceScalar {
  @inlinable public static func sigmoid(_ x: Self) -> Self { 1 / (1 + exp(-x)) }

  @inlinable public static func larger(_ a: Self, _ b: Self) -> Self { a.isNaN || a > b ? a : b }
  @inlinable public static func smaller(_ a: Self, _ b: Self) -> Self { a.isNaN || a < b ? a : b }

  @inlinable
  public static func piecewise(
    _ x: Self, _ threshold: Self, below: (Self) -> Self, otherwise: (Self) -> Self
  ) -> Self {
    x < threshold ? below(x) : otherwise(x)
  }

  @inlinable public static func blend(_ z: Self, _ n: Self, _ h: Self) -> Self { (1 - z) * n + z * h }

  @inlinable
  public static func softmax(_ x: ArraySlice<Self>) -> [Self] {
    let exponentials = shifted(x).map(exp)
    let total = exponentials.reduce(0, +)
    return exponentials.map { $0 / total }
  }

  @inlinable
  public static func logSoftmax(_ x: ArraySlice<Self>) -> [Self] {
    let rest = shifted(x)
    let logarithm = log(rest.reduce(0) { $0 + exp($1) })
    return rest.map { $0 - logarithm }
  }

  @inlinable
  public static func logSumExp(_ x: ArraySlice<Self>) -> Self {
    let top = x.reduce(-infinity, larger)
    if !top.isFinite { return top }
    return top + log(x.reduce(0) { $0 + exp($1 - top) })
  }

  /// x − max(x), which changes no softmax and keeps eˣ from overflowing.
  @inlinable
  static func shifted(_ x: ArraySlice<Self>) -> [Self] {
    let top = x.reduce(-infinity, larger)
    return x.map { $0 - top }
  }

  @inlinable
  public static func norm(_ x: ArraySlice<Self>) -> Self { x.reduce(0) { $0 + $1 * $1 }.squareRoot() }

  @inlinable
  public static func moments(_ x: ArraySlice<Self>) -> (mean: Self, variance: Self) {
    let mean = x.reduce(0, +) / Self(x.count)
    return (mean, x.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Self(x.count))
  }

  @inlinable public func alsoRounded(_ times: Int, _ terms: Self...) -> Self { self }

  public static func narrowed(_ values: [Self], to type: ElementType) throws(TensorError) -> [Self] {
    Self.values(of: try tensor(values, shape: [values.count]).converted(to: type).tensor)
  }

  @inlinable public static func held(_ values: [Self], as type: ElementType) -> [Self]? { nil }

  @inlinable
  public static func noteOrder(_ ordered: some BidirectionalCollection<Self>, first count: Int) {}
  @inlinable public static func takeUndecided() -> Bool { false }
}

extension ReferenceScalar {
  public static func transpose(
    _ a: UnsafePointer<Self>, into b: UnsafeMutablePointer<Self>, rows: Int, columns: Int
  ) {
    // Inside: the caller has as many elements behind the pointers.
    for row in 0..<rows {
      for column in 0..<columns { (b + column * rows + row).initialize(to: a[row * columns + column]) }
    }
  }
}

extension Float: ReferenceScalar {
  @inlinable public var estimate: Double { Double(self) }
  @inlinable public var decided: Double { Double(self) }
  @inlinable public var whole: Int64? { Int64(exactly: self) }

  public static func exp(_ x: Float) -> Float { Glibc.expf(x) }
  public static func expm1(_ x: Float) -> Float { Glibc.expm1f(x) }
  public static func log(_ x: Float) -> Float { Glibc.logf(x) }
  public static func log1p(_ x: Float) -> Float { Glibc.log1pf(x) }
  public static func tanh(_ x: Float) -> Float { Glibc.tanhf(x) }
  public static func erf(_ x: Float) -> Float { Glibc.erff(x) }
  public static func sin(_ x: Float) -> Float { Glibc.sinf(x) }
  public static func cos(_ x: Float) -> Float { Glibc.cosf(x) }
  public static func tan(_ x: Float) -> Float { Glibc.tanf(x) }
  public static func asin(_ x: Float) -> Float { Glibc.asinf(x) }
  public static func acos(_ x: Float) -> Float { Glibc.acosf(x) }
  public static func atan(_ x: Float) -> Float { Glibc.atanf(x) }
  public static func sinh(_ x: Float) -> Float { Glibc.sinhf(x) }
  public static func cosh(_ x: Float) -> Float { Glibc.coshf(x) }
  public static func asinh(_ x: Float) -> Float { Glibc.asinhf(x) }
  public static func acosh(_ x: Float) -> Float { Glibc.acoshf(x) }
  public static func atanh(_ x: Float) -> Float { Glibc.atanhf(x) }
  public static func pow(_ x: Float, _ y: Float) -> Float { Glibc.powf(x, y) }
  public static func fmod(_ x: Float, _ y: Float) -> Float { Glibc.fmodf(x, y) }
  public static func accumulateProduct(
    _ a: UnsafePointer<Float>, _ b: UnsafePointer<Float>, into c: UnsafeMutablePointer<Float>,
    rows: Int, inner: Int, columns: Int
  ) {
    reference_accumulate_float(a, b, c, rows, inner, columns)
  }
  public static func transpose(
    _ a: UnsafePointer<Float>, into b: UnsafeMutablePointer<Float>, rows: Int, columns: Int
  ) {
    reference_transpose_float(a, b, rows, columns)
  }

  public static var elementType: ElementType { .float32 }
  public static func values(of tensor: Tensor) -> [Float] { tensor.floats }
  public static func copy(
    _ elements: Range<Int>, of tensor: Tensor, to target: UnsafeMutablePointer<Float>
  ) {
    tensor.copy(elements, to: target)
  }
  public static func tensor(_ values: [Float], shape: [Int]) -> Tensor { Tensor(values, shape: shape) }
}

extension Double: ReferenceScalar {
  @inlinable public var estimate: Double { Double(self) }
  @inlinable public var decided: Double { Double(self) }
  @inlinable public var whole: Int64? { Int64(exactly: self) }

  public static func exp(_ x: Double) -> Double { Glibc.exp(x) }
  public static func expm1(_ x: Double) -> Double { Glibc.expm1(x) }
  public static func log(_ x: Double) -> Double { Glibc.log(x) }
  public static func log1p(_ x: Double) -> Double { Glibc.log1p(x) }
  public static func tanh(_ x: Double) -> Double { Glibc.tanh(x) }
  public static func erf(_ x: Double) -> Double { Glibc.erf(x) }
  public static func sin(_ x: Double) -> Double { Glibc.sin(x) }
  public static func cos(_ x: Double) -> Double { Glibc.cos(x) }
  public static func tan(_ x: Double) -> Double { Glibc.tan(x) }
  public static func asin(_ x: Double) -> Double { Glibc.asin(x) }
  public static func acos(_ x: Double) -> Double { Glibc.acos(x) }
  public static func atan(_ x: Double) -> Double { Glibc.atan(x) }
  public static func sinh(_ x: Double) -> Double { Glibc.sinh(x) }
  public static func cosh(_ x: Double) -> Double { Glibc.cosh(x) }
  public static func asinh(_ x: Double) -> Double { Glibc.asinh(x) }
  public static func acosh(_ x: Double) -> Double { Glibc.acosh(x) }
  public static func atanh(_ x: Double) -> Double { Glibc.atanh(x) }
  public static func pow(_ x: Double, _ y: Double) -> Double { Glibc.pow(x, y) }
  public static func fmod(_ x: Double, _ y: Double) -> Double { Glibc.fmod(x, y) }
  public static func accumulateProduct(
    _ a: UnsafePointer<Double>, _ b: UnsafePointer<Double>, into c: UnsafeMutablePointer<Double>,
    rows: Int, inner: Int, columns: Int
  ) {
    reference_accumulate_double(a, b, c, rows, inner, columns)
  }
  public static func transpose(
    _ a: UnsafePointer<Double>, into b: UnsafeMutablePointer<Double>, rows: Int, columns: Int
  ) {
    reference_transpose_double(a, b, rows, columns)
  }

  public static var elementType: ElementType { .float64 }
  public static func values(of tensor: Tensor) -> [Double] { tensor.doubles }
  public static func copy(
    _ elements: Range<Int>, of tensor: Tensor, to target: UnsafeMutablePointer<Double>
  ) {
    tensor.copy(elements, to: target)
  }
  public static func tensor(_ values: [Double], shape: [Int]) -> Tensor { Tensor(values, shape: shape) }
}
