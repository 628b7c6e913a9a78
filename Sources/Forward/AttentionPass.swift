internal import Recurrent

/// Attention in any arithmetic: of each query the scores, their softmax, and the sum of the values by it.
struct AttentionPass<Number: Scalar> {
  let heads: Int
  let rules: Number.Rules

  /// Queries `[T, B, H·D]`, keys `[S, B, H·D]` and values `[S, B, H·E]`, S ≥ 1; returns `[T, B, H·E]`.
  func run(_ queries: Numbers<Number>, _ keys: Numbers<Number>, _ values: Numbers<Number>) -> Numbers<Number>
  {
    let (depth, width) = (queries.features / heads, values.features / heads)
    let (batch, count) = (queries.batch, keys.steps ?? 1)
    var y = Numbers<Number>(zeros: queries.steps, batch: batch, features: values.features)
    var scores: [Number] = []
    var weights: [Number] = []
    for step in 0..<(queries.steps ?? 1) {
      for row in 0..<batch {
        for head in 0..<heads {
          let query = (step * batch + row) * queries.features + head * depth
          scores.removeAll(keepingCapacity: true)
          for source in 0..<count {
            let key = (source * batch + row) * keys.features + head * depth
            scores.append(
              Number(
                (0..<depth).reduce(Number.emptySum) {
                  $0 + queries.elements[query + $1] * keys.elements[key + $1]
                }))
          }
          weights.removeAll(keepingCapacity: true)
          Number.softmax(scores[...], rules, into: &weights)
          let target = (step * batch + row) * y.features + head * width
          for feature in 0..<width {
            y.elements[target + feature] = Number(
              weights.indices.reduce(Number.emptySum) {
                $0 + weights[$1]
                  * values.elements[($1 * batch + row) * values.features + head * width + feature]
              })
          }
        }
      }
    }
    return y
  }
}
