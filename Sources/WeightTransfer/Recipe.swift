internal import ONNXFormat
internal import Recurrent
internal import StateDictModels
package import StateDicts
internal import Tensors

/// How a tensor of an exported graph is made of tensors of the state dict that it was exported from.
package enum Recipe: Sendable, Equatable {
  /// As it is, but for axes of size 1.
  case same(String)
  /// `nn.Linear` keeps `[out, in]`, a product of ONNX takes `[in, out]`.
  case transposed(String)
  /// W or R `[D, G·H, ·]` of a recurrent operator: a weight for each direction.
  case gates([String], Architecture.Recurrent.Mode)
  /// B `[D, 2·G·H]`: for each direction the input's biases, then the state's.
  case biases([Biases], Architecture.Recurrent.Mode)
  /// A convolution's weight with the BatchNorm behind it: w · γ ÷ √(σ² + ε) of each output channel.
  case foldedWeight(String, Architecture.BatchNorm)
  /// The bias beside it: (b − μ) · γ ÷ √(σ² + ε) + β.
  case foldedBias(String?, Architecture.BatchNorm)

  package struct Biases: Sendable, Equatable {
    var input, hidden: String?
  }

  /// What it reads.
  package var tensors: [String] {
    switch self {
    case .same(let name), .transposed(let name): [name]
    case .gates(let names, _): names
    case .biases(let pairs, _): pairs.flatMap { [$0.input, $0.hidden].compactMap { $0 } }
    case .foldedWeight(let name, let norm): [name] + norm.tensorNames
    case .foldedBias(let name, let norm): (name.map { [$0] } ?? []) + norm.tensorNames
    }
  }

  /// Whether nothing is computed: every element is one of the state dict's, or a zero.
  package var isExact: Bool {
    switch self {
    case .same, .transposed, .gates, .biases: true
    case .foldedWeight, .foldedBias: false
    }
  }

  /// In words, behind the names.
  package var words: String {
    switch self {
    case .same: "as it is"
    case .transposed: "transposed"
    case .gates(_, let mode), .biases(_, let mode):
      if mode.torchOrder == mode.onnxOrder {
        "as it is"
      } else {
        "gates \(mode.torchOrder) → \(mode.onnxOrder)"
      }
    case .foldedWeight(_, let norm), .foldedBias(_, let norm): "with the BatchNorm '\(norm.name)' folded in"
    }
  }

  /// The tensor, in the shape and type of what stands in its place; nil where the shapes do not fit.
  ///
  /// - Returns: whether a number was rounded, too.
  func made(of tensors: [String: Tensor], like old: Tensor) -> (tensor: Tensor, isRounded: Bool)? {
    var isRounded = false
    func read(_ name: String) -> Tensor? {
      guard let tensor = tensors[name], tensor.elementType.isFloat, tensor.quantization == nil else {
        return nil
      }
      guard let converted = try? tensor.converted(to: old.elementType).tensor else { return nil }
      if tensor.elementType.isWider(than: old.elementType), converted.doubles != tensor.doubles {
        isRounded = true
      }
      return converted
    }
    func all(_ names: [String]) -> [Tensor]? {
      let found = names.compactMap(read)
      return found.count == names.count ? found : nil
    }
    func shaped(_ tensor: Tensor?) -> (tensor: Tensor, isRounded: Bool)? {
      guard let tensor, tensor.shape.filter({ $0 != 1 }) == old.shape.filter({ $0 != 1 }),
        let result = try? tensor.reshaped(old.shape)
      else { return nil }
      return (result, isRounded)
    }
    switch self {
    case .same(let name): return shaped(read(name))
    case .transposed(let name):
      guard let tensor = read(name), tensor.shape.count == 2 else { return nil }
      return shaped(tensor.transposed([1, 0]))
    case .gates(let names, let mode):
      guard let parts = all(names), !parts.isEmpty,
        parts.allSatisfy({
          $0.shape.count == 2 && $0.shape[0] % mode.blocks == 0 && $0.shape == parts[0].shape
        })
      else { return nil }
      let stacked = Tensor.concatenated(parts.map { mode.torchOrder.reorder($0, to: mode.onnxOrder) })
      guard old.shape == [parts.count] + parts[0].shape, let result = try? stacked.reshaped(old.shape) else {
        return nil
      }
      return (result, isRounded)
    case .biases(let pairs, let mode):
      guard old.shape.count == 2, old.shape[0] == pairs.count, old.shape[1] % (2 * mode.blocks) == 0,
        let zeros = try? Tensor([Double](repeating: 0, count: old.shape[1] / 2), shape: [old.shape[1] / 2])
          .converted(to: old.elementType).tensor
      else { return nil }
      var parts: [Tensor] = []
      for name in pairs.flatMap({ [$0.input, $0.hidden] }) {
        guard let name else {
          parts.append(zeros)
          continue
        }
        guard let bias = read(name), bias.shape == zeros.shape else { return nil }
        parts.append(mode.torchOrder.reorder(bias, to: mode.onnxOrder))
      }
      guard let result = try? Tensor.concatenated(parts).reshaped(old.shape) else { return nil }
      return (result, isRounded)
    case .foldedWeight(let name, let norm):
      guard let weight = tensors[name], let factors = norm.factors(tensors), weight.shape == old.shape,
        weight.shape.first == factors.count, weight.count > 0
      else { return nil }
      let size = weight.count / factors.count
      let folded = weight.doubles.enumerated().map { $0.element * factors[$0.offset / size] }
      return rounded(folded, old)
    case .foldedBias(let name, let norm):
      guard let factors = norm.factors(tensors), old.shape == [factors.count],
        let mean = tensors[norm.mean]?.doubles
      else { return nil }
      let zeros = [Double](repeating: 0, count: factors.count)
      let (bias, shift) = (
        name.flatMap { tensors[$0]?.doubles } ?? zeros, norm.bias.flatMap { tensors[$0]?.doubles } ?? zeros
      )
      guard [bias.count, shift.count, mean.count].allSatisfy({ $0 == factors.count }) else { return nil }
      return rounded(factors.indices.map { (bias[$0] - mean[$0]) * factors[$0] + shift[$0] }, old)
    }
  }

  private func rounded(_ values: [Double], _ old: Tensor) -> (tensor: Tensor, isRounded: Bool)? {
    (try? Tensor(values, shape: old.shape).converted(to: old.elementType).tensor).map { ($0, true) }
  }
}

extension Architecture.BatchNorm {
  /// γ ÷ √(σ² + ε), in Float64; nil where a tensor is missing or of another size.
  fileprivate func factors(_ tensors: [String: Tensor]) -> [Double]? {
    guard let variance = tensors[self.variance]?.doubles else { return nil }
    let scale = weight.map { tensors[$0]?.doubles } ?? [Double](repeating: 1, count: variance.count)
    guard let scale, scale.count == variance.count else { return nil }
    return variance.indices.map { scale[$0] / (variance[$0] + Double(Float(epsilon))).squareRoot() }
  }
}

extension Architecture.Recurrent.Mode {
  var torchOrder: GateOrder {
    switch self {
    case .rnnTanh, .rnnReLU: TorchGates.documented.rnn
    case .lstm: TorchGates.documented.lstm
    case .gru: TorchGates.documented.gru
    }
  }

  var onnxOrder: GateOrder {
    switch self {
    case .rnnTanh, .rnnReLU: ONNXGates.specification.rnn
    case .lstm: ONNXGates.specification.lstm
    case .gru: ONNXGates.specification.gru
    }
  }

  /// Whether the operator of this name computes it.
  func isComputed(by operation: String) -> Bool {
    switch self {
    case .rnnTanh, .rnnReLU: operation == "RNN"
    case .lstm: operation == "LSTM"
    case .gru: operation == "GRU"
    }
  }
}

extension ElementType {
  /// Whether this float type holds numbers that the other does not.
  fileprivate func isWider(than other: ElementType) -> Bool {
    switch (self, other) {
    case (let one, let two) where one == two: false
    case (.float64, _): true
    case (.float32, .float64): false
    case (.float32, _): true
    case (.float16, .bfloat16), (.bfloat16, .float16): true
    default: false
    }
  }
}
