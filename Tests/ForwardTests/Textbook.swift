import Glibc
import Recurrent
import Tensors

/// How the textbook adds up: each is a way in which some runtime evaluates the same formulas.
struct EvaluationOrder: CaseIterable, Sendable {
  var reversedSums = false
  var fused = false
  var mergedBiases = false

  static let allCases = [false, true].flatMap { reversedSums in
    [false, true].flatMap { fused in
      [false, true].map { EvaluationOrder(reversedSums: reversedSums, fused: fused, mergedBiases: $0) }
    }
  }
}

/// The cells written out as plain loops over one row of a batch, independent of the library's own passes.
struct Textbook<F: BinaryFloatingPoint> {
  let layer: RecurrentLayer
  var order = EvaluationOrder()

  /// x is `[T][I]`; returns y `[T][D·O]` and the last states `[D][…]`.
  func run(_ x: [[F]], h0: [[F]]?, c0: [[F]]?) -> (y: [[F]], h: [[F]], c: [[F]]) {
    var y = [[F]](repeating: [], count: x.count)
    var lastH: [[F]] = []
    var lastC: [[F]] = []
    for (d, parameters) in layer.directions.enumerated() {
      let weights = Weights(parameters)
      var h = h0?[d] ?? [F](repeating: 0, count: layer.outputSize)
      var c = c0?[d] ?? [F](repeating: 0, count: layer.hiddenSize)
      let isReverse = layer.direction == .reverse || d == 1
      for t in isReverse ? Array(x.indices.reversed()) : Array(x.indices) {
        step(weights, parameters, x[t], &h, &c)
        y[t] += h
      }
      lastH.append(h)
      lastC.append(c)
    }
    return (y, lastH, lastC)
  }

  private struct Weights {
    let w, r, bw, br, p, projection: [F]

    init(_ parameters: DirectionParameters) {
      func numbers(_ tensor: Tensor?) -> [F] { tensor?.doubles.map { F($0) } ?? [] }
      w = numbers(parameters.inputWeight)
      r = numbers(parameters.recurrentWeight)
      bw = numbers(parameters.inputBias)
      br = numbers(parameters.recurrentBias)
      p = numbers(parameters.peepholes)
      projection = numbers(parameters.projection)
    }
  }

  private func step(
    _ weights: Weights, _ parameters: DirectionParameters, _ x: [F], _ h: inout [F], _ c: inout [F]
  ) {
    let size = layer.hiddenSize
    func linear(_ matrix: [F], _ bias: [F], _ gate: Int, _ j: Int, _ v: [F]) -> F {
      let row = gate * size + j
      return sum(v.indices.map { (matrix[row * v.count + $0], v[$0]) }, bias.isEmpty ? [] : [bias[row]])
    }
    func pre(_ gate: Int, _ j: Int, _ h: [F], _ extra: [F] = []) -> F {
      let row = gate * size + j
      let biases = [weights.bw, weights.br].filter { !$0.isEmpty }.map { $0[row] }
      let terms =
        x.indices.map { (weights.w[row * x.count + $0], x[$0]) }
        + h.indices.map { (weights.r[row * h.count + $0], h[$0]) }
      return clipped(sum(terms, biases + extra))
    }
    func clipped(_ a: F) -> F { layer.clip.map { min(max(a, -F($0)), F($0)) } ?? a }
    func peephole(_ gate: Int, _ j: Int, _ c: F) -> [F] {
      weights.p.isEmpty ? [] : [weights.p[gate * size + j] * c]
    }
    func gate(_ a: F) -> F { apply(parameters.gateActivation, a) }
    func candidate(_ a: F) -> F { apply(parameters.candidateActivation, a) }

    switch layer.cell {
    case .rnn:
      h = (0..<size).map { candidate(pre(0, $0, h)) }
    case .lstm:
      var m: [F] = []
      for j in 0..<size {
        let i = gate(pre(1, j, h, peephole(1, j, c[j])))
        let f = layer.inputForget ? 1 - i : gate(pre(0, j, h, peephole(0, j, c[j])))
        let g = candidate(pre(3, j, h))
        c[j] = order.fused ? F(i * g).addingProduct(f, c[j]) : f * c[j] + i * g
        m.append(gate(pre(2, j, h, peephole(2, j, c[j]))) * apply(parameters.outputActivation, clipped(c[j])))
      }
      h =
        weights.projection.isEmpty
        ? m
        : (0..<layer.outputSize).map { k in
          sum(m.indices.map { (weights.projection[k * size + $0], m[$0]) }, [])
        }
    case .gru(let resetAfter):
      let r = (0..<size).map { gate(pre(0, $0, h)) }
      let z = (0..<size).map { gate(pre(1, $0, h)) }
      let reset = (0..<size).map { r[$0] * h[$0] }
      h = (0..<size).map { j in
        let n =
          resetAfter
          ? candidate(
            clipped(
              linear(weights.w, weights.bw, 2, j, x) + r[j] * linear(weights.r, weights.br, 2, j, h)))
          : candidate(pre(2, j, reset))
        return order.fused ? n.addingProduct(z[j], h[j] - n) : (1 - z[j]) * n + z[j] * h[j]
      }
    case .minGRU:
      h = (0..<size).map { j in
        let z = gate(clipped(linear(weights.w, weights.bw, 0, j, x)))
        let n = candidate(clipped(linear(weights.w, weights.bw, 1, j, x)))
        return order.fused ? h[j].addingProduct(z, n - h[j]) : (1 - z) * h[j] + z * n
      }
    }
  }

  private func sum(_ products: [(F, F)], _ terms: [F]) -> F {
    let terms = order.mergedBiases && terms.count > 1 ? [terms[0] + terms[1]] + terms.dropFirst(2) : terms
    var total: F = 0
    if order.reversedSums { for term in terms { total += term } }
    for (a, b) in order.reversedSums ? products.reversed() : products {
      total = order.fused ? total.addingProduct(a, b) : total + a * b
    }
    if !order.reversedSums { for term in terms { total += term } }
    return total
  }

  /// Through Float64's functions, rounded once.
  private func apply(_ activation: Activation, _ x: F) -> F {
    let (x, alpha, beta) = (Double(x), activation.alpha, activation.beta)
    switch activation.kind {
    case .identity: return F(x)
    case .tanh: return F(tanh(x))
    case .sigmoid: return F(1 / (1 + exp(-x)))
    case .relu: return F(max(0, x))
    case .hardSigmoid: return F(min(max(alpha * x + beta, 0), 1))
    default: fatalError("not in the textbook")
    }
  }
}
