internal import Recurrent

/// A normalisation of groups ready for passes in any arithmetic.
struct NormalizationPass<Number: Scalar>: Sendable {
  private let layer: Normalization
  /// γ and β, `[C]`.
  private let scale: [Number]?
  private let bias: [Number]?
  private let rules: Number.Rules

  init(_ layer: Normalization, _ rules: Number.Rules) {
    self.layer = layer
    self.rules = rules
    scale = layer.scale.map { Number.elements(Number.stored($0, rules)) }
    bias = layer.bias.map { Number.elements(Number.stored($0, rules)) }
  }

  /// x `[T, B, outer·count·inner]`, of at least one step where a group is of all.
  func run(_ x: Numbers<Number>) -> Numbers<Number> {
    let (count, inner) = (layer.count, layer.inner)
    var y = x
    // Elements of one group: the same features of all its steps.
    let size = x.batch * x.features
    let steps = layer.overTime ? Array(stride(from: 0, to: x.elements.count, by: size)) : [0]
    let rows = layer.overTime ? x.batch : x.groups
    var group: [Number] = []
    var normal: [Number] = []
    for row in 0..<rows {
      for outer in stride(from: row * x.features, to: (row + 1) * x.features, by: count * inner) {
        for first in outer..<(outer + inner) {
          let places = steps.flatMap { step in (0..<count).map { step + first + $0 * inner } }
          group = places.map { x.elements[$0] }
          normal.removeAll(keepingCapacity: true)
          Number.normalise(group[...], by: layer.divisor, epsilon: layer.epsilon, rules, into: &normal)
          for (place, number) in zip(places, normal) { y.elements[place] = number }
        }
      }
    }
    if scale == nil, bias == nil { return y }
    for index in y.elements.indices {
      let channel = index % x.features / layer.channel
      let scaled = scale.map { y.elements[index] * $0[channel % $0.count] } ?? y.elements[index]
      // As a sum, whose bound covers x·k + (bias − m·k), too.
      y.elements[index] = bias.map { Number(Number.emptySum + scaled + $0[channel % $0.count]) } ?? scaled
    }
    return y
  }
}
