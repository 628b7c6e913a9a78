internal import Glibc
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
        let kernel = parameters.recurrentWeight.doubles
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

/// max |λ| of a square matrix `[size, size]`, to a percent or so: by how much it stretches a vector a step, in the
/// geometric mean over many steps, which also settles where complex eigenvalues make single steps swing.
func spectralRadius(_ matrix: [Double], _ size: Int) -> Double {
  // Any start that is no combination of the other eigenvectors alone will do.
  var vector = (0..<size).map { 1 / (Double($0) + 0.7) }
  let (settling, steps) = (100, 300)
  var logarithm = 0.0
  for step in 0..<(settling + steps) {
    let next = (0..<size).map { row in
      (0..<size).reduce(0.0) { $0 + matrix[row * size + $1] * vector[$1] }
    }
    let norm = next.reduce(0.0) { $0 + $1 * $1 }.squareRoot()
    guard norm > 0, norm.isFinite else { return 0 }
    vector = next.map { $0 / norm }
    if step >= settling { logarithm += log(norm) }
  }
  return exp(logarithm / Double(steps))
}
