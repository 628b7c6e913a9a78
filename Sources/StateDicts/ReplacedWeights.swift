internal import ByteIO
internal import Tensors

// Ways in which training keeps a weight as something else, from which PyTorch makes it again before each pass, exactly:
// `nn.utils.prune` as `weight_orig` and `weight_mask` (w = orig ⊙ mask), weight drop (Merity, Keskar and Socher 2018; fastai) as
// `weight_raw`, which is the weight when nothing is dropped.
// <https://docs.pytorch.org/docs/stable/generated/torch.nn.utils.prune.BasePruningMethod.html>

extension TorchNames {
  /// The name of the weight that a name of pruning or weight drop stands for: `rnn.weight_hh_l0` of `rnn.weight_hh_l0_raw`.
  static func replaced(by name: String, ending: String) -> String? {
    guard name.hasSuffix(ending) else { return nil }
    let weight = String(name.dropLast(ending.count))
    let leaf = weight.split(separator: ".").last ?? ""
    return leaf.hasPrefix("weight") || leaf.hasPrefix("bias") || parse(weight) != nil ? weight : nil
  }

  /// Where weight drop puts the weight that it makes of `name_raw`: there, or in the module that it wraps.
  static func dropped(_ weight: String) -> [String] {
    let dot = weight.lastIndex(of: ".").map { weight.index(after: $0) } ?? weight.startIndex
    return ["\(weight[..<dot])module.\(weight[dot...])", weight]
  }
}

extension StateDict {
  /// The same with the weights that pruning and weight drop keep as something else; `restored` names them.
  func withReplacedWeightsRestored() -> StateDict {
    let endings = ["_orig", "_raw"]
    guard entries.contains(where: { entry in endings.contains { entry.name.hasSuffix($0) } }) else {
      return self
    }
    let tensors = Dictionary(entries.map { (ExactString($0.name), $0.tensor) }) { first, _ in first }
    let modules = Set(entries.compactMap { TorchNames.parse($0.name)?.module })
    var (made, gone): ([ExactString: Tensor], Set<ExactString>) = ([:], [])
    var result = self
    result.entries = entries.map { entry in
      if let weight = TorchNames.replaced(by: entry.name, ending: "_orig"),
        let mask = tensors[ExactString(weight + "_mask")], tensors[ExactString(weight)] == nil,
        let pruned = entry.tensor.masked(by: mask)
      {
        gone.insert(ExactString(weight + "_mask"))
        result.restored.append(
          Remark(weight, "pruned: '\(weight)_orig' ⊙ '\(weight)_mask'"))
        return Entry(weight, pruned)
      }
      guard let weight = TorchNames.replaced(by: entry.name, ending: "_raw") else { return entry }
      let places = TorchNames.dropped(weight)
      let place =
        places.first { tensors[ExactString($0)] != nil }
        ?? places.first { place in TorchNames.parse(place).map { modules.contains($0.module) } ?? false }
        ?? weight
      result.restored.append(Remark(place, "weight drop: '\(entry.name)', of which nothing is dropped"))
      if tensors[ExactString(place)] == nil { return Entry(place, entry.tensor) }
      // What the last step of training left of it does not count.
      made[ExactString(place)] = entry.tensor
      gone.insert(ExactString(entry.name))
      return entry
    }
    result.entries = result.entries.compactMap { entry in
      gone.contains(ExactString(entry.name))
        ? nil : made[ExactString(entry.name)].map { Entry(entry.name, $0) } ?? entry
    }
    return result
  }
}

extension Tensor {
  /// The product with a mask of the same shape, in the own element type; nil for other shapes.
  fileprivate func masked(by mask: Tensor) -> Tensor? {
    guard mask.shape == shape, elementType.isFloat else { return nil }
    return try? Tensor(zip(doubles, mask.doubles).map { $0 * $1 }, shape: shape).converted(to: elementType)
      .tensor
  }
}
