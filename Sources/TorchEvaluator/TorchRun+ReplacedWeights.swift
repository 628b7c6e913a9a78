internal import Tensors

extension TorchRun {
  /// A weight that the file keeps as something else: `name_raw` under weight drop, on its wrapper or where it would be;
  /// `name_orig` times `name_mask` under pruning; nil where there is neither.
  func replaced(_ name: String) throws(TorchEvaluatorError) -> Tensor? {
    let parts = name.split(separator: ".", omittingEmptySubsequences: false)
    if parts.count >= 2, parts[parts.count - 2] == "module" {
      let outside = (parts.dropLast(2) + parts.suffix(1)).joined(separator: ".") + "_raw"
      if let raw = evaluator.tensors[outside] { return raw }
    }
    if let raw = evaluator.tensors[name + "_raw"] { return raw }
    guard evaluator.tensors[name] == nil, let original = evaluator.tensors[name + "_orig"],
      let mask = evaluator.tensors[name + "_mask"]
    else { return nil }
    guard mask.shape == original.shape else {
      throw .wrongShape(name + "_mask", expected: "\(original.shape)", found: mask.shape)
    }
    let (w, m) = (original.doubles, mask.doubles)
    do {
      return try Tensor(w.indices.map { w[$0] * m[$0] }, shape: original.shape)
        .converted(to: original.elementType).tensor
    } catch { throw .wrongElements(name + "_orig", reason: error.description) }
  }
}
