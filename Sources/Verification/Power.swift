internal import Forward
package import Recurrent
internal import Tensors

/// Which known mistakes a set of inputs would notice in a model, and which it would let pass.
public struct PowerReport: Sendable, Equatable {
  /// What the model is called.
  public var model: String
  /// Names of the inputs that were tried.
  public var probes: [String]
  /// Of made-up inputs; nil for given ones.
  public var seed: UInt64?
  /// One for each known mistake (`Mistake.all`).
  public var mistakes: [Item]

  /// How one known mistake fares.
  public struct Item: Sendable, Equatable {
    /// The mistake's id, such as `gate-order`.
    public var mistake: String
    /// The mistake in plain words.
    public var name: String
    /// Ways in which the mistake can be made in this model; 0 where it cannot be made.
    public var ways: Int
    /// How many of them change some output beyond rounding.
    public var noticed: Int
    /// Where it passes unnoticed.
    public var unnoticed: [String]
    /// Why, in words.
    public var reasons: [String]
  }
}

/// Makes every known mistake in a model and tells which ones the probes could not notice.
///
/// A mistake is noticed where an output moves by more than the rounding noise of recorded outputs, or does not fit any more.
package func power(
  of model: Model, name: String, probes: [Probe], seed: UInt64? = nil
) throws(VerificationError) -> PowerReport {
  guard !probes.isEmpty else { throw .noProbes("no inputs were given") }
  if let found = model.firstNotFinite { throw .notFinite(side: name, found) }
  var evidence: [(inputs: [String: Tensor], outputs: [String: Tensor], noise: [String: Noise])] = []
  for probe in probes {
    let inputs = probe.inputs.filter { input in model.inputs.contains { $0.name == input.key } }
    do {
      evidence.append(
        (
          inputs, try forward(model, inputs: inputs, precision: .float64),
          try model.noise(inputs, .onnxruntime, seed: seed ?? 1)
        ))
    } catch { throw .cannotRun(side: name, probe: probe.name, reason: "\(error)") }
  }
  func isNoticed(_ changed: Model) -> Bool {
    evidence.contains { piece in
      guard let outputs = try? forward(changed, inputs: piece.inputs, precision: .float64) else {
        return true
      }
      return piece.outputs.contains { name, expected in
        guard let found = outputs[name], found.shape == expected.shape, let noise = piece.noise[name]?.usual
        else {
          return true
        }
        return zip(zip(expected.doubles, found.doubles), noise).contains { pair, noise in
          !isSame(pair.0, pair.1) && !(abs(pair.0 - pair.1) <= Sharpness.usual * noise)
        }
      }
    }
  }
  let blindness = Blindness(model, probes)
  let items = Mistake.all.map { mistake -> PowerReport.Item in
    var item = PowerReport.Item(
      mistake: mistake.id, name: mistake.name, ways: 0, noticed: 0, unnoticed: [], reasons: [])
    var isWithinRounding = false
    for candidate in mistake.candidates(model, .make) {
      guard let changed = candidate.make(), (try? changed.validated()) != nil else { continue }
      item.ways += 1
      if changed != model, isNoticed(changed) {
        item.noticed += 1
      } else {
        isWithinRounding = isWithinRounding || changed != model
        item.unnoticed.append(candidate.place)
      }
    }
    if !item.unnoticed.isEmpty {
      item.reasons = blindness.reasons(for: mistake.id)
      if item.reasons.isEmpty {
        item.reasons = [
          isWithinRounding
            ? "what it changes is no more than rounding noise"
            : "the tensors are alike where it exchanges them"
        ]
      }
    }
    return item
  }
  return PowerReport(model: name, probes: probes.map(\.name), seed: seed, mistakes: items)
}

/// What makes inputs and weights blind.
private struct Blindness {
  private var facts: [Fact: String] = [:]

  private enum Fact: Hashable {
    case constantKernels, zeroBiases, alikeBiases, singleStep, singleRow, squareAxes, zeroInputs, fullLengths,
      zeroStates
  }

  init(_ model: Model, _ probes: [Probe]) {
    let layers = model.recurrentLayers
    let directions = layers.flatMap(\.layer.directions)
    let biases = directions.flatMap { [$0.inputBias, $0.recurrentBias].compactMap { $0 } }
    let hasBiases = !biases.isEmpty
    func isConstant(_ tensor: Tensor) -> Bool {
      let values = tensor.doubles
      return values.allSatisfy { $0 == values.first }
    }
    if directions.allSatisfy({ isConstant($0.inputWeight) && $0.recurrentWeight.map(isConstant) ?? true }) {
      facts[.constantKernels] =
        "all weights of a kernel are one number, so every gate and unit computes alike"
    }
    if biases.allSatisfy({ $0.doubles.allSatisfy { $0 == 0 } }) {
      facts[.zeroBiases] = hasBiases ? "all biases are zero" : "there are no biases"
    } else if biases.allSatisfy(isConstant) {
      facts[.alikeBiases] = "all numbers of a bias are alike"
    }
    var (steps, rows) = (Set<Int>(), Set<Int>())
    var (isZero, isFull, hasZeroStates, isSquare) = (true, true, true, true)
    var hasNumberInputs = false
    let states = Set(
      layers.flatMap { index, _ in model.layers[index].inputs.dropFirst(2).compactMap { $0 } })
    let lengths = Set(layers.compactMap { index, _ in model.layers[index].inputs.dropFirst().first ?? nil })
    for probe in probes {
      var time: Int?
      var batch: Int?
      for port in model.inputs {
        guard let tensor = probe.inputs[port.name] else { continue }
        for (axis, size) in zip(port.axes, tensor.shape) {
          if axis.factors == [.time] { time = size }
          if axis.factors == [.batch] { batch = size }
        }
        guard !port.kind.isInteger else { continue }
        let hasNumbers = tensor.doubles.contains { $0 != 0 }
        if states.contains(port.value) {
          hasZeroStates = hasZeroStates && !hasNumbers
        } else {
          isZero = isZero && !hasNumbers
          hasNumberInputs = true
        }
      }
      for port in model.inputs where lengths.contains(port.value) {
        isFull =
          isFull && (probe.inputs[port.name]?.doubles ?? []).allSatisfy { $0 == time.map { Double($0) } }
      }
      steps.insert(time ?? 1)
      rows.insert(batch ?? 1)
      isSquare = isSquare && time == batch
    }
    if steps == [1] { facts[.singleStep] = "every sequence has one step (T = 1)" }
    if rows == [1] { facts[.singleRow] = "every batch has one row (B = 1)" }
    if isSquare { facts[.squareAxes] = "there are as many steps as rows (T = B)" }
    if isZero, hasNumberInputs { facts[.zeroInputs] = "all inputs are zero" }
    if !lengths.isEmpty, isFull { facts[.fullLengths] = "every row is as long as the sequence" }
    if hasZeroStates { facts[.zeroStates] = "all initial states are zero" }
  }

  func reasons(for mistake: String) -> [String] {
    let relevant: [Fact] =
      switch mistake {
      case "gate-order", "peephole-order": [.constantKernels, .alikeBiases, .zeroBiases, .singleStep]
      case "kernel-transposed", "kernel-reshaped", "kernels-swapped", "layers-swapped", "directions-swapped":
        [.constantKernels, .zeroInputs, .singleStep]
      case "bias-lost", "bias-twice", "bias-repeated", "biases-swapped": [.zeroBiases, .alikeBiases]
      case "forget-bias", "reset-form", "peepholes-dropped", "coupling", "update-complement":
        [.singleStep, .zeroStates, .zeroInputs, .zeroBiases]
      case "direction-flipped", "half-not-reversed", "output-not-reversed": [.singleStep, .zeroInputs]
      case "halves-swapped": [.constantKernels, .zeroInputs]
      case "axes-swapped": [.squareAxes, .singleRow, .singleStep, .zeroInputs]
      case "lengths-ignored": [.fullLengths, .singleStep]
      case "initial-state-ignored", "states-swapped": [.zeroStates]
      case "precision-lost", "byte-order": [.singleStep, .zeroBiases]
      default: [.zeroInputs]
      }
    return relevant.compactMap { facts[$0] }
  }
}
