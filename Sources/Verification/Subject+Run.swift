internal import Forward
internal import Recurrent
internal import Tensors

/// What the canonical model says of one probe; all but the quick bounds is computed when first asked for.
final class Derivation {
  private let model: Model
  private let inputs: [String: Tensor]
  private let seed: UInt64
  private let storage: WeightStorage?

  /// Of Float64 arithmetic, by intervals alone where nothing is said of storage: never too small, at times too large.
  let bounds: [String: BoundedTensor]
  /// The same, with what symbols know of each other.
  private(set) lazy var sharpBounds = storage == nil ? try? derived(.float64, symbols: true) : bounds
  /// Of Float32 arithmetic.
  private(set) lazy var wideBounds = try? derived(.float32, symbols: true)
  /// How far evaluations stray in practice, in Float64 and in Float32.
  private(set) lazy var envelope = sampled(.float64)
  private(set) lazy var wideEnvelope = sampled(.float32)
  /// A plain Float64 pass.
  private(set) lazy var pass = try? forward(model, inputs: inputs, precision: .float64)

  /// - Parameters:
  ///   - storage: what the weights may have been stored as.
  ///   - bounds: those of `quickBounds`.
  init(
    _ model: Model, _ inputs: [String: Tensor], seed: UInt64, storage: WeightStorage? = nil,
    bounds: [String: BoundedTensor]
  ) {
    self.model = model
    self.inputs = inputs
    self.seed = seed
    self.storage = storage
    self.bounds = bounds
  }

  static func quickBounds(
    _ model: Model, _ inputs: [String: Tensor], storage: WeightStorage?
  ) throws(ForwardError) -> [String: BoundedTensor] {
    var rounding = RoundingModel.float64
    rounding.storage = storage
    return try boundedForward(model, inputs: inputs, rounding: rounding, symbols: storage != nil)
  }

  private func derived(
    _ rounding: RoundingModel, symbols: Bool
  ) throws(ForwardError) -> [String: BoundedTensor] {
    var rounding = rounding
    rounding.storage = storage
    return try boundedForward(model, inputs: inputs, rounding: rounding, symbols: symbols)
  }

  private func sampled(_ rounding: RoundingModel) -> [String: BoundedTensor]? {
    var rounding = rounding
    rounding.storage = storage
    return try? stochasticEnvelope(model, inputs: inputs, rounding: rounding, seed: seed)
  }
}

extension Subject {
  /// What one side made of one probe.
  struct Run {
    let single: [String: Tensor]
    let double: [String: Tensor]
    /// Nil without a canonical model.
    let derived: Derivation?
    /// The same where nothing is said of storage.
    let own: Derivation?

    /// The evaluator's output against the canonical model's.
    func compareRoad(_ probe: Probe, _ road: inout [OutputComparison]) {
      guard let own else { return }
      for (name, bounded) in own.bounds.sorted(by: { $0.key < $1.key }) {
        guard let value = double[name] else { continue }
        guard value.shape == bounded.shape else {
          road.record(name) {
            _ = $0.add(
              steps: value.shape, bounded.shape, isUndecided: own.bounds.hasUndecided, probe: probe.name)
          }
          continue
        }
        let bounded = bounded.around { own.pass?[name]?.doubles }
        // Where nothing is known of a number, an evaluator that gives none cannot be told from a wrong one.
        let found = value.doubles
        let isUnknown = zip(bounded.errors, found).map { $0 == .infinity && !$1.isFinite }
        func twice(_ bounds: [String: BoundedTensor]?) -> [Double]? {
          bounds?.errors(of: name, shape: value.shape)?.map { 2 * $0 }
        }
        // Both roads start from the same bits, so nothing but Float64 rounding lies between them.
        let sides = Sides(
          shape: value.shape,
          left: found.indices.map { isUnknown[$0] ? found[$0] : bounded.values[$0] },
          right: found, bounds: bounded.errors.map { 2 * $0 }, sameBits: isUnknown.map { !$0 },
          sharpBounds: { twice(own.sharpBounds) }, wideBounds: { nil }, envelope: { twice(own.envelope) })
        road.record(name) { $0.add(sides, probe: probe.name, tolerance: nil) }
      }
    }
  }

  /// A side with a probe's inputs under its own names, and what its weights may have been stored as on the other side.
  struct Side {
    var subject: Subject
    var inputs: [String: Tensor]
    var storage: WeightStorage?
  }

  /// What sides are to make of one probe.
  ///
  /// A side with the very same model as the one before it shares what that one derives.
  struct Trial {
    let probe: Probe
    private let sides: [Side]
    private let passes: [Passes]

    init(_ sides: [Side], _ probe: Probe) {
      self.probe = probe
      self.sides = sides
      var passes: [Passes] = []
      for (index, side) in sides.enumerated() {
        let isShared = index > 0 && side.subject.model == sides[index - 1].subject.model
        passes.append(Passes(side, sharing: isShared ? passes[index - 1].bounds : nil))
      }
      self.passes = passes
    }

    /// Runs the passes that all of the trials need, at once as far as there are cores.
    static func run(_ trials: [Trial]) {
      let passes = trials.flatMap(\.passes)
      // The longest first, so that no core waits long for the last one.
      concurrently(passes.flatMap(\.derivations) + passes.map(\.double) + passes.map(\.single))
    }

    /// The sides' runs, in their order.
    ///
    /// - Parameter seed: of the envelope.
    func runs(seed: UInt64) throws(VerificationError) -> [Run] {
      var runs: [Run] = []
      for (index, side) in sides.enumerated() {
        let isShared = index > 0 && passes[index].bounds === passes[index - 1].bounds
        do {
          runs.append(try Run(side, passes[index], seed: seed, sharing: isShared ? runs[index - 1].own : nil))
        } catch { throw .cannotRun(side: side.subject.name, probe: probe.name, reason: "\(error)") }
      }
      return runs
    }
  }

  /// The passes that a side always needs.
  fileprivate struct Passes {
    let single: Deferred<[String: Tensor], any Error>
    let double: Deferred<[String: Tensor], any Error>
    /// Nil without a canonical model.
    let bounds: Deferred<[String: BoundedTensor], ForwardError>?
    /// Nil where nothing is said of storage.
    let storageBounds: Deferred<[String: BoundedTensor], ForwardError>?

    init(_ side: Side, sharing bounds: Deferred<[String: BoundedTensor], ForwardError>?) {
      let (subject, inputs) = (side.subject, side.inputs)
      single = Deferred { try subject.evaluate(inputs, .float32) }
      double = Deferred { try subject.evaluate(inputs, .float64) }
      let given = subject.own(inputs)
      self.bounds = subject.model.map { model in
        bounds
          ?? Deferred { () throws(ForwardError) in try Derivation.quickBounds(model, given, storage: nil) }
      }
      storageBounds = subject.model.flatMap { model in
        side.storage.map { storage in
          Deferred { () throws(ForwardError) in try Derivation.quickBounds(model, given, storage: storage) }
        }
      }
    }

    var derivations: [any Runnable] { [bounds, storageBounds].compactMap(\.self) }
  }
}

extension Subject.Run {
  fileprivate init(
    _ side: Subject.Side, _ passes: Subject.Passes, seed: UInt64, sharing shared: Derivation?
  ) throws {
    single = try passes.single.value
    double = try passes.double.value
    guard let model = side.subject.model, let bounds = passes.bounds else {
      (own, derived) = (nil, nil)
      return
    }
    let given = side.subject.own(side.inputs)
    let own = try shared ?? Derivation(model, given, seed: seed, bounds: bounds.value)
    self.own = own
    derived =
      try passes.storageBounds.map {
        Derivation(model, given, seed: seed, storage: side.storage, bounds: try $0.value)
      } ?? own
  }
}

extension BoundedTensor {
  /// The same bounds around what a Float64 pass computes.
  ///
  /// The middle of a wide interval, which may be all of [−1, 1], is nothing that evaluations come near to, so no
  /// envelope fits around it.
  func around(_ pass: () -> [Double]?) -> BoundedTensor {
    // An interval that is narrow beside the numbers themselves decides, whatever it is around.
    let narrow = max(0x1p-20, values.reduce(0) { max($0, abs($1)) } / 8)
    guard errors.contains(where: { $0 > narrow }), let pass = pass(), pass.count == values.count
    else { return self }
    let centres = zip(values, pass).map { $1.isFinite ? $1 : $0 }
    return BoundedTensor(
      shape: shape, values: centres,
      errors: errors.indices.map { errors[$0] + abs(values[$0] - centres[$0]) * (1 + 0x1p-50) },
      isInteger: isInteger)
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
