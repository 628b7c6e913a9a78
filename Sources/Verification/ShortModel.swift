package import Recurrent
internal import Tensors

/// Sizes that a file fixes may be far too large for a probe: four million steps, a million rows, a loop of a million turns.
/// Probes then take a model of the same layers whose time and batch are open, and whose loops end earlier.
extension Model {
  /// Multiplications that a probe may take where the model fixes its sizes: seconds with all that is derived from it.
  private static let probeBudget = 1e8
  /// What a step of a layer takes for one row besides its multiplications.
  private static let stepWork = 2_000.0
  /// Turns of a loop in a shortened model: more than the steps of any probe.
  package static let mostTurns = 256

  /// The size that the model fixes for an axis of this factor alone.
  func fixedSize(_ factor: AxisFactor) -> Int? {
    inputs.lazy.flatMap(\.axes).first { $0.factors == [factor] && $0.size != nil }?.size
  }

  /// What was not tried of the sizes that the model fixes, since a probe of them would take too long; nil where all is.
  package var sizesNotTried: String? {
    let (usual, fixed) = (work(time: 12, batch: 4, turns: Self.mostTurns), fixedWork)
    guard fixed > max(Self.probeBudget, 2 * usual) else { return nil }
    let sizes = [
      fixedSize(.time).map { "\($0) steps" }, fixedSize(.batch).map { $0 == 1 ? "1 row" : "\($0) rows" },
      layers.compactMap(\.turns).max().map { "a loop of \($0) turns" },
    ].compactMap(\.self)
    return
      "not tried, since it would take too long: the fixed size (\(sizes.joined(separator: ", "))); probes were shorter"
  }

  /// Whether even a single probe of the sizes that the model fixes takes minutes.
  package var isTooLargeToProbe: Bool { fixedWork > 20 * Self.probeBudget }

  private var fixedWork: Double {
    work(time: fixedSize(.time) ?? 12, batch: fixedSize(.batch) ?? 4, turns: .max)
  }

  private func work(time: Int, batch: Int, turns: Int) -> Double {
    var sum = 0.0
    for layer in layers {
      let steps = layer.turns.map { min($0, turns) } ?? time
      sum += Double(batch) * Double(steps) * (Double(layer.weightCount) + Self.stepWork)
    }
    return sum
  }

  /// The same layers with time and batch of any size, and loops of a few turns.
  package var shortened: Model {
    var model = self
    // Layers between time and features take the number of steps that they are made for.
    let isBound = layers.contains { layer in
      switch layer.operation {
      case .fold, .unfold: true
      default: false
      }
    }
    func open(_ port: inout Model.Port) {
      if isBound { return }
      for axis in port.axes.indices where !port.axes[axis].factors.allSatisfy(\.isFeatures) {
        port.axes[axis].size = nil
      }
    }
    for index in model.inputs.indices { open(&model.inputs[index]) }
    for index in model.outputs.indices { open(&model.outputs[index]) }
    for index in model.layers.indices {
      guard case .generate(var loop) = model.layers[index].operation else { continue }
      loop.maxSteps = min(loop.maxSteps, Self.mostTurns)
      model.layers[index].operation = .generate(loop)
    }
    return model
  }
}

extension Layer {
  /// Multiplications of each step: none of a table.
  @inline(never)
  fileprivate var weightCount: Int {
    if case .embedding = operation { return 0 }
    if case .convolution(let convolution) = operation {
      return convolution.weight.count * convolution.axes.results()
    }
    return operation.tensors.reduce(0) { $0 + $1.tensor.count }
  }

  /// How often a loop's body runs at most; nil for other layers.
  ///
  /// Inlined, it makes Swift 6.3.1 stop ("ownership error").
  @inline(never)
  fileprivate var turns: Int? {
    if case .generate(let loop) = operation { loop.maxSteps } else { nil }
  }
}
