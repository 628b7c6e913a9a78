internal import ByteIO

/// The greatest `count` Lyapunov exponents of a product of Jacobians `[S, S]`, in natural logarithms a step, descending.
///
/// The QR method (Benettin et al., Meccanica 15, 1980; Eckmann and Ruelle, Rev. Mod. Phys. 57, 1985, §V.C): a frame of
/// orthonormal vectors is carried along, J_t Q_{t−1} = Q_t R_t, and λ_i is the mean of ln |R_ii|. The first `settling`
/// steps turn the frame and do not count.
func lyapunovExponents(size: Int, steps: Int, settling: Int, count: Int, jacobian: (Int) -> Matrix)
  -> [Double]
{
  // Vectors lie in rows. A frame of axes could be one of eigenvectors, in any order: start from another.
  var generator = UniformNumbers()
  var frame = Matrix(rows: count, columns: size, elements: (0..<(count * size)).map { _ in generator.next() })
  _ = frame.orthonormalise()
  var sums = [Double](repeating: 0, count: count)
  for step in 0..<steps {
    frame = frame.times(jacobian(step), transposed: true)
    let stretches = frame.orthonormalise()
    if step >= settling { for k in 0..<count { sums[k] += log(stretches[k]) } }
  }
  return sums.map { $0 / Double(steps - settling) }.sorted(by: >)
}

extension Matrix {
  /// Replaces the rows by an orthonormal basis of what they span; returns |R_ii| of each.
  ///
  /// Householder's reflections, so that the basis stays orthonormal where rows depend on each other (R_ii = 0).
  mutating func orthonormalise() -> [Double] {
    var stretches: [Double] = []
    var reflections: [[Double]] = []
    for k in 0..<rows {
      var vector = row(k)
      for reflection in reflections { reflect(&vector, reflection) }
      var tail = [Double](repeating: 0, count: columns)
      let scale = vector[k...].reduce(0) { max($0, $1.magnitude) }
      if scale > 0 { for index in k..<columns { tail[index] = vector[index] / scale } }
      let norm = dot(tail, tail).squareRoot()
      stretches.append(vector.contains(where: \.isNaN) ? .nan : norm * scale)
      tail[k] += tail[k] < 0 ? -norm : norm
      let length = dot(tail, tail).squareRoot()
      reflections.append(length > 0 ? tail.map { $0 / length } : tail)
    }
    for k in 0..<rows {
      var axis = [Double](repeating: 0, count: columns)
      axis[k] = 1
      for reflection in reflections[...k].reversed() { reflect(&axis, reflection) }
      elements.replaceSubrange((k * columns)..<((k + 1) * columns), with: axis)
    }
    return stretches
  }

  private func row(_ k: Int) -> [Double] { Array(elements[(k * columns)..<((k + 1) * columns)]) }
}

/// x − 2 v (v·x)
private func reflect(_ x: inout [Double], _ v: [Double]) { add(-2 * dot(v, x), v[...], to: &x) }

/// max |λ| of a square matrix `[size, size]`, to a percent or so, and much closer where it is that of one eigenvalue or
/// of one pair of complex ones.
///
/// By how much it stretches a plane a step: a pair stretches both axes by |λ| in the mean over many steps.
package func spectralRadius(_ matrix: [Double], _ size: Int) -> Double {
  let matrix = Matrix(rows: size, columns: size, elements: matrix)
  let (settling, steps) = (100, 400)
  let exponents = lyapunovExponents(
    size: size, steps: steps, settling: settling, count: min(2, size)
  ) { _ in matrix }
  guard let first = exponents.first, let last = exponents.last, first.isFinite else { return 0 }
  let isPair = last > first - 6 / Double(steps - settling)
  return exp(isPair ? (first + last) / 2 : first)
}
