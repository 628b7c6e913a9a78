import Glibc
import Recurrent
import Tensors
import TestSupport

@testable import Forward

/// How the roundings of a perturbed pass fall.
enum Noise: CaseIterable {
  /// Anywhere within ± u, at either end, all upwards, all downwards.
  case uniform, extreme, up, down
}

/// Monte Carlo arithmetic (Parker 1997): every operation is off by as much as the rounding model allows at most.
///
/// Runs the library's own generic pass, so that whatever a bound says of "any evaluation" is put to the test.
struct Perturbed: Scalar {
  /// Where the numbers of one pass get their errors from.
  final class Source: @unchecked Sendable {
    var generator: SeededGenerator
    let noise: Noise

    init(_ noise: Noise, seed: UInt64) {
      self.noise = noise
      generator = SeededGenerator(seed: seed)
    }

    /// Within ± 1.
    func next() -> Double {
      switch noise {
      case .uniform: Double(generator.next() >> 11) * 0x1p-52 - 1
      case .extreme: generator.next() & 1 == 0 ? 1 : -1
      case .up: 1
      case .down: -1
      }
    }
  }

  @TaskLocal static var source = Source(.uniform, seed: 0)
  /// A trifle below u, since the pass itself is in Float64.
  static let u = 0x1p-24 * (1 - 0x1p-20)

  var value: Double

  static func rounded(_ value: Double) -> Perturbed { Perturbed(value: value * (1 + u * source.next())) }
  private static func off(_ value: Double, _ error: FunctionError) -> Perturbed {
    Perturbed(value: value + error.bound(abs(value)) * (1 - 0x1p-20) * source.next())
  }

  typealias Weights = [Double]
  typealias Rules = RoundingModel

  struct Sum: SumOfProducts {
    var value: Perturbed
    static func + (left: Sum, right: Sum) -> Sum { Sum(value: left.value + right.value) }
  }

  static var zero: Perturbed { Perturbed(value: 0) }
  static var one: Perturbed { Perturbed(value: 1) }
  static var unknown: Perturbed { Perturbed(value: .nan) }
  static var emptySum: Sum { Sum(value: zero) }
  /// Tests that use this store only numbers that fit Float32.
  static func weights(_ tensor: Tensor) -> [Double] { tensor.doubles }
  static func element(_ weights: [Double], _ index: Int) -> Perturbed { Perturbed(value: weights[index]) }
  static func elements(_ weights: [Double]) -> [Perturbed] { weights.map { Perturbed(value: $0) } }
  static func constant(_ number: Double) -> Perturbed { Perturbed(value: Double(Float(number))) }

  static func dot(_ weights: [Double], row: Int, _ x: [Perturbed], at start: Int, count: Int) -> Sum {
    var sum = 0.0
    let source = source
    for k in 0..<count {
      let product = weights[row * count + k] * x[start + k].value * (1 + u * source.next())
      sum = (sum + product) * (1 + u * source.next())
    }
    return Sum(value: Perturbed(value: sum))
  }

  init(value: Double) { self.value = value }
  init(_ sum: Sum) { self = sum.value }
  static func + (left: Sum, right: Perturbed) -> Sum { Sum(value: left.value + right) }
  static func + (left: Perturbed, right: Perturbed) -> Perturbed { rounded(left.value + right.value) }
  static func - (left: Perturbed, right: Perturbed) -> Perturbed { rounded(left.value - right.value) }
  static func * (left: Perturbed, right: Perturbed) -> Perturbed { rounded(left.value * right.value) }
  static func / (left: Perturbed, right: Perturbed) -> Perturbed { rounded(left.value / right.value) }

  /// One of the three forms, by chance.
  static func blend(
    _ n: Perturbed, _ h: Perturbed, _ z: Perturbed, _ gate: Activation, _ rules: RoundingModel
  ) -> Perturbed {
    switch source.generator.next() % 3 {
    case 0: (one - z) * n + z * h
    case 1: n + z * (h - n)
    default: h + (one - z) * (n - h)
    }
  }

  static func clip(_ x: Perturbed, _ limit: Perturbed) -> Perturbed {
    Perturbed(value: min(max(x.value, -limit.value), limit.value))
  }
  static func maximum(_ left: Perturbed, _ right: Perturbed) -> Perturbed {
    Perturbed(value: max(left.value, right.value))
  }

  static func activate(_ activation: Activation, _ x: Perturbed, _ rules: RoundingModel) -> Perturbed {
    switch activation.kind {
    case .tanh: off(tanh(x.value), rules.tanh)
    case .sigmoid: off(1 / (1 + exp(-x.value)), rules.sigmoid)
    case .relu: Perturbed(value: max(0, x.value))
    case .hardSigmoid:
      Perturbed(value: min(max((constant(activation.alpha) * x + constant(activation.beta)).value, 0), 1))
    default: fatalError("no test perturbs \(activation)")
    }
  }

  static func softmax(_ x: ArraySlice<Perturbed>, _ rules: RoundingModel, into result: inout [Perturbed]) {
    fatalError("no test perturbs softmax")
  }
  static func logSoftmax(_ x: ArraySlice<Perturbed>, _ rules: RoundingModel, into result: inout [Perturbed]) {
    fatalError("no test perturbs logSoftmax")
  }
  static func argMax(_ x: ArraySlice<Perturbed>) -> (offset: Int, isDecided: Bool) {
    fatalError("no test perturbs argMax")
  }
}

/// A perturbed pass: the values of the outputs, canonical.
func perturbedForward(
  _ model: Model, inputs: [String: Tensor], rounding: RoundingModel, noise: Noise, seed: UInt64
) throws -> [String: [Double]] {
  try Perturbed.$source.withValue(Perturbed.Source(noise, seed: seed)) {
    let values = try run(model, inputs, rules: rounding, as: Perturbed.self)
    return Dictionary(
      uniqueKeysWithValues: model.outputs.map { ($0.name, values[$0.value]!.numbers.elements.map(\.value)) })
  }
}
