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
  mutating func add(steps left: [Int], _ right: [Int], isUndecided: Bool, probe: String) -> String {
    verdict = max(verdict, isUndecided ? .inconclusive : .different)
    return "output '\(name)' has shape \(left) on one side and \(right) on the other, on the probe '\(probe)'"
      + (isUndecided ? ": rounding alone decides which token ends a row" : ": they stop at different steps")
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
