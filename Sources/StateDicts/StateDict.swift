package import Tensors

/// Named tensors, as PyTorch's `state_dict()` gives them, from whatever file: the weights of a model without its
/// architecture.
package struct StateDict: Sendable, Equatable {
  package struct Entry: Sendable, Equatable {
    package let name: String
    package let tensor: Tensor

    package init(_ name: String, _ tensor: Tensor) {
      self.name = name
      self.tensor = tensor
    }
  }

  /// Something to be said of a tensor or module.
  package struct Remark: Sendable, Equatable {
    package let name: String
    package let reason: String

    package init(_ name: String, _ reason: String) {
      self.name = name
      self.reason = reason
    }
  }

  package var entries: [Entry]
  /// What the file holds and nothing here can use, with the reason.
  package var unread: [Remark]
  /// Tensors and modules that are not in the file as they are here, with what was computed: once rounded.
  package var derived: [Remark] = []
  /// Those that were computed exactly.
  package var restored: [Remark] = []
  /// Whether the entries stand in the order in which the modules were registered; safetensors sorts them.
  package var isOrdered: Bool
  /// Where in the file it was found, such as `model_state`; empty for the top.
  package var key: String
  package var metadata: [String: String]
  /// Hyper-parameters of pickled modules, by module name.
  package var modules: [String: Hyperparameters]

  package init(
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

  package subscript(name: String) -> Tensor? { entries.first { $0.name == name }?.tensor }
}

/// What a pickled module says of itself beyond its tensors.
package struct Hyperparameters: Sendable, Equatable {
  /// Such as `torch.nn.modules.rnn.LSTM`.
  package var className: String
  package var batchFirst: Bool?
  /// `relu` or `tanh`.
  package var nonlinearity: String?
  package var isBidirectional: Bool?
  /// `eps` of a normalisation.
  package var epsilon: Double?

  package init(
    className: String, batchFirst: Bool? = nil, nonlinearity: String? = nil, isBidirectional: Bool? = nil
  ) {
    self.className = className
    self.batchFirst = batchFirst
    self.nonlinearity = nonlinearity
    self.isBidirectional = isBidirectional
  }
}
