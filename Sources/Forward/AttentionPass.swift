internal import Recurrent

/// Attention in any arithmetic: of each query the scores of the steps that it may see, their softmax, and the sum of the values by it.
struct AttentionPass<Number: Scalar> {
  let attention: Attention
  let rules: Number.Rules

  init(_ attention: Attention, rules: Number.Rules) { (self.attention, self.rules) = (attention, rules) }

  /// Queries `[T, B, H·D]`, keys `[S, B, H·D]`, values `[S, B, H·E]` and a mask `[S, B, 1]`, S ≥ 1; returns `[T, B, H·E]`.
  func run(
    _ queries: Numbers<Number>, _ keys: Numbers<Number>, _ values: Numbers<Number>,
    mask: Numbers<Number>? = nil
  ) -> Numbers<Number> {
    let heads = attention.heads
    let (depth, width) = (queries.features / heads, values.features / heads)
    let (batch, count) = (queries.batch, keys.steps ?? 1)
    var y = Numbers<Number>(zeros: queries.steps, batch: batch, features: values.features)
    var scores: [Number] = []
    var weights: [Number] = []
    for row in 0..<batch {
      let shown = shown(mask, row: row, of: count, batch: batch)
      for step in 0..<(queries.steps ?? 1) {
        // Of one row in order: those that a causal query sees come first.
        let seen = attention.isCausal ? shown?.prefix { $0 <= step } : shown?[...]
        for head in 0..<heads {
          let target = (step * batch + row) * y.features + head * width
          guard let seen, !seen.isEmpty else {
            for feature in 0..<width { y.elements[target + feature] = .unknown }
            continue
          }
          let query = (step * batch + row) * queries.features + head * depth
          scores.removeAll(keepingCapacity: true)
          for source in seen {
            let key = (source * batch + row) * keys.features + head * depth
            scores.append(
              Number(
                (0..<depth).reduce(Number.emptySum) {
                  $0 + queries.elements[query + $1] * keys.elements[key + $1]
                }))
          }
          weights.removeAll(keepingCapacity: true)
          Number.softmax(scores[...], rules, into: &weights)
          for feature in 0..<width {
            y.elements[target + feature] = Number(
              weights.indices.reduce(Number.emptySum) {
                $0 + weights[$1]
                  * values.elements[(seen[$1] * batch + row) * values.features + head * width + feature]
              })
          }
        }
      }
    }
    return y
  }

  /// The steps of a row that its mask shows; nil where rounding alone decides that of one.
  private func shown(_ mask: Numbers<Number>?, row: Int, of count: Int, batch: Int) -> [Int]? {
    guard let mask else { return Array(0..<count) }
    var steps: [Int] = []
    for step in 0..<count {
      let isZero = Number.compare(mask.elements[step * batch + row], .zero, .equal)
      let (offset, isDecided) = Number.argMax([isZero, .constant(0.5)])
      guard isDecided else { return nil }
      if offset == 1 { steps.append(step) }
    }
    return steps
  }
}
