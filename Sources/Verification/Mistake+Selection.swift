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
      model.recurrentLayers.flatMap { index, layer in
        StateSelection.allCases.filter { model.takes($0, of: index) }.flatMap { from in
          StateSelection.allCases.filter { to in
            // The last step of a layer that runs forwards is its last hidden state.
            to != from && !(layer.direction == .forward && Set([to, from]) == [.last, .hidden])
          }.map { to in
            Candidate(
              place: "layer '\(model.layers[index].name)': \(to.words) where \(from.words) is meant",
              suggestion: .select(left: from.rawValue, right: to.rawValue)
            ) { model.taking(to, insteadOf: from, of: index) }
          }
        }
      }
    }
  ]
}

extension Model {
  /// The layers that select so from the steps of a recurrent layer.
  private func selecting(_ selection: StateSelection, of index: Int) -> [Int] {
    guard let steps = layers[index].outputs.first ?? nil else { return [] }
    return layers.indices.filter { reader in
      guard case .select(let found) = layers[reader].operation, layers[reader].inputs.first == steps else {
        return false
      }
      return switch (selection, found) {
      case (.last, .step(-1)), (.last, .lastValid), (.mean, .mean), (.max, .max): true
      default: false
      }
    }
  }

  /// The last hidden state of a recurrent layer, where somebody reads it.
  private func readState(of index: Int) -> String? {
    guard layers[index].outputs.count > 1, let state = layers[index].outputs[1] else { return nil }
    guard let kinds = try? validated() else { return nil }
    return isRead(state, kinds) ? state : nil
  }

  /// Whether an output depends on a value. Of states that are joined, some are cut away again: those of lower layers.
  private func isRead(_ value: String, _ kinds: [String: ValueKind]) -> Bool {
    outputs.contains { $0.value == value }
      || layers.contains { reader in
        guard let position = reader.inputs.firstIndex(of: value) else { return false }
        guard case .concat = reader.operation, let joined = reader.outputs.first ?? nil else { return true }
        let start = reader.inputs[..<position].reduce(0) { $0 + ($1.flatMap { kinds[$0]?.features } ?? 0) }
        let own = start..<start + (kinds[value]?.features ?? 0)
        return outputs.contains { $0.value == joined }
          || layers.contains { layer in
            guard layer.inputs.contains(joined) else { return false }
            guard case .slice(let first, let count) = layer.operation else { return true }
            return own.overlaps(first..<first + count)
          }
      }
  }

  fileprivate func takes(_ selection: StateSelection, of index: Int) -> Bool {
    selection == .hidden ? readState(of: index) != nil : !selecting(selection, of: index).isEmpty
  }

  /// The model with one selection from a recurrent layer in place of another.
  fileprivate func taking(
    _ to: StateSelection, insteadOf from: StateSelection, of index: Int
  ) -> Model? {
    var model = self
    let replaced: [String]
    if from == .hidden {
      replaced = readState(of: index).map { [$0] } ?? []
    } else {
      replaced = selecting(from, of: index).compactMap { layers[$0].outputs.first ?? nil }
    }
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
    let operation: Operation =
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
