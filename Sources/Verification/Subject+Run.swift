internal import Forward
internal import Recurrent
internal import Tensors

extension Subject {
  /// What one side made of one probe.
  struct Run {
    let single: [String: Tensor]
    let double: [String: Tensor]
    /// Float64 reference and bounds; nil without a canonical model.
    let bounds: [String: BoundedTensor]?
    /// The same, of Float32 arithmetic.
    let wideBounds: Once<[String: BoundedTensor]?>
    /// How far evaluations stray in practice, in Float64 and in Float32.
    let envelope: Once<[String: BoundedTensor]?>
    let wideEnvelope: Once<[String: BoundedTensor]?>
    /// The Float64 bounds where nothing is said of storage.
    let ownBounds: [String: BoundedTensor]?
    /// The canonical model's plain Float64 pass.
    let plain: Once<[String: Tensor]?>

    /// The evaluator's output against the canonical model's.
    func compareRoad(_ probe: Probe, _ road: inout [OutputComparison]) {
      guard let ownBounds else { return }
      for (name, bounded) in ownBounds.sorted(by: { $0.key < $1.key }) {
        guard let value = double[name], value.shape == bounded.shape else { continue }
        let bounded = bounded.around { plain.value?[name]?.doubles }
        // Where nothing is known of a number, an evaluator that gives none cannot be told from a wrong one.
        let found = value.doubles
        let isUnknown = zip(bounded.errors, found).map { $0 == .infinity && !$1.isFinite }
        // Both roads start from the same bits, so nothing but Float64 rounding lies between them.
        let sides = Sides(
          shape: value.shape,
          left: found.indices.map { isUnknown[$0] ? found[$0] : bounded.values[$0] },
          right: found, bounds: bounded.errors.map { 2 * $0 }, sameBits: isUnknown.map { !$0 },
          wideBounds: { nil }, envelope: { envelope.value?[name]?.errors.map { 2 * $0 } })
        road.record(name) { $0.add(sides, probe: probe.name, tolerance: nil) }
      }
    }
  }

  /// - Parameters:
  ///   - seed: of the envelope.
  ///   - storage: what this side's weights may have been stored as on the other.
  func run(
    _ probe: Probe, _ inputs: [String: Tensor], seed: UInt64, storage: WeightStorage? = nil
  ) throws(VerificationError) -> Run {
    let own = own(inputs)
    func bounds(_ rounding: RoundingModel) throws -> [String: BoundedTensor]? {
      var rounding = rounding
      rounding.storage = storage
      return try model.map { try boundedForward($0, inputs: own, rounding: rounding) }
    }
    func envelope(_ rounding: RoundingModel) -> [String: BoundedTensor]? {
      var rounding = rounding
      rounding.storage = storage
      return model.flatMap {
        try? stochasticEnvelope($0, inputs: own, rounding: rounding, seed: seed)
      }
    }
    do {
      let stored = try bounds(.float64)
      return Run(
        single: try evaluate(inputs, .float32), double: try evaluate(inputs, .float64), bounds: stored,
        wideBounds: Once { try? bounds(.float32) }, envelope: Once { envelope(.float64) },
        wideEnvelope: Once { envelope(.float32) },
        ownBounds: storage == nil
          ? stored : try model.map { try boundedForward($0, inputs: own, rounding: .float64) },
        plain: Once { model.flatMap { try? forward($0, inputs: own, precision: .float64) } })
    } catch { throw .cannotRun(side: name, probe: probe.name, reason: "\(error)") }
  }
}

extension BoundedTensor {
  /// The same bounds around what a Float64 pass computes.
  ///
  /// The middle of a wide interval, which may be all of [−1, 1], is nothing that evaluations come near to, so no
  /// envelope fits around it.
  func around(_ pass: () -> [Double]?) -> BoundedTensor {
    guard errors.contains(where: { $0 > 0x1p-20 }), let pass = pass() else { return self }
    let centres = zip(values, pass).map { $1.isFinite ? $1 : $0 }
    return BoundedTensor(
      shape: shape, values: centres,
      errors: errors.indices.map { errors[$0] + abs(values[$0] - centres[$0]) * (1 + 0x1p-50) },
      isInteger: isInteger)
  }
}

/// A value that is made when first asked for.
final class Once<Value> {
  private let make: () -> Value
  lazy var value = make()

  init(_ make: @escaping () -> Value) { self.make = make }
}

extension [OutputComparison] {
  /// Changes the comparison of an output; the first time, makes one.
  mutating func record(_ name: String, _ body: (inout OutputComparison) -> Void) {
    if let index = firstIndex(where: { $0.name == name }) {
      body(&self[index])
    } else {
      append(OutputComparison(name: name))
      body(&self[count - 1])
    }
  }
}
