internal import ByteIO
package import Tensors

/// Features picked by a regular pattern: of result digits i₁ … iₙ, major first, it is feature `start + Σ iⱼ·strideⱼ`.
///
/// A part of an axis inside the features, an axis backwards (a negative stride), or one repeated (a stride of 0).
public struct FeatureGather: Sendable, Hashable {
  /// One digit of the result's index.
  public struct Factor: Sendable, Hashable {
    /// How many values the digit has.
    public var count: Int
    /// How far apart the features lie that it leads to.
    public var stride: Int

    /// `count` features, `stride` apart.
    public init(count: Int, stride: Int) { (self.count, self.stride) = (count, stride) }
  }

  /// Where the pattern begins.
  public var start: Int
  /// Major first.
  public var factors: [Factor]

  /// The features that a pattern leads to, in normal form: no digit of one value, and none that continue one another.
  public init(start: Int = 0, _ factors: [Factor]) {
    self.start = start
    self.factors = []
    for factor in factors where factor.count != 1 {
      if let last = self.factors.last {
        let (reach, overflow) = factor.count.multipliedReportingOverflow(by: factor.stride)
        let (count, tooMany) = last.count.multipliedReportingOverflow(by: factor.count)
        if !overflow, !tooMany, last.stride == reach {
          self.factors[self.factors.count - 1] = Factor(count: count, stride: factor.stride)
          continue
        }
      }
      self.factors.append(factor)
    }
    if self.factors.isEmpty { self.factors = [Factor(count: 1, stride: 1)] }
  }

  /// The pattern that leads to these features; nil where there is none.
  package init?(sources: [Int]) {
    guard let start = sources.first else { return nil }
    var factors: [Factor] = []
    var starts = sources
    while starts.count > 1 {
      let stride = starts[1] - starts[0]
      var count = 2
      while count < starts.count, starts[count] - starts[count - 1] == stride { count += 1 }
      guard starts.count % count == 0 else { return nil }
      var next: [Int] = []
      for first in Swift.stride(from: 0, to: starts.count, by: count) {
        guard (1..<count).allSatisfy({ starts[first + $0] - starts[first] == $0 * stride }) else {
          return nil
        }
        next.append(starts[first])
      }
      factors.insert(Factor(count: count, stride: stride), at: 0)
      starts = next
    }
    self.init(start: start, factors)
  }

  /// Whether it leads to features that follow one another.
  package var isRun: Bool { factors.count == 1 && (factors[0].stride == 1 || factors[0].count == 1) }

  /// The feature that each of the result's is.
  package var sources: [Int] {
    factors.reduce([start]) { all, factor in
      all.flatMap { first in (0..<factor.count).map { first + $0 * factor.stride } }
    }
  }
}

extension FeatureGather: StepwiseLayer {
  package var name: LayerName { .featureGather }
  package var operation: Layer.Operation { .gather(self) }

  package func write<Fields: FieldWriter>(to fields: inout Fields) throws(Fields.Failure) {
    try fields.integer("start", start)
    for (index, factor) in factors.enumerated() {
      fields.begin("factors", part: "factor\(index)")
      try fields.integer("count", factor.count)
      try fields.integer("stride", factor.stride)
      fields.end()
    }
  }

  package init<Fields: FieldReader>(_ name: LayerName, from fields: inout Fields) throws(Fields.Failure) {
    let start = try fields.size("start")
    var factors: [Factor] = []
    for index in 0..<(try fields.partCount("factors")) {
      try fields.begin("factors", part: index)
      factors.append(Factor(count: try fields.size("count"), stride: try fields.integer("stride")))
      try fields.end()
    }
    self.init(start: start, factors)
  }

  package func mapTensors(_ transform: (Tensor) -> Tensor) {}

  package func outputKinds(_ inputs: LayerInputs) throws(ModelError) -> [ValueKind] {
    let input = try inputs.features()
    let most = ValueKind.mostFeatures
    guard !factors.isEmpty, (0..<max(input.features, 1)).contains(start),
      factors.allSatisfy({ (1...most).contains($0.count) && (-most...most).contains($0.stride) }),
      let features = checkedProduct(factors.map(\.count)), features <= most
    else { throw inputs.invalid("a pattern of no features, or of more than \(most)") }
    // No count·stride overflows: both are at most 2²⁶, and there are few factors that are not of count 1.
    let reach = factors.map { ($0.count - 1) * $0.stride }
    let (first, last) = (
      start + reach.filter { $0 < 0 }.reduce(0, +), start + reach.filter { $0 > 0 }.reduce(0, +)
    )
    guard first >= 0, last < input.features else {
      throw inputs.invalid("features \(first) to \(last) of \(input.features)")
    }
    return [input.with(features: features)]
  }
}
