internal import ByteIO
internal import Recurrent
internal import Tensors

/// Float and Double: each operation rounds once, sums run in one fixed order.
protocol Native: Scalar, SumOfProducts, BinaryFloatingPoint, SIMDScalar, Codable
where Weights == [Self], Sum == Self, Rules == Execution {
  /// Writes some of a tensor's numbers; the caller has room for as many.
  static func copy(_ elements: Range<Int>, of tensor: Tensor, to target: UnsafeMutablePointer<Self>)
  static func exponential(_ x: Self) -> Self
  static func exponentialMinusOne(_ x: Self) -> Self
  static func logarithm(_ x: Self) -> Self
  static func logarithmOfOnePlus(_ x: Self) -> Self
  static func hyperbolicTangent(_ x: Self) -> Self
  static func complementaryError(_ x: Self) -> Self
  static func errorFunction(_ x: Self) -> Self
  static func sine(_ x: Self) -> Self
  static func cosine(_ x: Self) -> Self
  static func raised(_ x: Self, to exponent: Self) -> Self
}

/// √(2/π) and what x³ counts, of Gelu by tanh.
enum GeluTanh {
  static let scale = (2 / Double.pi).squareRoot()
  static let cubic = 0.044715
}

extension Arithmetic.Operator {
  /// Whether a comparison holds; nothing does of what is no comparison.
  func holds(_ left: Double, _ right: Double) -> Bool {
    switch self {
    case .greater: left > right
    case .notLess: left >= right
    case .equal: left == right
    case .add, .subtract, .multiply, .divide, .maximum, .minimum, .prelu: false
    }
  }
}

/// base^exponent
func power(_ base: Double, _ exponent: Double) -> Double { pow(base, exponent) }

extension Float: Native {
  typealias Sum = Float
  typealias Rules = Execution
  static func weights(_ tensor: Tensor) -> [Float] { tensor.floats }
  static func copy(_ elements: Range<Int>, of tensor: Tensor, to target: UnsafeMutablePointer<Float>) {
    tensor.copy(elements, to: target)
  }
  static func exponential(_ x: Float) -> Float { expf(x) }
  static func exponentialMinusOne(_ x: Float) -> Float { expm1f(x) }
  static func logarithm(_ x: Float) -> Float { logf(x) }
  static func logarithmOfOnePlus(_ x: Float) -> Float { log1pf(x) }
  static func hyperbolicTangent(_ x: Float) -> Float { tanhf(x) }
  static func complementaryError(_ x: Float) -> Float { erfcf(x) }
  static func errorFunction(_ x: Float) -> Float { erff(x) }
  static func sine(_ x: Float) -> Float { sinf(x) }
  static func cosine(_ x: Float) -> Float { cosf(x) }
  static func raised(_ x: Float, to exponent: Float) -> Float { powf(x, exponent) }
}

extension Double: Native {
  typealias Sum = Double
  typealias Rules = Execution
  static func weights(_ tensor: Tensor) -> [Double] { tensor.doubles }
  static func copy(_ elements: Range<Int>, of tensor: Tensor, to target: UnsafeMutablePointer<Double>) {
    tensor.copy(elements, to: target)
  }
  static func exponential(_ x: Double) -> Double { exp(x) }
  static func exponentialMinusOne(_ x: Double) -> Double { expm1(x) }
  static func logarithm(_ x: Double) -> Double { log(x) }
  static func logarithmOfOnePlus(_ x: Double) -> Double { log1p(x) }
  static func hyperbolicTangent(_ x: Double) -> Double { tanh(x) }
  static func complementaryError(_ x: Double) -> Double { erfc(x) }
  static func errorFunction(_ x: Double) -> Double { erf(x) }
  static func sine(_ x: Double) -> Double { sin(x) }
  static func cosine(_ x: Double) -> Double { cos(x) }
  static func raised(_ x: Double, to exponent: Double) -> Double { pow(x, exponent) }
}

extension Native {
  static var one: Self { 1 }
  static var emptySum: Self { 0 }
  static var unknown: Self { .nan }
  static func element(_ weights: [Self], _ index: Int) -> Self { weights[index] }
  static func elements(_ weights: [Self]) -> [Self] { weights }
  static func constant(_ number: Double) -> Self { Self(number) }

  /// Sixteen partial sums, so that the order depends on `count` alone: never on batch, row or step.
  static func dot(_ weights: [Self], row: Int, _ x: [Self], at start: Int, count: Int) -> Self {
    precondition(row >= 0 && start >= 0 && (row + 1) * count <= weights.count && start + count <= x.count)
    return weights.withUnsafeBufferPointer { weights in
      x.withUnsafeBufferPointer { x in
        guard count > 0, let weights = weights.baseAddress, let x = x.baseAddress else { return 0 }
        // Both pointers have `count` elements ahead of them: checked above.
        let w = weights + row * count
        let v = x + start
        var low = SIMD8<Self>.zero
        var high = SIMD8<Self>.zero
        var k = 0
        while k + 16 <= count {
          low += load(w + k) * load(v + k)
          high += load(w + k + 8) * load(v + k + 8)
          k += 16
        }
        if k + 8 <= count {
          low += load(w + k) * load(v + k)
          k += 8
        }
        var sum = (low + high).sum()
        while k < count {
          sum += w[k] * v[k]
          k += 1
        }
        return sum
      }
    }
  }

  /// The caller has eight elements behind the pointer.
  @inline(__always)
  private static func load(_ pointer: UnsafePointer<Self>) -> SIMD8<Self> {
    UnsafeRawPointer(pointer).loadUnaligned(as: SIMD8<Self>.self)
  }

  static func blend(_ n: Self, _ h: Self, _ z: Self, _ gate: Activation, _ rules: Execution) -> Self {
    (1 - z) * n + z * h
  }
  static func clip(_ x: Self, _ limit: Self) -> Self { x > limit ? limit : x < -limit ? -limit : x }
  static func maximum(_ left: Self, _ right: Self) -> Self { right > left || right.isNaN ? right : left }
  static func minimum(_ left: Self, _ right: Self) -> Self { right < left || right.isNaN ? right : left }
  static func leaky(_ x: Self, _ slope: Self) -> Self { x < 0 ? slope * x : x }
  static func compare(_ left: Self, _ right: Self, _ comparison: Arithmetic.Operator) -> Self {
    comparison.holds(Double(left), Double(right)) ? 1 : 0
  }
  static func choose(_ condition: Self, _ a: Self, _ b: Self) -> Self { condition != 0 ? a : b }

  static func sigmoid(_ x: Self) -> Self { 1 / (1 + exponential(-x)) }

  /// Stable: e^x never overflows, and nothing cancels for x ≪ 0.
  static func softplus(_ x: Self) -> Self { (x < 0 ? 0 : x) + logarithmOfOnePlus(exponential(-abs(x))) }

  /// What runtimes make of the exponents that are operators elsewhere: a product, a root, a quotient, each rounded once.
  static func power(_ x: Self, _ exponent: Self) -> Self {
    switch exponent {
    case 2: x * x
    case 0.5: x.squareRoot()
    case -1: 1 / x
    default: raised(x, to: exponent)
    }
  }

  /// Chosen once for all numbers, where there is little to do for each.
  static func activate(_ activation: Activation, all x: Numbers<Self>, _ rules: Execution) -> Numbers<Self> {
    switch activation.kind {
    case .relu: x.map { $0 < 0 ? 0 : $0 }
    case .leakyRelu: x.map { [alpha = Self(activation.alpha)] in leaky($0, alpha) }
    case .clip:
      x.map { [alpha = Self(activation.alpha), beta = Self(activation.beta)] in
        $0 < alpha ? alpha : $0 > beta ? beta : $0
      }
    default: x.map { activate(activation, $0) }
    }
  }

  static func activate(_ activation: Activation, _ x: Self, _ rules: Execution) -> Self {
    activate(activation, x)
  }

  static func activate(_ activation: Activation, _ x: Self) -> Self {
    var alpha: Self { Self(activation.alpha) }
    var beta: Self { Self(activation.beta) }
    switch activation.kind {
    case .identity: return x
    case .tanh: return hyperbolicTangent(x)
    case .sigmoid: return sigmoid(x)
    case .relu: return x < 0 ? 0 : x
    case .affine: return alpha * x + beta
    case .leakyRelu: return leaky(x, alpha)
    case .thresholdedRelu: return x > alpha || x.isNaN ? x : 0
    case .inclusiveThresholdedRelu: return x < alpha ? 0 : x
    case .scaledTanh: return alpha * hyperbolicTangent(beta * x)
    case .hardSigmoid:
      let y = alpha * x + beta
      return y < 0 ? 0 : y > 1 ? 1 : y
    case .elu: return x < 0 ? alpha * exponentialMinusOne(x) : x
    case .softsign: return x / (1 + abs(x))
    case .softplus: return softplus(x)
    // Φ(x) = erfc(−x/√2) / 2, which keeps the left tail that 1 + erf(x/√2) cancels.
    case .gelu: return x * (complementaryError(-x * Self(0.5.squareRoot())) / 2)
    case .silu: return x * sigmoid(x)
    case .mish: return x * hyperbolicTangent(softplus(x))
    case .clip: return x < alpha ? alpha : x > beta ? beta : x
    case .exp: return exponential(x)
    case .log: return logarithm(x)
    case .power: return power(x, alpha)
    case .abs: return abs(x)
    case .erf: return errorFunction(x)
    case .sin: return sine(x)
    case .cos: return cosine(x)
    case .selu: return beta * (x < 0 ? alpha * exponentialMinusOne(x) : x)
    case .celu: return x < 0 ? alpha * exponentialMinusOne(x / alpha) : x
    case .hardSwish:
      let y = x / 6 + 0.5
      return x * (y < 0 ? 0 : y > 1 ? 1 : y)
    // (1 + tanh u) / 2 = σ(2u), which keeps the left tail that 1 + tanh cancels.
    case .geluTanh: return x * sigmoid(Self(GeluTanh.scale * 2) * (x + Self(GeluTanh.cubic) * (x * x * x)))
    }
  }

  static func softmax(_ x: ArraySlice<Self>, _ rules: Execution, into result: inout [Self]) {
    let shift = x.reduce(-.infinity) { maximum($0, $1) }
    let start = result.count
    var sum: Self = 0
    for x in x {
      let power = exponential(x - shift)
      sum += power
      result.append(power)
    }
    for index in start..<result.count { result[index] /= sum }
  }

  static func logSoftmax(_ x: ArraySlice<Self>, _ rules: Execution, into result: inout [Self]) {
    let shift = x.reduce(-.infinity) { maximum($0, $1) }
    let logarithm = logarithm(x.reduce(0) { $0 + exponential($1 - shift) })
    for x in x { result.append((x - shift) - logarithm) }
  }

  /// Sums in Float64, in order: one rounding a number is left.
  static func normalise(
    _ x: ArraySlice<Self>, by divisor: Normalization.Divisor, epsilon: Double, _ rules: Execution,
    into result: inout [Self]
  ) {
    let n = Double(x.count)
    let mean = divisor.isCentred ? x.reduce(0.0) { $0 + Double($1) } / n : 0
    let squares = x.reduce(0.0) { $0 + (Double($1) - mean) * (Double($1) - mean) }
    let root =
      switch divisor {
      case .deviation, .rootMeanSquare: (squares / n + epsilon).squareRoot()
      case .guardedDeviation: (squares / n).squareRoot() + Normalization.Divisor.guarding
      case .euclidean: squares.squareRoot()
      case .absoluteSum: x.reduce(0.0) { $0 + abs(Double($1)) }
      }
    let isZero = divisor.isNorm && root == 0
    for x in x { result.append(isZero ? 0 : Self((Double(x) - mean) / root)) }
  }

  static func argMax(_ x: ArraySlice<Self>) -> (offset: Int, isDecided: Bool) {
    var best = x.startIndex
    for index in x.indices.dropFirst() where x[index] > x[best] { best = index }
    return (best - x.startIndex, true)
  }
}
