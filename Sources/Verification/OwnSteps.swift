internal import Forward
internal import Recurrent

// A loop decides by what it computes how many steps its outputs have, so sides may differ in shape.

extension [String: BoundedTensor] {
  /// The errors of an output that was found in this shape; ∞ where the bounded pass stopped elsewhere.
  func errors(of name: String, shape: [Int]) -> [Double]? {
    self[name].map { bounded in
      bounded.shape == shape
        ? bounded.errors : Array(repeating: .infinity, count: shape.reduce(1, *))
    }
  }

  /// Whether another rounding could have chosen another token, and so have stopped elsewhere.
  var hasUndecided: Bool { values.contains { $0.errors.contains(.infinity) } }
}

extension OutputComparison {
  /// Takes into account that the sides made different numbers of steps; why, in words.
  ///
  /// - Parameter hasOwnSteps: whether a loop decides it; else the sides arrange their outputs otherwise.
  mutating func add(
    steps left: [Int], _ right: [Int], isUndecided: Bool, hasOwnSteps: Bool = true, probe: String
  ) -> String {
    verdict = max(verdict, isUndecided ? .inconclusive : .different)
    let shapes =
      "output '\(name)' has shape \(left) on one side and \(right) on the other, on the probe '\(probe)'"
    if isUndecided { return shapes + ": rounding alone decides which token ends a row" }
    if hasOwnSteps { return shapes + ": they stop at different steps" }
    if left.sorted() == right.sorted() { return shapes + ": axes are exchanged, such as time and batch" }
    if left.filter({ $0 != 1 }) == right.filter({ $0 != 1 }) {
      return shapes + ": one side drops axes of size 1"
    }
    if left.count == right.count, left.indices.filter({ left[$0] != right[$0] }).count == 1,
      left.contains(1) != right.contains(1)
    {
      return shapes
        + ": one side has one row or step where the other has all, as where the batch is folded into time"
    }
    let isFolded = left.reduce(1, *) == right.reduce(1, *)
    return isFolded ? shapes + ": axes are folded into one another, such as batch into time" : shapes
  }
}

extension Model {
  /// Whether a loop decides how many steps outputs have.
  var hasOwnSteps: Bool {
    layers.contains { layer in
      if case .generate(let generate) = layer.operation { generate.stop != nil } else { false }
    }
  }
}
