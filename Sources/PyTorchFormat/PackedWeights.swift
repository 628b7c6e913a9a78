internal import StateDicts
internal import Tensors

// What `torch.ao.quantization.quantize_dynamic` makes of modules: matrices packed with their biases into objects of C++,
// whose pickled state is data.

/// A matrix with its bias.
struct PackedMatrix {
  let weight: PickleValue
  /// None where there is no bias.
  let bias: PickleValue
}

extension PickleHeap {
  private static let matrixClass = "__torch__.torch.classes.quantized.LinearPackedParamsBase"
  private static let cellClass = "__torch__.torch.classes.rnn.CellParamsBase"

  /// The matrices of a packed object: one of a Linear, W_ih and W_hh of a layer; nil for anything else.
  func packed(_ value: PickleValue) -> [PackedMatrix]? {
    if let matrix = packedMatrix(value) { return [matrix] }
    // ("quantized_dynamic" or "quantized_fp16", biases, [], [reduce_range], [W_ih, W_hh])
    guard let state = scripted(value, Self.cellClass), let fields = elements(state), fields.count == 5,
      let parts = elements(fields[4]), parts.count == 2
    else { return nil }
    let matrices = parts.compactMap { packedMatrix($0) }
    return matrices.count == 2 ? matrices : nil
  }

  /// `(weight, bias)`, as a state dict has it, or inside the object that a module holds.
  private func packedMatrix(_ value: PickleValue) -> PackedMatrix? {
    let inner = scripted(value, Self.matrixClass) ?? value
    guard case .tuple = inner, let pair = elements(inner), pair.count == 2, case .tensor = pair[0] else {
      return nil
    }
    switch pair[1] {
    case .tensor, .none: return PackedMatrix(weight: pair[0], bias: pair[1])
    default: return nil
    }
  }

  /// The state of an object of TorchScript's class `name`: of that class in TorchScript's own files, inside another in a module's.
  private func scripted(_ value: PickleValue, _ name: String) -> PickleValue? {
    guard case .record(let index) = value else { return nil }
    let record = records[index]
    if record.className == name { return record.state }
    guard record.className == "torch.ScriptObject", let state = elements(record.state), state.count == 2,
      state[1].text == name
    else { return nil }
    return state[0]
  }
}

/// Packed weights under the names that their modules had before they were quantised.
struct PackedWeights {
  private let heap: PickleHeap
  private(set) var tensors: [(name: String, value: PickleValue)] = []
  /// Modules whose weights were packed, and whether as 8-bit integers, else as halves.
  private(set) var modules: [String: Bool] = [:]

  /// Takes what a place in a checkpoint holds, packed or not, in its order.
  init(
    _ found: [(name: String, value: PickleValue)], _ hyperparameters: [String: Hyperparameters],
    _ heap: PickleHeap
  ) throws(PyTorchError) {
    self.heap = heap
    var layers: [String: [Int: [PackedMatrix]]] = [:]
    for (name, value) in found {
      if let matrices = heap.packed(value), let place = Self.layer(name) {
        layers[place.module, default: [:]][place.index] = matrices
      }
    }
    for (name, value) in found {
      guard let matrices = heap.packed(value) else {
        tensors.append((name, value))
        continue
      }
      if let place = Self.layer(name) {
        // All layers of a module stand at the place of the first one that is met.
        guard let all = layers.removeValue(forKey: place.module) else { continue }
        try append(all, place.module, hyperparameters[place.module]?.isBidirectional)
      } else if let names = Self.single.first(where: { name.hasSuffix($0.ending) }), matrices.count == 1 {
        append(String(name.dropLast(names.ending.count)), matrices[0], names.weight, names.bias)
      } else {
        throw .tensor(name, reason: "packed weights under a name that no quantised module of PyTorch's gives")
      }
    }
  }

  /// Where Linear and the cells keep a packed matrix.
  private static let single: [(ending: String, weight: String, bias: String)] = [
    ("_packed_params._packed_params", "weight", "bias"), ("_packed_weight_ih", "weight_ih", "bias_ih"),
    ("_packed_weight_hh", "weight_hh", "bias_hh"),
  ]

  /// `rnn._all_weight_values.3.param` is the fourth packed layer of `rnn`, directions counted.
  private static func layer(_ name: String) -> (module: String, index: Int)? {
    let parts = name.split(separator: ".", omittingEmptySubsequences: false)
    guard parts.count >= 3, parts.last == "param", parts[parts.count - 3] == "_all_weight_values",
      let index = Int(parts[parts.count - 2])
    else { return nil }
    return (parts.dropLast(3).joined(separator: "."), index)
  }

  private mutating func append(
    _ prefix: String, _ matrix: PackedMatrix, _ weight: String, _ bias: String
  ) {
    if case .tensor(let index) = matrix.weight {
      modules[prefix.hasSuffix(".") ? String(prefix.dropLast()) : prefix] = heap.tensors[index].scale != nil
    }
    tensors.append((prefix + weight, matrix.weight))
    if matrix.bias != .none { tensors.append((prefix + bias, matrix.bias)) }
  }

  private mutating func append(
    _ all: [Int: [PackedMatrix]], _ module: String, _ isBidirectional: Bool?
  ) throws(PyTorchError) {
    let layers = (0..<all.count).compactMap { all[$0] }
    guard layers.count == all.count, layers.allSatisfy({ $0.count == 2 }) else {
      throw .tensor(module, reason: "its packed layers are not all there")
    }
    let directions: Int
    if let isBidirectional {
      directions = isBidirectional ? 2 : 1
    } else {
      directions = try self.directions(layers, module)
    }
    for (index, matrices) in layers.enumerated() {
      let place = "l\(index / directions)" + (index % directions == 1 ? "_reverse" : "")
      for (side, matrix) in zip(["ih", "hh"], matrices) {
        append(module.isEmpty ? "" : module + ".", matrix, "weight_\(side)_\(place)", "bias_\(side)_\(place)")
      }
    }
  }

  /// 2 where the packed layers are those of a bidirectional module: layers above the first take both directions' outputs.
  private func directions(_ layers: [[PackedMatrix]], _ module: String) throws(PyTorchError) -> Int {
    let widths = layers.map { columns($0[0].weight) }
    let size = columns(layers[0][1].weight)
    let isForward = widths.dropFirst().allSatisfy { $0 == size }
    let isBoth =
      widths.count % 2 == 0 && widths.prefix(2).allSatisfy { $0 == widths[0] }
      && widths.dropFirst(2).allSatisfy { $0 == 2 * size }
    guard !isForward || !isBoth else {
      throw .tensor(
        module,
        reason:
          "its two packed layers may be one in both directions or two forward: the state dict does not say; "
          + "the whole module, saved by torch.save(model, path), does")
    }
    return isBoth ? 2 : 1
  }

  private func columns(_ value: PickleValue) -> Int {
    guard case .tensor(let index) = value, heap.tensors[index].shape.count == 2 else { return -1 }
    return heap.tensors[index].shape[1]
  }
}
