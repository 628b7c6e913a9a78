internal import Forward
internal import Recurrent
internal import Tensors

/// What a verdict could not have noticed: the smallest changes that these inputs and this arithmetic would have shown.
public struct BlindRadius: Sendable, Equatable {
  /// A change of an output by less than this share of its feature's range could have passed.
  public var output: Double
  /// Whether every number of every weight was compared, so that none could have changed unseen.
  public var comparesWeights: Bool
  /// For each layer with weights how much one of them could have changed; empty where that was not measured.
  public var layers: [LayerRadius] = []

  /// How much one weight of a layer could have changed.
  public struct LayerRadius: Sendable, Equatable {
    /// The layer's name.
    public var layer: String
    /// The role of its largest tensor, which was tried, such as `forward.recurrentWeight`.
    public var role: String
    /// As a share of the tensor's root mean square: the median of a few weights. ∞: most of them move no output here.
    public var share: Double
  }

  /// What would have shown, in words.
  public var summary: String {
    let moved = "an output that moves by \((100 * output).brief) % of its range"
    if comparesWeights { return "every changed weight, and \(moved)" }
    guard let worst = layers.max(by: { $0.share < $1.share }) else { return moved }
    return worst.share.isFinite
      ? "\(moved), and one weight that changes by \((100 * worst.share).brief) % of its tensor's size (in layer "
        + "'\(worst.layer)', the blindest)"
      : "\(moved), but hardly a weight of layer '\(worst.layer)': of a few that were tried most move no output here"
  }
}

extension Model {
  /// Multiplications that measuring may take: a fraction of a second.
  private static var radiusBudget: Double { 3e8 }
  private static var weightsALayer: Int { 3 }

  /// How much one weight of each layer may change before an output moves by what is allowed; empty where that takes too long.
  ///
  /// Some weights of each layer's largest tensor are changed, one at a time, by half of the tensor's root mean square; outputs
  /// follow nearly linearly.
  func blindWeights(
    _ inputs: [String: Tensor], allowed: [String: [Double]], seed: UInt64
  ) -> [BlindRadius.LayerRadius] {
    let size = self.inputs.reduce(1) { most, port in
      max(most, (inputs[port.name]?.count ?? 1) / max(1, port.kind.features))
    }
    let weighted = layers.indices.filter { !layers[$0].operation.tensors.isEmpty }
    let work = Double(weighted.count * Self.weightsALayer) * Double(parameterCount) * Double(size)
    guard work <= Self.radiusBudget, let base = try? forward(self, inputs: inputs, precision: .float64) else {
      return []
    }
    var generator = SplitMix(state: seed)
    return weighted.compactMap { index in
      let tensors = layers[index].operation.tensors
      guard
        let number = tensors.indices.filter({ tensors[$0].tensor.elementType.isFloat })
          .max(by: { tensors[$0].tensor.count < tensors[$1].tensor.count }), tensors[number].tensor.count > 0
      else { return nil }
      let values = tensors[number].tensor.doubles
      let step = 0.5 * (values.reduce(0) { $0 + $1 * $1 } / Double(values.count)).squareRoot()
      guard step > 0 else { return nil }
      let shares = (0..<Self.weightsALayer).map { _ -> Double in
        var changed = values
        changed[Int.random(in: values.indices, using: &generator)] += step
        var (model, seen) = (self, -1)
        model.layers[index].operation = layers[index].operation.mapTensors { tensor in
          seen += 1
          return seen == number ? Tensor(changed, shape: tensor.shape) : tensor
        }
        guard let moved = try? forward(model, inputs: inputs, precision: .float64) else { return 0 }
        return 0.5 / Self.most(base, moved, allowed)
      }
      return BlindRadius.LayerRadius(
        layer: layers[index].name, role: tensors[number].role, share: shares.sorted()[shares.count / 2])
    }
  }

  /// The largest movement of an element, in multiples of what is allowed there.
  private static func most(_ base: [String: Tensor], _ moved: [String: Tensor], _ allowed: [String: [Double]])
    -> Double
  {
    var most = 0.0
    for (name, limits) in allowed {
      guard let a = base[name]?.doubles, let b = moved[name]?.doubles, a.count == b.count,
        limits.count == a.count
      else {
        continue
      }
      for index in a.indices where a[index] != b[index] {
        most = max(most, abs(a[index] - b[index]) / max(limits[index], .leastNormalMagnitude))
      }
    }
    return most
  }
}
