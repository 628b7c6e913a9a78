internal import Recurrent
internal import Tensors

/// A recurrence over whole sequences, found step by step.
struct FoundRecurrence {
  /// The sequences that it reads, one beside another.
  var inputs: [String]
  var layer: RecurrentLayer
  /// Whether a number of its activations was rounded to Float32.
  var isRounded = false
}

extension FoundRecurrence {
  /// What a note on it adds.
  var roundingNote: String {
    isRounded ? "; its hard sigmoid, which has a number for 1/6, ends at 1 and not next to it" : ""
  }
}

extension StepAlgebra {
  /// The recurrent layer of a cell whose gates read whole sequences.
  ///
  /// - Parameters:
  ///   - direction: forward or reverse.
  ///   - width: how many features a value has.
  ///   - maker: the layer that makes a value, where its products may as well be the recurrent layer's own.
  mutating func recurrence(
    _ cell: StepCell, _ direction: Direction, width: (String) -> Int?, maker: (String) -> Layer?
  ) -> FoundRecurrence? {
    guard cell.isWhole else { return nil }
    let names = cell.cell.gateOrder.gates
    let hidden = cell.hiddenSize
    var gates: [StepCell.Gate] = []
    for name in names {
      guard var gate = cell.gates[name], let recurrent = gate.recurrent, recurrent.count == hidden,
        tensors[recurrent.tensor].shape.count == 2, tensors[recurrent.tensor].shape[1] == hidden
      else { return nil }
      var inputs: [StepCell.Input] = []
      for input in gate.inputs {
        inputs += absorbed(input, hidden, maker, &gate.biases)
      }
      gate.inputs = inputs
      // One bias beside W, and one beside R.
      let own =
        inputs.compactMap(\.bias) + gate.biases.sorted { ($0.tensor, $0.start) < ($1.tensor, $1.start) }
      guard Set(own).count == own.count, own.count <= 2 else { return nil }
      if own.count == 2 {
        guard gate.recurrentBias == nil, !cell.cell.kind.gatesWithTwoBiases.contains(name) else { return nil }
        gate.recurrentBias = own[1]
      }
      gate.biases = Set(own.prefix(1))
      gates.append(gate)
    }
    let sequences = gates.reduce(into: [String]()) { all, gate in
      for input in gate.inputs where !all.contains(input.value) { all.append(input.value) }
    }
    let type = tensors[gates[0].recurrent!.tensor].elementType
    guard !sequences.isEmpty, type.isFloat else { return nil }
    var columns: [Tensor] = []
    var total = 0
    for sequence in sequences {
      guard let count = width(sequence), count > 0 else { return nil }
      total += count
      var blocks: [Tensor] = []
      for gate in gates {
        let own = gate.inputs.filter { $0.value == sequence }
        guard own.count <= 1, let block = block(own.first, hidden, count, type) else { return nil }
        blocks.append(block)
      }
      columns.append(Tensor.concatenated(blocks).transposed([1, 0]))
    }
    let recurrent = gates.map { tensor($0.recurrent!) }
    guard recurrent.allSatisfy({ $0.elementType == type }) else { return nil }
    var biases: [Tensor?] = []
    for rows in [gates.map(\.biases.first), gates.map(\.recurrentBias)] {
      let all = rows.contains { $0 != nil } ? stacked(rows, hidden, type) : nil
      guard all != nil || rows.allSatisfy({ $0 == nil }) else { return nil }
      biases.append(all)
    }
    let parameters = DirectionParameters(
      inputWeight: sequences.count == 1
        ? columns[0].transposed([1, 0]) : Tensor.concatenated(columns).transposed([1, 0]),
      recurrentWeight: Tensor.concatenated(recurrent), inputBias: biases[0], recurrentBias: biases[1],
      gateActivation: cell.gateActivation,
      candidateActivation: cell.candidateActivation, outputActivation: cell.outputActivation)
    return FoundRecurrence(
      inputs: sequences,
      layer: RecurrentLayer(
        cell: cell.cell, direction: direction, inputSize: total, hiddenSize: hidden, directions: [parameters]),
      isRounded: isRounded && cell.usesHardSigmoid)
  }

  /// A part of what a gate reads through the layers that only multiply and add what is constant.
  private mutating func absorbed(
    _ input: StepCell.Input, _ width: Int, _ maker: (String) -> Layer?, _ biases: inout Set<Rows>
  ) -> [StepCell.Input] {
    var input = input
    // As many as stand between a product and where its steps are taken.
    for _ in 0..<8 {
      guard let start = input.start, let layer = maker(input.value), let source = layer.inputs.first ?? nil
      else {
        break
      }
      switch layer.operation {
      case .dense(let dense):
        return [
          StepCell.Input(
            value: source, matrix: rows(dense.weight).cut(start, width),
            bias: dense.bias.map { rows($0).cut(start, width) })
        ]
      case .slice(let slice): input = StepCell.Input(value: source, start: start + slice.start)
      case .dropout: input.value = source
      case .arithmetic(let arithmetic) where arithmetic.operator == .add && arithmetic.inner == 1:
        guard let constant = arithmetic.constant else { return [input] }
        guard constant.count > 1, biases.insert(rows(constant).cut(start, width)).inserted else {
          return [input]
        }
        input.value = source
      default: return [input]
      }
    }
    return [input]
  }

  /// One gate's columns of W for one sequence.
  private func block(_ input: StepCell.Input?, _ rows: Int, _ columns: Int, _ type: ElementType) -> Tensor? {
    if let matrix = input?.matrix {
      let tensor = tensor(matrix)
      return tensor.shape == [rows, columns] && tensor.elementType == type ? tensor : nil
    }
    guard rows <= 1 << 14, columns <= 1 << 14 else { return nil }
    var numbers = [Float](repeating: 0, count: rows * columns)
    if let start = input?.start {
      guard start + rows <= columns else { return nil }
      for row in 0..<rows { numbers[row * columns + start + row] = 1 }
    }
    return try? Tensor(numbers, shape: [rows, columns]).converted(to: type).tensor
  }

  /// The gates' biases one after another, zeros for one that has none.
  private func stacked(_ biases: [Rows?], _ width: Int, _ type: ElementType) -> Tensor? {
    guard
      let zeros = try? Tensor([Float](repeating: 0, count: width), shape: [width]).converted(to: type).tensor
    else { return nil }
    let parts = biases.map { $0.map { tensor($0) } ?? zeros }
    guard parts.allSatisfy({ $0.shape == [width] && $0.elementType == type }) else { return nil }
    return Tensor.concatenated(parts)
  }
}
