public import Tensors

/// Named tensors, as PyTorch's `state_dict()` gives them, from whatever file: the weights of a model without its
/// architecture.
public struct StateDict: Sendable, Equatable {
  public struct Entry: Sendable, Equatable {
    public let name: String
    public let tensor: Tensor

    public init(_ name: String, _ tensor: Tensor) {
      self.name = name
      self.tensor = tensor
    }
  }

  /// Something to be said of a tensor or module.
  public struct Remark: Sendable, Equatable {
    public let name: String
    public let reason: String

    public init(_ name: String, _ reason: String) {
      self.name = name
      self.reason = reason
    }
  }

  public var entries: [Entry]
  /// What the file holds and nothing here can use, with the reason.
  public var unread: [Remark]
  /// Tensors and modules that are not in the file as they are here, with what was computed: once rounded.
  public var derived: [Remark] = []
  /// Those that were computed exactly.
  public var restored: [Remark] = []
  /// Whether the entries stand in the order in which the modules were registered; safetensors sorts them.
  public var isOrdered: Bool
  /// Where in the file it was found, such as `model_state`; empty for the top.
  public var key: String
  public var metadata: [String: String]
  /// Hyper-parameters of pickled modules, by module name.
  public var modules: [String: Hyperparameters]

  public init(
    entries: [Entry], unread: [Remark] = [], isOrdered: Bool = true, key: String = "",
    metadata: [String: String] = [:], modules: [String: Hyperparameters] = [:]
  ) {
    self.entries = entries
    self.unread = unread
    self.isOrdered = isOrdered
    self.key = key
    self.metadata = metadata
    self.modules = modules
  }

  public subscript(name: String) -> Tensor? { entries.first { $0.name == name }?.tensor }
}

/// What a pickled module says of itself beyond its tensors.
public struct Hyperparameters: Sendable, Equatable {
  /// Such as `torch.nn.modules.rnn.LSTM`.
  public var className: String
  public var batchFirst: Bool?
  /// `relu` or `tanh`.
  public var nonlinearity: String?
  public var isBidirectional: Bool?

  public init(
    className: String, batchFirst: Bool? = nil, nonlinearity: String? = nil, isBidirectional: Bool? = nil
  ) {
    self.className = className
    self.batchFirst = batchFirst
    self.nonlinearity = nonlinearity
    self.isBidirectional = isBidirectional
  }
}
