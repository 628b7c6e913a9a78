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
    let model: Model?
    let ownInputs: [String: Tensor]

    /// Bounds of Float32 arithmetic.
    func wide(_ output: String) -> [Double]? {
      guard let model else { return nil }
      return try? boundedForward(model, inputs: ownInputs, rounding: .float32)[output]?.errors
    }

    /// The evaluator's output against the canonical model's.
    func compareRoad(_ probe: Probe, _ road: inout [OutputComparison]) {
      guard let bounds else { return }
      for (name, bounded) in bounds.sorted(by: { $0.key < $1.key }) {
        guard let value = double[name], value.shape == bounded.shape else { continue }
        // Where nothing is known of a number, an evaluator that gives none cannot be told from a wrong one.
        let found = value.doubles
        let isUnknown = zip(bounded.errors, found).map { $0 == .infinity && !$1.isFinite }
        // Both roads start from the same bits, so nothing but Float64 rounding lies between them.
        let sides = Sides(
          shape: value.shape,
          left: found.indices.map { isUnknown[$0] ? found[$0] : bounded.values[$0] },
          right: found, bounds: bounded.errors.map { 2 * $0 }, sameBits: isUnknown.map { !$0 },
          wideBounds: { nil })
        road.record(name) { $0.add(sides, probe: probe.name, tolerance: nil) }
      }
    }
  }

  func run(
    _ probe: Probe, _ inputs: [String: Tensor]
  ) throws(VerificationError) -> Run {
    let own = own(inputs)
    do {
      return Run(
        single: try evaluate(inputs, .float32), double: try evaluate(inputs, .float64),
        bounds: try model.map { try boundedForward($0, inputs: own, rounding: .float64) }, model: model,
        ownInputs: own)
    } catch { throw .cannotRun(side: name, probe: probe.name, reason: "\(error)") }
  }
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
