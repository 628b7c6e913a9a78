/// A canonical value between layers: row-major `[T, B, F]`, `[B, F]`, `[T, B]` or `[B]`.
enum Value<Number: Scalar>: Sendable {
  case numbers(Numbers<Number>)
  case integers(Integers)

  /// T; nil for vectors.
  var steps: Int? {
    switch self {
    case .numbers(let numbers): numbers.steps
    case .integers(let integers): integers.steps
    }
  }

  /// Validation has put numbers here.
  var numbers: Numbers<Number> {
    guard case .numbers(let numbers) = self else { preconditionFailure("a validated model mixes up values") }
    return numbers
  }

  /// Validation has put integers here.
  var integers: Integers {
    guard case .integers(let integers) = self else {
      preconditionFailure("a validated model mixes up values")
    }
    return integers
  }
}

/// `[T, B, F]`, or `[B, F]` where `steps` is nil.
struct Numbers<Number: Scalar>: Sendable {
  let steps: Int?
  let batch: Int
  let features: Int
  var elements: [Number]

  init(steps: Int?, batch: Int, features: Int, elements: [Number]) {
    self.steps = steps
    self.batch = batch
    self.features = features
    self.elements = elements
  }

  init(zeros steps: Int?, batch: Int, features: Int) {
    self.init(
      steps: steps, batch: batch, features: features,
      elements: [Number](repeating: .zero, count: (steps ?? 1) * batch * features))
  }

  /// T·B: how many groups of F features lie one after another.
  var groups: Int { (steps ?? 1) * batch }

  /// Each group of F features replaced by another group.
  func mapGroups(features: Int, _ transform: (ArraySlice<Number>, inout [Number]) -> Void) -> Numbers {
    var result: [Number] = []
    result.reserveCapacity(groups * features)
    for group in 0..<groups {
      transform(elements[(group * self.features)..<((group + 1) * self.features)], &result)
    }
    return Numbers(steps: steps, batch: batch, features: features, elements: result)
  }

  func map(_ transform: (Number) -> Number) -> Numbers {
    Numbers(steps: steps, batch: batch, features: features, elements: elements.map(transform))
  }
}

/// `[T, B]`, or `[B]` where `steps` is nil.
struct Integers: Sendable {
  let steps: Int?
  let batch: Int
  var elements: [Int64]
  /// Elements that another rounding could have made another integer; nil where all are certain.
  var undecided: [Bool]?

  func isUndecided(_ index: Int) -> Bool { undecided?[index] ?? false }
}

/// h `[B, D·O]` and c `[B, D·H]` that a recurrent layer begins with; zero where nil.
struct InitialStates<Number: Scalar> {
  var h: Numbers<Number>?
  var c: Numbers<Number>?
}
