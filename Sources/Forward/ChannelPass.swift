internal import Recurrent

/// A batch normalisation ready for passes: x·k + (bias − mean·k) with k = scale · 1/√(variance + epsilon), one sum, whose bound covers
/// (x − mean)·k + bias too.
struct ChannelPass<Number: Scalar>: Sendable {
  /// k, −mean·k and bias of each channel.
  private let factors: [Number]
  private let shifts: [Number]
  private let biases: [Number]
  private let inner: Int

  init(_ layer: BatchNormalization, _ rules: Number.Rules) {
    let (scale, mean) = (
      Number.elements(Number.stored(layer.scale, rules)), Number.elements(Number.stored(layer.mean, rules))
    )
    let root = Activation(.power, alpha: 0.5)
    let factors = zip(scale, Number.elements(Number.stored(layer.variance, rules))).map { scale, variance in
      Number.constant(1) / Number.activate(root, variance + Number.constant(layer.epsilon), rules) * scale
    }
    self.factors = factors
    shifts = zip(mean, factors).map { Number.zero - $0 * $1 }
    biases = Number.elements(Number.stored(layer.bias, rules))
    inner = layer.inner
  }

  func run(_ x: Numbers<Number>) -> Numbers<Number> {
    x.mapGroups(features: x.features) { group, result in
      var next = group.startIndex
      for channel in factors.indices {
        let (factor, shift, bias) = (factors[channel], shifts[channel], biases[channel])
        for index in next..<(next + inner) {
          result.append(Number(Number.emptySum + group[index] * factor + shift + bias))
        }
        next += inner
      }
    }
  }
}
