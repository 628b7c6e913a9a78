internal import StateDicts
internal import Tensors

extension TorchRun {
  /// w = g · v ÷ ‖v‖ of a module under `torch.nn.utils.weight_norm`, in w's own element type; nil where there is no pair.
  ///
  /// ‖v‖ is taken over each slice that has a magnitude of its own: rows for g `[R, 1]`, columns for g `[1, C]`.
  func normalised(_ name: String) throws(TorchEvaluatorError) -> Tensor? {
    for names in TorchNames.weightNorm(of: name) {
      guard let g = evaluator.tensors[names.magnitude], let v = evaluator.tensors[names.direction] else {
        continue
      }
      guard v.shape.count == 2, g.shape.count == 2 || g.count == 1 else {
        throw .wrongShape(names.magnitude, expected: "a column, a row or one number", found: g.shape)
      }
      let (R, C) = (v.shape[0], v.shape[1])
      let (rows, columns) = g.count == 1 ? (1, 1) : (g.shape[0], g.shape[1])
      guard [1, R].contains(rows), [1, C].contains(columns), rows == 1 || columns == 1 else {
        throw .wrongShape(names.magnitude, expected: "[\(R), 1] or [1, \(C)]", found: g.shape)
      }
      let (magnitude, direction) = (g.doubles, v.doubles)
      var w = [Double](repeating: 0, count: R * C)
      for slice in 0..<(rows * columns) {
        let places = (0..<(R * C)).filter {
          rows > 1 ? $0 / C == slice : columns > 1 ? $0 % C == slice : true
        }
        let norm = places.reduce(0) { $0 + direction[$1] * direction[$1] }.squareRoot()
        for place in places { w[place] = magnitude[slice] * (direction[place] / norm) }
      }
      do { return try Tensor(w, shape: v.shape).converted(to: v.elementType).tensor } catch {
        throw .wrongElements(names.direction, reason: error.description)
      }
    }
    return nil
  }
}
