internal import ByteIO
internal import CReferenceMath
public import Tensors

/// Float or Double: the numbers that the evaluators compute in, with the C library's elementary functions.
public protocol ReferenceScalar: BinaryFloatingPoint, BitwiseCopyable, Sendable {
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
}

extension Float: ReferenceScalar {
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
