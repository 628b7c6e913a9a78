internal import Forward
internal import Recurrent
internal import Tensors

/// What the canonical model says of one probe, or the evaluator where there is none; all but the quick bounds is computed when first asked for.
struct Derivation: Sendable {
  typealias Noises = [String: Noise]
  typealias Bounds = [String: BoundedTensor]

  /// By intervals alone: never too small, at times too large.
  let bounds: Bounds
  /// The same, with what a few symbols know of each other, and with what many do.
  var sharperBounds: Bounds? { try? fewSymbols.value }
  var sharpBounds: Bounds? { try? mostSymbols.value }
  /// How far evaluations usually stray, in the arithmetic of the bounds.
  var noise: Noises? { try? manyPasses.value }
  /// The same by three passes.
  var briefNoise: Noises? { try? fewPasses.value }
  /// How far those of Float32 do: what one rounding of the weights does, too.
  var singleNoise: Noises? { try? singlePasses.value }
  /// A plain Float64 pass.
  var pass: [String: Tensor]? { try? plainPass.value }

  private let fewSymbols, mostSymbols: Deferred<Bounds, any Error>
  private let manyPasses, fewPasses, singlePasses: Deferred<Noises, any Error>
  private let plainPass: Deferred<[String: Tensor], any Error>

  /// - Parameters:
  ///   - rounding: the arithmetic that is bounded.
  ///   - bounds: without symbols.
  init(
    _ model: Model, _ inputs: [String: Tensor], _ rounding: RoundingModel, seed: UInt64, bounds: Bounds
  ) {
    self.bounds = bounds
    func derived(_ symbols: Symbols) -> Deferred<Bounds, any Error> {
      Deferred { try boundedForward(model, inputs: inputs, rounding: rounding, symbols: symbols) }
    }
    func noise(_ rounding: RoundingModel, isBrief: Bool = false) -> Deferred<Noises, any Error> {
      Deferred { try model.noise(inputs, rounding, seed: seed, isBrief: isBrief) }
    }
    (fewSymbols, mostSymbols) = (derived(.few), derived(.most))
    (manyPasses, fewPasses, singlePasses) = (noise(rounding), noise(rounding, isBrief: true), noise(.float32))
    plainPass = Deferred { try forward(model, inputs: inputs, precision: .float64) }
  }

  /// - Parameters:
  ///   - rounding: the arithmetic that is bounded.
  ///   - double: what the evaluator makes of the probe in Float64.
  ///   - bounds: of the same evaluator. There are no sharper ones.
  init(
    _ evaluator: EvaluatorRounding, _ inputs: [String: Tensor], _ rounding: RoundingModel, seed: UInt64,
    double: [String: Tensor], bounds: Bounds
  ) {
    self.bounds = bounds
    func noise(_ rounding: RoundingModel, isBrief: Bool = false) -> Deferred<Noises, any Error> {
      Deferred {
        try evaluator.noise(inputs, around: double, rounding, seed: seed, isBrief: isBrief)
      }
    }
    (fewSymbols, mostSymbols) = (Deferred { bounds }, Deferred { bounds })
    (manyPasses, fewPasses, singlePasses) = (noise(rounding), noise(rounding, isBrief: true), noise(.float32))
    plainPass = Deferred { double }
  }
}

/// How far evaluations stray from one in Float64, element by element.
struct Noise: Sendable {
  var usual: [Double]
  /// Whether some pass strayed so far, in any output, that another trajectory may be taken: then none of the model's elements,
  /// however calm the passes were there, can be said to be beyond noise.
  var isErratic = false
}

extension Model {
  /// Rounding noise of each output.
  func noise(
    _ inputs: [String: Tensor], _ rounding: RoundingModel, seed: UInt64, isBrief: Bool = false
  ) throws(ForwardError) -> [String: Noise] {
    let size = self.inputs.reduce(1) { most, port in
      max(most, (inputs[port.name]?.count ?? 1) / max(1, port.kind.features))
    }
    // Some seconds at most: the more passes, the steadier.
    let work = Double(size) * Double(parameterCount)
    let passes = isBrief ? 3 : work < 1e7 ? 16 : work < 2e8 ? 10 : 6
    let noise = try roundingNoise(self, inputs: inputs, rounding: rounding, seed: seed, passes: passes)
    return noises(noise, portsOfOutputs, rounding)
  }
}

extension Subject {
  /// What one side made of one probe.
  struct Run: Sendable {
    /// Empty where nobody asks for it.
    let single: [String: Tensor]
    let double: [String: Tensor]
    /// In the arithmetic of a recording; nil where neither a canonical model nor the evaluator says it.
    let recorded: Derivation?
    /// Of Float64 arithmetic on the weights as they are; nil likewise.
    let own: Derivation?
    let roundedTo: ElementType?

    /// What is known to lie between the evaluator's output and the model's: the file rounds it to a narrower type, or the
    /// import says that it rounded a constant or left a cast out. Nil where nothing does.
    func stated(_ name: String, _ value: Tensor) -> [Double]? {
      let held = value.storageError
      guard let unit = roundedTo?.unitRoundoff, let noise = own?.singleNoise?[name]?.usual else {
        return held
      }
      let share = Sharpness.farthest * unit * 0x1p24
      return noise.indices.map { (held?[$0] ?? 0) + share * noise[$0] }
    }

    /// The evaluator's output against the canonical model's.
    func compareRoad(_ probe: Probe, _ ports: [String: Model.Port], _ road: inout OutputComparisons) {
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
        // Both roads start from the same bits, so nothing but Float64 rounding lies between them: but where the importer said
        // that it rounded a constant or left a cast out, and where the file itself rounds what it gives.
        let port = ports[name]
        let sides = Sides(
          shape: value.shape,
          left: found.indices.map { isUnknown[$0] ? found[$0] : bounded.values[$0] },
          right: found, scales: Features(bounded.values, value.shape, port).scales,
          bounds: bounded.errors.map { 2 * $0 }, slack: stated(name, value), sameBits: isUnknown.map { !$0 },
          sharpBounds: [{ twice(own.sharperBounds) }, { twice(own.sharpBounds) }],
          noise: { own.noise?[name] }, floor: RoundingModel.float64.floor)
        road.record(name) { $0.add(sides, probe: probe.name, tolerance: nil) }
      }
    }
  }

  /// A side with a probe's inputs under its own names.
  struct Side {
    var subject: Subject
    var inputs: [String: Tensor]
    /// The arithmetic of what it is compared with, where that is a recording.
    var recording: RoundingModel?
    /// Whether its Float32 evaluation counts, too.
    var isSingleNeeded = true
  }

  /// What sides are to make of one probe.
  ///
  /// A side with the very same model as the one before it shares what that one derives.
  struct Trial {
    let probe: Probe
    private let sides: [Side]
    private let passes: [Passes]

    /// - Parameter isShared: whether all sides have the same model.
    init(_ sides: [Side], _ probe: Probe, isShared: Bool) {
      self.probe = probe
      self.sides = sides
      var passes: [Passes] = []
      for (index, side) in sides.enumerated() {
        passes.append(Passes(side, sharing: isShared && index > 0 ? passes[index - 1].bounds : nil))
      }
      self.passes = passes
    }

    /// Runs the passes that all of the trials need, and other work behind them, at once as far as there are cores.
    static func run(_ trials: [Trial], besides work: [any Runnable]) {
      let passes = trials.flatMap(\.passes)
      let derivations = passes.flatMap(\.derivations)
      // The longest first, so that no core waits long for the last one; but those of one model behind the first of them, which
      // makes its layers ready.
      concurrently(
        derivations.prefix(1) + passes.map(\.double) + derivations.dropFirst() + passes.compactMap(\.single)
          + work)
    }

    /// The sides' runs, in their order.
    ///
    /// - Parameter seed: of the noise.
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
    /// Nil where nobody asks for it.
    let single: Deferred<[String: Tensor], any Error>?
    let double: Deferred<[String: Tensor], any Error>
    /// Nil where nobody says it.
    let bounds: Deferred<[String: BoundedTensor], any Error>?
    /// In the arithmetic of a recording.
    let recorded: Deferred<[String: BoundedTensor], any Error>?
    /// What no other side's passes hold: two threads that took the same work would wait for each other.
    let derivations: [any Runnable]

    init(_ side: Side, sharing bounds: Deferred<[String: BoundedTensor], any Error>?) {
      let (subject, inputs) = (side.subject, side.inputs)
      single = side.isSingleNeeded ? Deferred { try subject.evaluate(inputs, .float32) } : nil
      double = Deferred { try subject.evaluate(inputs, .float64) }
      let given = subject.own(inputs)
      func derived(_ rounding: RoundingModel) -> Deferred<[String: BoundedTensor], any Error>? {
        guard let model = subject.model else {
          // Where that asks for too much, nothing is known.
          return subject.rounding.map { rounds in Deferred { (try? rounds.bounds(inputs, rounding)) ?? [:] } }
        }
        return Deferred { try boundedForward(model, inputs: given, rounding: rounding, symbols: .none) }
      }
      var own: Deferred<[String: BoundedTensor], any Error>?
      if bounds == nil {
        own =
          subject.boundedPasses.map { passes in Deferred { try passes.value.run(given) } }
          ?? derived(.float64)
      }
      self.bounds = bounds ?? own
      recorded = side.recording.flatMap(derived)
      derivations = [own, recorded].compactMap(\.self)
    }
  }
}

extension Subject.Run {
  fileprivate init(
    _ side: Subject.Side, _ passes: Subject.Passes, seed: UInt64, sharing shared: Derivation?
  ) throws {
    single = try passes.single?.value ?? [:]
    let computed = try passes.double.value
    double = computed
    roundedTo = side.subject.roundedTo
    let subject = side.subject
    func derived(
      _ bounds: Deferred<[String: BoundedTensor], any Error>?, _ rounding: RoundingModel
    ) throws -> Derivation? {
      guard let bounds = try bounds?.value else { return nil }
      if let model = subject.model {
        return Derivation(model, subject.own(side.inputs), rounding, seed: seed, bounds: bounds)
      }
      return subject.rounding.map {
        Derivation($0, side.inputs, rounding, seed: seed, double: computed, bounds: bounds)
      }
    }
    own = try shared ?? derived(passes.bounds, .float64)
    recorded = try side.recording.flatMap { try derived(passes.recorded, $0) }
  }
}

extension RoundingModel {
  /// What hardware may flush to zero.
  var floor: Double { 4 * underflow }
}

extension Tensor {
  /// How far each number may be from what was computed, since it is held in a narrower type than Float32; nil where it is not.
  var storageError: [Double]? {
    guard elementType == .float16 || elementType == .bfloat16 else { return nil }
    // Below the smallest normal number the spacing is fixed.
    let (unit, least) = (elementType.unitRoundoff, elementType == .float16 ? 0x1p-14 : 0x1p-126)
    return doubles.map { unit * max(abs($0), least) * (1 + 4 * unit) }
  }
}

extension BoundedTensor {
  /// The same bounds around what a Float64 pass computes.
  ///
  /// The middle of a wide interval, which may be all of [−1, 1], is nothing that evaluations come near to.
  func around(_ pass: () -> [Double]?) -> BoundedTensor {
    // An interval that is narrow beside the numbers themselves decides, whatever it is around.
    let narrow = max(0x1p-20, values.reduce(0) { max($0, abs($1)) } / 8)
    guard errors.contains(where: { $0 > narrow }), let pass = pass(), pass.count == values.count
    else { return self }
    let centres = zip(values, pass).map { $1.isFinite ? $1 : $0 }
    return BoundedTensor(
      shape: shape, values: centres, errors: errors(around: centres), isInteger: isInteger)
  }

  /// The errors around other values, as many: wider by how far those are from the own ones.
  func errors(around centres: [Double]) -> [Double] {
    errors.indices.map { index in
      let distance = abs(values[index] - centres[index]) * (1 + 0x1p-50)
      return distance == 0 ? errors[index] : (errors[index] + distance).nextUp
    }
  }
}

extension Model {
  /// Its output ports by their names.
  var portsOfOutputs: [String: Model.Port] {
    Dictionary(outputs.map { ($0.name, $0) }) { first, _ in first }
  }
}
