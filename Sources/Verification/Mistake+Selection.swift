internal import Recurrent

/// How a model comes from the steps of its last recurrent layer to one vector.
enum StateSelection: String, CaseIterable, Sendable {
  case last, hidden, mean, max

  var words: String {
    switch self {
    case .last: "the last step"
    case .hidden: "the last hidden state"
    case .mean: "the mean of all steps"
    case .max: "the maximum of all steps"
    }
  }
}

extension Mistake {
  static let selections: [Mistake] = [
    Mistake("selection", "what follows takes something else of the recurrent layer") { model, _ in
      let readers = Readers(model)
      return model.recurrentLayers.flatMap { index, layer in
        StateSelection.allCases.flatMap { from in
          let replaced = readers.values(of: from, from: index)
          guard !replaced.isEmpty else { return [Candidate]() }
          return StateSelection.allCases.filter { to in
            // The last step of a layer that runs forwards is its last hidden state.
            to != from && !(layer.direction == .forward && Set([to, from]) == [.last, .hidden])
          }.map { to in
            Candidate(
              place: "layer '\(model.layers[index].name)': \(to.words) where \(from.words) is meant",
              suggestion: .select(left: from.rawValue, right: to.rawValue)
            ) { model.taking(to, of: index, insteadOf: replaced) }
          }
        }
      }
    }
  ]
}

/// Who reads which value of a model.
private struct Readers {
  let model: Model
  /// Numbers of layers.
  private var layers: [String: [Int]] = [:]
  private let outputs: Set<String>
  private let kinds: [String: ValueKind]?

  init(_ model: Model) {
    self.model = model
    for (index, layer) in model.layers.enumerated() {
      for value in Set(layer.inputs.compactMap(\.self)) { layers[value, default: []].append(index) }
    }
    outputs = Set(model.outputs.map(\.value))
    kinds = try? model.validated()
  }

  /// What is taken so from a recurrent layer: its last hidden state where somebody reads it, or what selects from its steps.
  func values(of selection: StateSelection, from index: Int) -> [String] {
    let made = model.layers[index].outputs
    if selection == .hidden {
      guard made.count > 1, let state = made[1], isRead(state) else { return [] }
      return [state]
    }
    guard let steps = made.first ?? nil else { return [] }
    return (layers[steps] ?? []).map { model.layers[$0] }.filter { reader in
      guard case .select(let found) = reader.operation, reader.inputs.first == steps else { return false }
      return switch (selection, found) {
      case (.last, .step(-1)), (.last, .lastValid), (.mean, .mean), (.max, .max): true
      default: false
      }
    }.compactMap { $0.outputs.first ?? nil }
  }

  /// Whether an output depends on a value. Of states that are joined, some are cut away again: those of lower layers.
  private func isRead(_ value: String) -> Bool {
    guard let kinds else { return false }
    return outputs.contains(value)
      || (layers[value] ?? []).contains { number in
        let reader = model.layers[number]
        guard case .concat = reader.operation, let joined = reader.outputs.first ?? nil,
          let position = reader.inputs.firstIndex(of: value)
        else { return true }
        let start = reader.inputs[..<position].reduce(0) { $0 + ($1.flatMap { kinds[$0]?.features } ?? 0) }
        let own = start..<start + (kinds[value]?.features ?? 0)
        return outputs.contains(joined)
          || (layers[joined] ?? []).contains { number in
            guard case .slice(let slice) = model.layers[number].operation else { return true }
            return own.overlaps(slice.start..<slice.start + slice.count)
          }
      }
  }
}

extension Model {
  /// The model with another selection from a recurrent layer in place of these values.
  fileprivate func taking(_ to: StateSelection, of index: Int, insteadOf replaced: [String]) -> Model? {
    var model = self
    let name = "\(layers[index].name)~\(to.rawValue)"
    var value = name
    if to == .hidden {
      let outputs = layers[index].outputs
      if outputs.count > 1, let known = outputs[1] {
        value = known
      } else {
        model.layers[index].outputs = [outputs.first ?? nil, value] + outputs.dropFirst(2)
      }
    }
    // Whoever reads what is replaced reads the other one.
    for layer in model.layers.indices {
      model.layers[layer].inputs = model.layers[layer].inputs.map { input in
        input.map { replaced.contains($0) ? value : $0 }
      }
    }
    for port in model.outputs.indices where replaced.contains(model.outputs[port].value) {
      model.outputs[port].value = value
    }
    guard to != .hidden else { return model }
    if model.layers[index].outputs[0] == nil { model.layers[index].outputs[0] = "\(name)~steps" }
    let steps = model.layers[index].outputs[0]
    let lengths = layers[index].inputs.dropFirst().first ?? nil
    let operation: Layer.Operation =
      switch to {
      case .last: .select(lengths == nil ? .step(-1) : .lastValid)
      case .mean: .select(.mean)
      default: .select(.max)
      }
    let inputs = to == .last && lengths != nil ? [steps, lengths] : [steps]
    model.layers.insert(Layer(name, operation, inputs: inputs, outputs: [value]), at: index + 1)
    return model
  }
}
