// swift-format-ignore-file: AlwaysUseLowerCamelCase
// Names are those of the operators' document.

internal import ReferenceMath
internal import Tensors

/// Attention as onnxruntime's optimiser for transformers writes it, by `docs/ContribOperators.md` of that runtime.
extension Evaluation {
  static var fusedAttentionOperators: [String: Operation] {
    [
      "com.microsoft.Attention": packedAttention,
      "com.microsoft.MultiHeadAttention": multiHeadAttention,
    ]
  }

  /// Q, K and V are one product of the input `[B, L, I]` with weights `[I, P + P + R]`, and a bias added.
  private static func packedAttention(_ call: Call<S>) throws(ONNXError) -> [Value<S>?] {
    let (x, type) = try call.float(0)
    let weights = try call.float(1).array
    try refuse(call, ["past": 4, "past_sequence_length": 6])
    guard try !call.flag("do_rotary") else {
      throw call.unsupported("do_rotary", "positions are not rotated")
    }
    guard x.rank == 3 else { throw call.mismatch(0, expected: "rank 3", found: x.shape) }
    let (B, L, I) = (x.shape[0], x.shape[1], x.shape[2])
    guard weights.rank == 2, weights.shape[0] == I else {
      throw call.mismatch(1, expected: "[\(I), …]", found: weights.shape)
    }
    let all = weights.shape[1]
    let sizes = call.ints("qkv_hidden_sizes") ?? [all / 3, all / 3, all / 3]
    guard sizes.count == 3, sizes.allSatisfy({ $0 > 0 && $0 <= all }), sizes.reduce(0, +) == all,
      sizes[0] == sizes[1]
    else {
      throw call.unsupported("qkv_hidden_sizes", "\(sizes.prefix(4)) are not those of Q, K and V in \(all)")
    }
    try call.evaluation.spend([B, L, I, all], call.step.label)
    var product = [S](repeating: 0, count: try call.checked([B, L, all]).reduce(1, *))
    accumulate(
      x.elements[...], weights.elements[...], into: &product, rows: B * L, inner: I, columns: all)
    if call.has(2) {
      let bias = try call.parameter(2, of: [all])
      for index in product.indices { product[index] += bias.elements[index % all] }
    }
    func part(_ first: Int, _ count: Int) -> NDArray<S> {
      NDArray(
        shape: [B, L, count],
        elements: (0..<(B * L)).flatMap { product[($0 * all + first)..<($0 * all + first + count)] })
    }
    return try attend(
      call, part(0, sizes[0]), part(sizes[0], sizes[1]), part(2 * sizes[0], sizes[2]), type,
      mask: 3, bias: 5)
  }

  /// Q, K and V are inputs `[B, L, H·D]`, to which a bias of all three is added.
  private static func multiHeadAttention(_ call: Call<S>) throws(ONNXError) -> [Value<S>?] {
    var (Q, type) = try call.float(0)
    try refuse(call, ["past_key": 6, "past_value": 7, "past_sequence_length": 8, "cache_indirection": 9])
    guard call.has(1), call.has(2) else {
      throw call.invalid("query that holds keys and values as well is not supported")
    }
    var (K, V) = (try call.float(1).array, try call.float(2).array)
    for (position, array) in [Q, K, V].enumerated() where array.rank != 3 {
      throw call.mismatch(position, expected: "rank 3", found: array.shape)
    }
    guard K.shape[0] == Q.shape[0], K.shape[2] == Q.shape[2] else {
      throw call.mismatch(1, expected: "[\(Q.shape[0]), …, \(Q.shape[2])]", found: K.shape)
    }
    guard Array(V.shape.prefix(2)) == Array(K.shape.prefix(2)) else {
      throw call.mismatch(2, expected: "[\(K.shape[0]), \(K.shape[1]), …]", found: V.shape)
    }
    if call.has(3) {
      let widths = [Q.shape[2], K.shape[2], V.shape[2]]
      let bias = try call.float(3).array
      guard bias.shape == [widths.reduce(0, +)] else {
        throw call.mismatch(3, expected: "[\(widths.reduce(0, +))]", found: bias.shape)
      }
      func added(_ array: NDArray<S>, from first: Int) -> NDArray<S> {
        var sum = array
        for index in sum.elements.indices {
          sum.elements[index] += bias.elements[first + index % array.shape[2]]
        }
        return sum
      }
      (Q, K, V) = (added(Q, from: 0), added(K, from: widths[0]), added(V, from: widths[0] + widths[1]))
    }
    return try attend(call, Q, K, V, type, mask: 4, bias: 5)
  }

  private static func refuse(_ call: Call<S>, _ inputs: [String: Int]) throws(ONNXError) {
    for (name, position) in inputs.sorted(by: { $0.value < $1.value }) where call.has(position) {
      throw call.invalid("its input '\(name)' is not supported")
    }
    for position in call.step.outputs.indices.dropFirst() where !call.step.outputs[position].isEmpty {
      throw call.invalid("its output \(position) is not supported")
    }
  }

  /// softmax(scale · Q · Kᵀ + what the masks say) · V for each head.
  private static func attend(
    _ call: Call<S>, _ Q: NDArray<S>, _ K: NDArray<S>, _ V: NDArray<S>, _ type: ElementType, mask: Int,
    bias: Int
  ) throws(ONNXError) -> [Value<S>?] {
    let (B, L, T) = (Q.shape[0], Q.shape[1], K.shape[1])
    let (P, R) = (Q.shape[2], V.shape[2])
    guard let H = call.int("num_heads"), H > 0, P % H == 0, R % H == 0 else {
      throw call.unsupported(
        "num_heads", "\(call.int("num_heads") ?? 0) heads do not share \(P) and \(R) features")
    }
    let (D, E) = (P / H, R / H)
    let shape = try call.checked([B, L, R])
    let scoreShape = try call.checked([B, H, L, T])
    try call.evaluation.spend([B, H, L, T, D + E + 32], call.step.label)
    let isShown = try shownKeys(call, mask, [B, L, T])
    let filter = call.real("mask_filter_value") ?? S(-10_000)
    let isCausal = try call.flag("unidirectional")
    // 0 asks for the standard.
    let given = call.real("scale") ?? 0
    let scale = given == 0 ? 1 / S(D).squareRoot() : given
    var added: (array: NDArray<S>, strides: [Int])?
    if call.has(bias) {
      let array = try call.float(bias).array
      guard array.rank == 4, broadcast(array.shape, scoreShape) == scoreShape else {
        throw call.mismatch(bias, expected: "one that broadcasts to \(scoreShape)", found: array.shape)
      }
      added = (array, broadcastStrides(array.shape, to: scoreShape))
    }
    var Y = [S](repeating: 0, count: shape.reduce(1, *))
    for b in 0..<B {
      for h in 0..<H {
        for i in 0..<L {
          // Behind its own step a query sees nothing.
          let count = isCausal ? min(T, i + 1) : T
          var scores: [S] = []
          scores.reserveCapacity(count)
          for j in 0..<count {
            var sum: S = 0
            let (query, key) = ((b * L + i) * P + h * D, (b * T + j) * P + h * D)
            for d in 0..<D { sum += Q.elements[query + d] * K.elements[key + d] }
            sum *= scale
            if let isShown, !isShown(b, i, j) { sum += filter }
            if let (array, strides) = added {
              sum += array.elements[b * strides[0] + h * strides[1] + i * strides[2] + j * strides[3]]
            }
            scores.append(sum)
          }
          let weights = S.softmax(scores[...])
          for e in 0..<E {
            var sum: S = 0
            for j in 0..<count { sum += weights[j] * V.elements[(b * T + j) * R + h * E + e] }
            Y[(b * L + i) * R + h * E + e] = sum
          }
        }
      }
    }
    return [.float(NDArray(shape: shape, elements: Y), type)]
  }

  /// What a mask of integers says of a key: 0 hides it, in `[B, T]` or `[B, L, T]`; `[B]` counts those from the first on. Nil for none.
  private static func shownKeys(
    _ call: Call<S>, _ position: Int, _ sizes: [Int]
  ) throws(ONNXError) -> ((_ b: Int, _ i: Int, _ j: Int) -> Bool)? {
    guard call.has(position) else { return nil }
    let (array, _) = try call.integer(position)
    let (B, L, T) = (sizes[0], sizes[1], sizes[2])
    switch array.shape {
    case [B, T]: return { b, _, j in array.elements[b * T + j] != 0 }
    case [B, L, T]: return { b, i, j in array.elements[(b * L + i) * T + j] != 0 }
    case [B]: return { b, _, j in j < array.elements[b] }
    default:
      throw call.mismatch(
        position, expected: "[\(B), \(T)], [\(B), \(L), \(T)] or [\(B)]", found: array.shape)
    }
  }
}
