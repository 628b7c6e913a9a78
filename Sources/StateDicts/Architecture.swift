package import Tensors

/// The half of a model that a state dict leaves out: which modules run, in which order, in PyTorch's own terms.
///
/// Both roads from a state dict start from it, as both would from the Python class: the importer to the canonical model,
/// the evaluator to outputs. It holds names and choices only, no weights and no gate order.
public struct Architecture: Sendable, Equatable {
  package var steps: [Step]
  /// Sequences are `[B, T, F]` instead of `[T, B, F]`, at the input and at the output.
  package var batchFirst: Bool
  package var inputs: [Port]
  package var outputs: [Port]

  /// Something that flows in or out, under the name that the model gives it.
  package struct Port: Sendable, Equatable {
    package enum Role: String, Sendable, CaseIterable {
      /// The sequence that goes in, or token ids.
      case input
      /// Initial states `[L·D, B, H]` of the only recurrent module.
      case initialHidden = "h_0"
      case initialCell = "c_0"
      /// What the last step makes.
      case output
      /// Final states `[L·D, B, H]` of the last recurrent module.
      case finalHidden = "h_n"
      case finalCell = "c_n"
    }

    package var role: Role
    package var name: String
    /// The type of its numbers, where that is not the usual one (token ids: I64).
    package var elementType: ElementType?
    /// Of each axis the size, where the model that was written fixes it; empty where it fixes none.
    package var sizes: [Int?]

    package init(_ role: Role, _ name: String? = nil, elementType: ElementType? = nil, sizes: [Int?] = []) {
      self.role = role
      self.name = name ?? role.rawValue
      self.elementType = elementType
      self.sizes = sizes
    }
  }

  package enum Step: Sendable, Equatable {
    /// `nn.Embedding`: `<name>.weight`.
    case embedding(Parameters)
    case recurrent(Recurrent)
    /// `nn.Linear`.
    case linear(Parameters)
    /// `nn.LayerNorm` over the features.
    case layerNorm(Parameters, epsilon: Double)
    case convolution(Convolution)
    case pool(Pool)
    case batchNorm(BatchNorm)
    case activation(Activation)
    case select(Selection)
  }

  /// The state dict's names of a weight and a bias.
  package struct Parameters: Sendable, Equatable {
    package var name: String
    package var weight: String
    package var bias: String?

    package init(name: String, weight: String, bias: String? = nil) {
      self.name = name
      self.weight = weight
      self.bias = bias
    }
  }

  /// What may follow a Linear, by PyTorch's names.
  public enum Activation: String, Sendable, CaseIterable {
    /// `nn.ReLU`
    case relu
    /// `nn.Tanh`
    case tanh
    /// `nn.Sigmoid`
    case sigmoid
    /// `nn.GELU`, with the error function.
    case gelu
    /// `nn.SiLU`
    case silu
    /// `nn.Mish`
    case mish
    /// `nn.Softmax` over the features.
    case softmax
    /// `nn.LogSoftmax` over the features.
    case logSoftmax = "log_softmax"
  }

  /// How a sequence becomes a vector.
  public enum Selection: String, Sendable, CaseIterable {
    /// The output at the last time step.
    case last
    /// The final hidden state of the top layer, forward then backward.
    case hidden
    /// The mean over the time steps.
    case mean
    /// The maximum over the time steps.
    case max
  }

  /// `nn.RNN`, `nn.LSTM`, `nn.GRU`, or one of their cells run over a sequence.
  package struct Recurrent: Sendable, Equatable {
    package enum Mode: String, Sendable, CaseIterable {
      case rnnTanh = "RNN_TANH"
      case rnnReLU = "RNN_RELU"
      case lstm = "LSTM"
      case gru = "GRU"

      /// Blocks of rows in weight_ih and weight_hh.
      package var blocks: Int {
        switch self {
        case .rnnTanh, .rnnReLU: 1
        case .lstm: 4
        case .gru: 3
        }
      }
    }

    package var name: String
    package var mode: Mode
    package var inputSize: Int
    package var hiddenSize: Int
    /// LSTM's proj_size; nil without.
    package var projectionSize: Int?
    package var isBidirectional: Bool
    /// For each layer, for each direction, the names of its tensors.
    package var layers: [[Names]]

    /// O: what one direction gives at each step.
    package var outputSize: Int { projectionSize ?? hiddenSize }
    package var directions: Int { isBidirectional ? 2 : 1 }

    package init(
      name: String, mode: Mode, inputSize: Int, hiddenSize: Int, projectionSize: Int? = nil,
      isBidirectional: Bool = false, layers: [[Names]]
    ) {
      self.name = name
      self.mode = mode
      self.inputSize = inputSize
      self.hiddenSize = hiddenSize
      self.projectionSize = projectionSize
      self.isBidirectional = isBidirectional
      self.layers = layers
    }
  }

  /// The state dict's names of one layer in one direction.
  package struct Names: Sendable, Equatable {
    /// W_ih `[blocks·H, I]`
    package var inputWeight: String
    /// W_hh `[blocks·H, O]`
    package var hiddenWeight: String
    package var inputBias: String?
    package var hiddenBias: String?
    /// W_hr `[P, H]`
    package var projection: String?

    package init(
      inputWeight: String, hiddenWeight: String, inputBias: String? = nil, hiddenBias: String? = nil,
      projection: String? = nil
    ) {
      self.inputWeight = inputWeight
      self.hiddenWeight = hiddenWeight
      self.inputBias = inputBias
      self.hiddenBias = hiddenBias
      self.projection = projection
    }

    package var all: [String] {
      [inputWeight, hiddenWeight] + [inputBias, hiddenBias, projection].compactMap { $0 }
    }
  }

  package init(
    steps: [Step], batchFirst: Bool = false, inputs: [Port] = [Port(.input)],
    outputs: [Port] = [Port(.output)]
  ) {
    self.steps = steps
    self.batchFirst = batchFirst
    self.inputs = inputs
    self.outputs = outputs
  }

  /// Every tensor that the architecture uses.
  package var tensorNames: [String] {
    steps.flatMap { step -> [String] in
      switch step {
      case .embedding(let names), .linear(let names), .layerNorm(let names, _):
        [names.weight] + (names.bias.map { [$0] } ?? [])
      case .convolution(let convolution):
        [convolution.names.weight] + (convolution.names.bias.map { [$0] } ?? [])
      case .batchNorm(let norm): norm.tensorNames
      case .recurrent(let module): module.layers.joined().flatMap(\.all)
      case .pool, .activation, .select: []
      }
    }
  }
}
