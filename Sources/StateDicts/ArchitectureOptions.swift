package import ByteIO
public import Tensors

/// What the user says where a file says nothing: a state dict of its modules, a graph of its inputs' axes.
public struct ArchitectureOptions: Sendable, Equatable {
  /// `nn.RNN`'s nonlinearity: `relu` or `tanh`; nil for what the file says, else `tanh`.
  public var nonlinearity: String?
  /// Whether sequences are `[B, T, F]`; nil for what the file says, else `[T, B, F]`.
  public var batchFirst: Bool?
  /// What follows each Linear of the head, in order; nil for nothing.
  public var head: [Architecture.Activation?]?
  /// How the sequence becomes a vector before the head; nil for a head on every step.
  public var select: Architecture.Selection?
  /// The modules that run one after another, by name; `embedding:x` and `linear:x` where a matrix could be both.
  public var modules: [String]?
  /// Which modules run and how, in words of its own (docs/pytorch.md): JSON as rnnconv writes it into state dicts.
  public var architecture: String?
  /// Where in a nested checkpoint the state dict is.
  public var key: String?
  /// What the axes of a graph's inputs are, by the input's name, where their use does not tell.
  public var axes: [String: [InputAxis]] = [:]

  /// Nothing is said: the file and the usual decide.
  public init() {}
}

extension ArchitectureOptions {
  /// Whether something is said that only a file of weights alone leaves open.
  public var concernsWeightsAlone: Bool {
    var others = self
    others.axes = [:]
    return others != ArchitectureOptions()
  }

  /// Whether nothing is said that an architecture says, too.
  var isArchitectureAlone: Bool {
    var rest = self
    (rest.architecture, rest.key, rest.axes) = (nil, nil, [:])
    return rest == ArchitectureOptions()
  }

  /// What was said, under the names of the command line's options.
  package var json: JSONValue {
    var members: [JSONMember] = []
    func add(_ key: String, _ value: JSONValue?) {
      if let value { members.append(JSONMember(key, value)) }
    }
    func list(_ texts: [String]?) -> JSONValue? { texts.map { .array($0.map(JSONValue.string)) } }
    add("key", key.map(JSONValue.string))
    add("architecture", architecture.map(JSONValue.string))
    add("modules", list(modules))
    add("nonlinearity", nonlinearity.map(JSONValue.string))
    add("batch_first", batchFirst.map(JSONValue.bool))
    add("select", select.map { .string($0.rawValue) })
    add("head", list(head?.map { $0?.rawValue ?? "none" }))
    let inputs = axes.sorted { $0.key < $1.key }.map { JSONMember($0.key, list($0.value.map(\.rawValue))!) }
    add("axes", inputs.isEmpty ? nil : .object(inputs))
    return .object(members)
  }

  /// What `json` gave; nil where it holds something else.
  package init?(_ json: JSONValue) {
    self.init()
    guard case .object(let members) = json else { return nil }
    for member in members {
      switch (member.key, member.value) {
      case ("key", .string(let text)): key = text
      case ("architecture", .string(let text)): architecture = text
      case ("modules", .array(let values)):
        modules = values.compactMap(\.word)
        guard modules!.count == values.count else { return nil }
      case ("nonlinearity", .string(let text)) where ["relu", "tanh"].contains(text): nonlinearity = text
      case ("batch_first", .bool(let flag)): batchFirst = flag
      case ("select", .string(let text)):
        guard let selection = Architecture.Selection(rawValue: text) else { return nil }
        select = selection
      case ("head", .array(let values)):
        var activations: [Architecture.Activation?] = []
        for value in values {
          let activation = value.word.flatMap(Architecture.Activation.init(rawValue:))
          guard activation != nil || value.word == "none" else { return nil }
          activations.append(activation)
        }
        head = activations
      case ("axes", .object(let inputs)):
        for input in inputs {
          guard case .array(let values) = input.value else { return nil }
          let roles = values.compactMap { $0.word.flatMap(InputAxis.init(rawValue:)) }
          guard roles.count == values.count else { return nil }
          axes[input.key] = roles
        }
      default: return nil
      }
    }
  }
}

extension JSONValue {
  fileprivate var word: String? { if case .string(let text) = self { text } else { nil } }
}
