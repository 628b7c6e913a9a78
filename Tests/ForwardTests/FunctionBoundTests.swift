import Glibc
import Recurrent
import Tensors
import TestSupport
import Testing

@testable import Forward

/// Functions around a recurrence, over all of Float32's range: whatever a Float32 evaluation makes of a number within its error
/// lies within the bound, and no bound is finite where the function has no value.
@Suite struct FunctionBoundTests {
  private typealias Number = Bounded<Float>

  /// What a function gives by other ways of computing it, each rounding as it goes.
  private static func evaluations(_ activation: Activation, _ x: Float) -> [Float] {
    let alpha = Float(activation.alpha)
    var all = [Float.activate(activation, x)]
    switch activation.kind {
    case .power:
      all.append(powf(x, alpha))
      if let n = Int(exactly: activation.alpha), n.magnitude <= 8 {
        let product = (0..<n.magnitude).reduce(Float(1)) { product, _ in product * x }
        let inverse = (0..<n.magnitude).reduce(Float(1)) { product, _ in product * (1 / x) }
        all += n > 0 ? [product] : [1 / product, inverse]
      }
      if alpha == -0.5 { all += [1 / x.squareRoot(), (1 / x).squareRoot()] }
    case .celu: all.append(max(0, x) + min(0, alpha * (expf(x / alpha) - 1)))
    case .selu:
      let beta = Float(activation.beta)
      all.append(beta * (x > 0 ? x : alpha * expf(x) - alpha))
    case .hardSwish: all.append(x * min(max(x + 3, 0), 6) / 6)
    case .geluTanh:
      let inner = Float(0.7978845608) * (x + Float(0.044715) * x * x * x)
      all += [0.5 * x * (1 + tanhf(inner)), x * (0.5 + 0.5 * tanhf(inner))]
    default: break
    }
    return all
  }

  private static let kinds = steepActivations + everyActivation.filter { !$0.kind.isOfCells }

  /// Any size that Float32 has, numbers near 1 and near whole ones, and the ends.
  private func numbers(_ generator: inout SeededGenerator) -> [Double] {
    let sizes = (0..<1_400).map { _ in exp2(Double.random(in: -149...128, using: &generator)) }
    let usual = (0..<600).map { _ in Double.random(in: -12...12, using: &generator) }
    let near = (0..<200).map { k in Double(k % 7 - 3) + Double.random(in: -1e-5...1e-5, using: &generator) }
    let ends: [Double] = [
      0, -0.0, 1, -1, 3, -3, 88.7, 88.8, -87.4, -104, 0x1p-126, -0x1p-126, 0x1p-149, 3.4028234663852886e38,
      -3.4028234663852886e38, Double.pi, 1e5, -1e5, 709, -745,
    ]
    return sizes.map { Bool.random(using: &generator) ? $0 : -$0 } + usual + near + ends
  }

  @Test(arguments: kinds)
  func `Float32 evaluations of numbers of any size lie within the bound`(_ activation: Activation) {
    var generator = SeededGenerator(seed: 71)
    var (tried, finite) = (0, 0)
    for share in [0, 0x1p-24, 1e-3, 0.3, 1.5] {
      for middle in numbers(&generator) {
        // As an evaluation that flushes to zero may hold it.
        let stored = Number.constant(middle)
        let x = Number(middle, stored.error + share * abs(middle), own: 0)
        let y = Number.activate(activation, x, .float32)
        #expect(y.error >= 0)
        if y.error < .infinity { finite += 1 }
        if x.error == .infinity { continue }
        for step in [-1, -0.7, 0, 0.3, 1] {
          // To the inside: the ends themselves may be no Float32.
          var point = Float(middle + step * x.error)
          if Double(point) > middle + x.error { point = point.nextDown }
          if Double(point) < middle - x.error { point = point.nextUp }
          if abs(Double(point) - middle) > x.error { continue }
          for found in Self.evaluations(activation, point) + [
            Float(Double.activate(activation, Double(point)))
          ] {
            tried += 1
            let isWithin = y.error == .infinity || abs(Double(found) - y.value) <= y.error
            #expect(isWithin, "\(activation) of \(point), within \(x): \(found), not \(y)")
          }
        }
      }
    }
    #expect(tried >= 40_000)
    #expect(finite >= 1_500, "a bound that is always infinite says nothing")
  }

  @Test(arguments: kinds)
  func `The bound is a few units where the argument is exact`(_ activation: Activation) {
    var generator = SeededGenerator(seed: 72)
    for _ in 0..<2_000 {
      let x = Number.constant(Double(Float.random(in: 0.01...9, using: &generator)))
      let y = Number.activate(activation, x, .float32)
      #expect(y.error < 40 * 0x1p-24 * max(abs(y.value), 1), "\(activation) of \(x)")
      let wide = Bounded<Double>.activate(activation, Bounded<Double>(x.value, 0, own: 0), .float64)
      #expect(wide.error < 40 * 0x1p-53 * max(abs(wide.value), 1), "\(activation) of \(x)")
    }
  }

  @Test(arguments: kinds)
  func `A wide interval's bound covers its curve`(_ activation: Activation) {
    var generator = SeededGenerator(seed: 73)
    for _ in 0..<2_000 {
      let middle = Double.random(in: -8...8, using: &generator)
      let x = Number(middle, exp2(Double.random(in: -12...3, using: &generator)), own: 0)
      let y = Number.activate(activation, x, .float32)
      let affine = Affine<Float>.activate(
        activation, Affine(x, settled: Coefficients(elements: [x.error])), .float32)
      // The points themselves are rounded.
      let rounding = 8 * (abs(middle) + x.error).ulp
      for k in -8...8 {
        let found = Double.activate(activation, middle + Double(k) / 8 * x.error)
        let line = affine.center.value + Double(k) / 8 * (affine.coefficients.elements.first ?? 0)
        #expect(
          y.error == .infinity || abs(found - y.value) <= y.error + rounding, "\(activation) within \(x)")
        #expect(
          affine.center.error == .infinity || abs(found - line) <= affine.rest * (1 + 1e-12),
          "\(activation) within \(x), its line")
      }
    }
  }

  @Test func `What has no value has no bound`() {
    func error(_ activation: Activation, _ x: Double, _ e: Double = 0) -> Double {
      Number.activate(activation, Number(x, e, own: 0), .float32).error
    }
    let (log, root) = (Activation(.log), Activation(.power, alpha: 0.5))
    let (inverse, third) = (Activation(.power, alpha: -1), Activation(.power, alpha: 1.0 / 3))
    for (x, e) in [(0.0, 0.0), (-1, 0), (1, 1), (1, 1.5), (1e-39, 0)] {
      #expect(error(log, x, e) == .infinity)
    }
    for (x, e) in [(-1.0, 0.0), (1, 1.5), (-1e-30, 0)] {
      #expect(error(root, x, e) == .infinity && error(third, x, e) == .infinity)
    }
    for (x, e) in [(0.0, 0.0), (1, 1), (-1, 1.5), (1e-39, 0)] { #expect(error(inverse, x, e) == .infinity) }
    #expect(error(root, 0) < 1e-30)
    #expect((0.96...1).contains(error(root, 1, 0.999)))
    #expect(error(inverse, -2, 1) < 0.6)
    #expect(error(Activation(.exp), 89) == .infinity)
    #expect(error(Activation(.exp), 0, 89) == .infinity)
    #expect(error(Activation(.power, alpha: 2), 2e19) == .infinity)
  }

  /// Monte Carlo arithmetic: every operation and function is off by as much as it may be.
  @Test(arguments: kinds)
  func `Evaluations that are as inexact as allowed lie within the bound`(_ activation: Activation) {
    var generator = SeededGenerator(seed: 74)
    for noise in Noise.allCases {
      NoiseSource.$current.withValue(NoiseSource(noise, seed: 5)) {
        for _ in 0..<2_000 {
          let x = Double.random(in: -6...6, using: &generator)
          let error = Double.random(in: 0...1e-3, using: &generator)
          let y = Number.activate(activation, Number(x, error, own: 0), .float32)
          let moved = x + Double.random(in: -error...error, using: &generator)
          let found = Stochastic<Float>.activate(activation, Stochastic(value: moved), .float32).value
          #expect(
            y.error == .infinity || abs(found - y.value) <= y.error,
            "\(activation) of \(x) ± \(error), \(noise)")
        }
      }
    }
  }

  @Test(arguments: [Arithmetic.Operator.maximum, .minimum, .prelu])
  func `Two uncertain numbers' bound covers what they may be`(_ arithmetic: Arithmetic.Operator) {
    func apply<S: Scalar>(_ a: S, _ b: S) -> S {
      switch arithmetic {
      case .maximum: S.maximum(a, b)
      case .minimum: S.minimum(a, b)
      default: S.leaky(a, b)
      }
    }
    var generator = SeededGenerator(seed: 75)
    func random() -> Number {
      Number(
        Double.random(in: -3...3, using: &generator), exp2(Double.random(in: -30...1, using: &generator)),
        own: 0
      )
    }
    for _ in 0..<2_000 {
      let (a, b) = (random(), random())
      let y = apply(a, b)
      let symbols = (
        Affine(a, settled: Coefficients(elements: [a.error])),
        Affine(b, settled: Coefficients(elements: [0, b.error]))
      )
      let line = apply(symbols.0, symbols.1)
      for (s, t) in [(-1.0, -1.0), (-1, 1), (1, -1), (1, 1), (0.3, -0.2), (0, 0)] {
        let found = apply(a.value + s * a.error, b.value + t * b.error)
        #expect(abs(found - y.value) <= y.error * (1 + 1e-12) + 1e-15)
        let place = zip(line.coefficients.elements, [s, t]).reduce(line.center.value) { $0 + $1.0 * $1.1 }
        #expect(abs(found - place) <= line.rest * (1 + 1e-12) + 1e-15)
      }
    }
    #expect(apply(Number.unknown, .one).error == .infinity && apply(.one, Number.unknown).error == .infinity)
  }
}
