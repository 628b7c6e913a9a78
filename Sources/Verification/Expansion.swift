internal import Forward
internal import Recurrent
internal import Tensors

extension Model {
  /// In words, how much the recurrence may expand: the recurrent kernel of the greatest spectral radius.
  var expansion: String? {
    var greatest: (radius: Double, name: String)?
    for layer in layers {
      guard case .recurrent(let recurrent) = layer.operation else { continue }
      let (rows, columns) = (recurrent.hiddenSize, recurrent.outputSize)
      guard rows == columns else { continue }
      for parameters in recurrent.directions {
        guard let kernel = parameters.recurrentWeight?.doubles else { continue }
        for (index, gate) in recurrent.cell.gateOrder.gates.enumerated() {
          let radius = spectralRadius(
            Array(kernel[(index * rows * rows)..<((index + 1) * rows * rows)]), rows)
          if radius > greatest?.radius ?? 0 {
            greatest = (radius, "gate \(gate.rawValue) of '\(layer.name)'")
          }
        }
      }
    }
    return greatest.map {
      "the recurrent kernel of \($0.name) has the spectral radius \($0.radius.brief)"
    }
  }
}
