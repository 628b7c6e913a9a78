internal import Tensors

/// A dense layer ready for passes: y = weight · x + bias.
protocol DenseLayer<Number>: Sendable {
  associatedtype Number: Scalar

  /// weight `[N, F]`, bias `[N]`
  init(weight: Tensor, bias: Tensor?, _ rules: Number.Rules)
  /// x `[…, F]`; returns `[…, N]`.
  func run(_ x: Numbers<Number>) -> Numbers<Number>
}

/// A dense layer in any arithmetic.
struct DensePass<Number: Scalar>: DenseLayer {
  private let weight: Number.Weights
  private let bias: Number.Weights?
  private let outputs: Int

  init(weight: Tensor, bias: Tensor?, _ rules: Number.Rules) {
    self.weight = Number.matrix(weight, rules)
    self.bias = bias.map { Number.stored($0, rules) }
    outputs = weight.shape[0]
  }

  func run(_ x: Numbers<Number>) -> Numbers<Number> {
    var y = Numbers<Number>(zeros: x.steps, batch: x.batch, features: outputs)
    let products = Number.Sums(
      weight, units: 0..<outputs, x.elements, starts: (0..<x.groups).map { $0 * x.features },
      count: x.features)
    for k in 0..<outputs {
      let bias = bias.map { Number.element($0, k) }
      for group in 0..<x.groups {
        let sum = products.sum(k, group)
        y.elements[group * outputs + k] = Number(bias.map { sum + $0 } ?? sum)
      }
    }
    return y
  }
}
