public import Recurrent
internal import Tensors

/// Builds a model in code, layer after layer, and names what flows between them.
///
/// ```swift
/// var builder = ModelBuilder("tagger")
/// let x = try builder.input(.sequence("x", features: 8))
/// let states = try builder.recurrent(lstm, x)
/// let scores = try builder.add(.dense(weight: w, bias: b), to: states.sequence)
/// try builder.output("scores", try builder.add(.softmax, to: scores))
/// let model = builder.model
/// ```
///
/// Each call checks its layer at once: `RNNConvError.model` names the layer that does not fit, and the builder stays as it was.
public struct ModelBuilder: Sendable {
  /// Something that flows between the layers of one builder.
  public struct Value: Sendable, Hashable {
    fileprivate let name: String
    /// A sequence, a vector, tokens or indices, with its features.
    public let kind: ValueKind
  }

  /// What a recurrent layer makes.
  public struct States: Sendable, Hashable {
    /// y, `[T, B, D·O]`
    public let sequence: Value
    /// The last h, `[B, D·O]`
    public let hidden: Value
    /// The last c, `[B, D·H]`; nil without a cell state.
    public let cell: Value?
  }

  /// What was built so far.
  public private(set) var model: Model
  private var kinds: [String: ValueKind] = [:]
  private var counts: [String: Int] = [:]

  /// Begins a model of this name.
  public init(_ name: String = "") { model = Model(name: name, inputs: [], outputs: [], layers: []) }

  /// Adds an input.
  ///
  /// - Throws: `RNNConvError.model` where another input has its name, or its axes do not hold what it says.
  public mutating func input(_ port: Model.Port) throws(RNNConvError) -> Value {
    do { try Model(inputs: [port], outputs: [], layers: []).validated() } catch { throw .model(error) }
    guard !model.inputs.contains(where: { $0.name == port.name }) else {
      throw .model(.duplicatePort(port.name))
    }
    guard kinds[port.value] == nil else { throw .model(.duplicateValue(layer: port.name, value: port.value)) }
    kinds[port.value] = port.kind
    model.inputs.append(port)
    return Value(name: port.value, kind: port.kind)
  }

  /// Adds a layer of one output.
  ///
  /// - Parameters:
  ///   - operation: what the layer computes.
  ///   - inputs: what it reads, in the order that the operation states.
  ///   - name: of the layer; nil for one made of its kind, such as `Dense 2`.
  public mutating func add(
    _ operation: Layer.Operation, to inputs: Value..., named name: String? = nil
  ) throws(RNNConvError) -> Value {
    try append(operation, inputs.map(\.name), named: name, outputs: 1)[0]
  }

  /// Adds a recurrent layer.
  ///
  /// - Parameters:
  ///   - layer: its weights.
  ///   - x: the sequence that it reads, `[T, B, I]`.
  ///   - lengths: how many steps of each row are valid, integers `[B]`.
  ///   - hidden: h before the first step, `[B, D·O]`; nil for zeros.
  ///   - cell: c before the first step, `[B, D·H]`; nil for zeros.
  ///   - name: of the layer; nil for one made of its kind, such as `LSTM 2`.
  public mutating func recurrent(
    _ layer: RecurrentLayer, _ x: Value, lengths: Value? = nil, hidden: Value? = nil, cell: Value? = nil,
    named name: String? = nil
  ) throws(RNNConvError) -> States {
    var inputs = [x.name, lengths?.name, hidden?.name, cell?.name]
    while inputs.count > 1, inputs.last == .some(nil) { inputs.removeLast() }
    let made = try append(
      .recurrent(layer), inputs, named: name, outputs: layer.cell.hasCellState ? 3 : 2)
    return States(sequence: made[0], hidden: made[1], cell: made.count > 2 ? made[2] : nil)
  }

  /// Adds a loop that feeds its output back in.
  ///
  /// - Parameters:
  ///   - loop: its body, and what it carries and collects.
  ///   - inputs: what each carried value starts as, in the order of `Generate.carried`.
  ///   - name: of the layer; nil for one made of its kind, such as `Generate 2`.
  /// - Returns: what it collects, in its order; behind that the rows' own numbers of steps where a token stops them.
  public mutating func generate(
    _ loop: Generate, _ inputs: [Value], named name: String? = nil
  ) throws(RNNConvError) -> [Value] {
    try append(
      .generate(loop), inputs.map(\.name), named: name,
      outputs: loop.collected.count + (loop.stop == nil ? 0 : 1))
  }

  /// Makes a value an output: float32 or int64, its axes `[T, B, F]` or what is left of them.
  ///
  /// - Parameters:
  ///   - name: of the output; no other may have it.
  ///   - value: what becomes it.
  ///   - batchFirst: `[B, T, F]` for a sequence.
  public mutating func output(
    _ name: String, _ value: Value, batchFirst: Bool = false
  ) throws(RNNConvError) {
    guard kinds[value.name] == value.kind else { throw .model(.unknownValue(layer: name, value: value.name)) }
    guard !model.outputs.contains(where: { $0.name == name }) else { throw .model(.duplicatePort(name)) }
    model.outputs.append(Model.Port(name, value.kind, batchFirst: batchFirst, value: value.name))
  }

  private mutating func append(
    _ operation: Layer.Operation, _ inputs: [String?], named name: String?, outputs count: Int
  ) throws(RNNConvError) -> [Value] {
    let base = name ?? operation.name
    let number = counts[base, default: 0] + 1
    let layerName = number == 1 ? base : "\(base) \(number)"
    // A value may be named so already, by a port.
    func free(_ wanted: String) -> String {
      var (candidate, n) = (wanted, 1)
      while kinds[candidate] != nil {
        n += 1
        candidate = "\(wanted)#\(n)"
      }
      return candidate
    }
    let outputs = (0..<count).map { free($0 == 0 ? layerName : "\(layerName).\($0)") }
    let layer = Layer(layerName, operation, inputs: inputs, outputs: outputs)
    do { try layer.wire(&kinds) } catch { throw .model(error) }
    counts[base] = number
    model.layers.append(layer)
    return outputs.map { Value(name: $0, kind: kinds[$0]!) }
  }
}
