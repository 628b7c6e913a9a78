// swift-format-ignore-file: AlwaysUseLowerCamelCase
// Names are those of the operator specification.

internal import ReferenceMath
internal import Tensors

/// Attention over heads, and the rotation of embeddings by their positions.
extension Evaluation {
  static var attentionOperators: [String: Operation] {
    ["Attention": attention, "RotaryEmbedding": rotaryEmbedding]
  }

  /// softmax(softcap(scale · Q · Kᵀ) + bias) · V for each head; the heads of K and V may serve several of Q's each.
  private static func attention(_ call: Call<S>) throws(ONNXError) -> [Value<S>?] {
    let (given, type) = try call.float(0)
    let isFlat = given.rank == 3
    let Q = try heads(call, 0, "q_num_heads", rank: given.rank)
    var K = try heads(call, 1, "kv_num_heads", rank: given.rank)
    var V = try heads(call, 2, "kv_num_heads", rank: given.rank)
    guard call.has(4) == call.has(5) else { throw call.invalid("past_key and past_value belong together") }
    let past = call.has(4) ? try call.float(4).array.shape.dropFirst(2).first ?? 0 : 0
    if call.has(4) { (K, V) = (try cached(call, 4, K), try cached(call, 5, V)) }
    let (B, H, I, D) = (Q.shape[0], Q.shape[1], Q.shape[2], Q.shape[3])
    let (J, width) = (K.shape[2], V.shape[3])
    guard K.shape[0] == B, K.shape[3] == D else {
      throw call.mismatch(1, expected: "batch \(B) and head size \(D), as Q has", found: K.shape)
    }
    guard Array(V.shape.prefix(3)) == Array(K.shape.prefix(3)) else {
      throw call.mismatch(2, expected: "\(K.shape.prefix(3)) and a head size", found: V.shape)
    }
    guard K.shape[1] > 0, H % K.shape[1] == 0 else {
      throw call.invalid("\(H) heads of Q cannot share \(K.shape[1]) of K")
    }
    let shape = try call.checked([B, H, I, width])
    let scoreShape = try call.checked([B, H, I, J])
    try call.evaluation.spend([B, H, I, J, D + width + 32], call.step.label)
    let bias = try AttentionBias(call, shape: scoreShape, past: past)
    let scale = call.real("scale") ?? 1 / S(D).squareRoot()
    let softcap = call.real("softcap") ?? 0
    let mode = call.int("qk_matmul_output_mode") ?? 0
    guard (0...3).contains(mode) else {
      throw call.unsupported("qk_matmul_output_mode", "\(mode) is not from 0 to 3")
    }

    var (Y, shown) = ([S](), [S]())
    for b in 0..<B {
      for h in 0..<H {
        let own = b * K.shape[1] + h / (H / K.shape[1])
        let keys = Matrix(transposing: K.elements[(own * J * D)..<((own + 1) * J * D)], rows: J, columns: D)
        var scores = [S](repeating: 0, count: I * J)
        let start = (b * H + h) * I * D
        accumulate(
          Q.elements[start..<(start + I * D)], keys.elements[...], into: &scores, rows: I, inner: D,
          columns: J)
        for position in scores.indices { scores[position] *= scale }
        if mode == 0 { shown += scores }
        if softcap > 0 { scores = scores.map { softcap * S.tanh($0 / softcap) } }
        if mode == 1 { shown += scores }
        let row = (0..<I).map { i in (0..<J).map { j in bias[b, h, i, j] } }
        for i in 0..<I {
          for j in 0..<J { scores[i * J + j] += row[i][j] }
        }
        if mode == 2 { shown += scores }
        for i in 0..<I {
          let range = (i * J)..<((i + 1) * J)
          // Where no key may be seen, nothing is.
          let sees = row[i].contains { $0 != -.infinity }
          scores.replaceSubrange(
            range, with: sees ? S.softmax(scores[range]) : [S](repeating: 0, count: J))
        }
        if mode == 3 { shown += scores }
        var sums = [S](repeating: 0, count: I * width)
        accumulate(
          scores[...], V.elements[(own * J * width)..<((own + 1) * J * width)], into: &sums, rows: I,
          inner: J,
          columns: width)
        Y += sums
      }
    }
    var y = NDArray(shape: shape, elements: Y)
    if isFlat { y = y.transposed([0, 2, 1, 3]).reshaped([B, I, H * width]) }
    return [
      .float(y, type), .float(K, try call.float(1).type), .float(V, try call.float(2).type),
      .float(NDArray(shape: scoreShape, elements: shown), type),
    ]
  }

  /// An input as `[batch, heads, length, size]`: as it is, or from `[batch, length, heads · size]`.
  private static func heads(
    _ call: Call<S>, _ position: Int, _ attribute: String, rank: Int
  ) throws(ONNXError) -> NDArray<S> {
    let array = try call.float(position).array
    guard array.rank == rank, rank == 3 || rank == 4 else {
      throw call.mismatch(position, expected: "rank 3 or 4, that of Q", found: array.shape)
    }
    if rank == 4 { return array }
    guard let heads = call.int(attribute) else {
      throw .missingAttribute(node: call.step.label, attribute: attribute)
    }
    guard heads > 0, array.shape[2] % heads == 0 else {
      throw call.unsupported(attribute, "\(heads) heads do not share \(array.shape[2]) features")
    }
    return array.reshaped([array.shape[0], array.shape[1], heads, array.shape[2] / heads]).transposed([
      0, 2, 1, 3,
    ])
  }

  /// What was there before, with what has come behind.
  private static func cached(_ call: Call<S>, _ position: Int, _ new: NDArray<S>) throws(ONNXError)
    -> NDArray<S>
  {
    let past = try call.float(position)
    guard past.array.rank == 4, past.array.shape[0] == new.shape[0], past.array.shape[1] == new.shape[1],
      past.array.shape[3] == new.shape[3]
    else {
      throw call.mismatch(position, expected: "\(new.shape), but for its length", found: past.array.shape)
    }
    let joined = try call.joined([.float(past.array, past.type), .float(new, past.type)], axis: 2)
    guard case .float(let array, _) = joined else { return new }
    return array
  }

  /// Pairs of features turned by the angle of their position; those beyond `rotary_embedding_dim` stay.
  private static func rotaryEmbedding(_ call: Call<S>) throws(ONNXError) -> [Value<S>?] {
    let (given, type) = try call.float(0)
    let isFlat = given.rank == 3
    var x = given
    if isFlat {
      let heads = call.int("num_heads") ?? 0
      guard heads > 0, given.shape[2] % heads == 0 else {
        throw call.unsupported("num_heads", "\(heads) heads do not share \(given.shape[2]) features")
      }
      x = given.reshaped([given.shape[0], given.shape[1], heads, given.shape[2] / heads])
    } else {
      guard given.rank == 4 else { throw call.mismatch(0, expected: "rank 3 or 4", found: given.shape) }
      x = given.transposed([0, 2, 1, 3])
    }
    let (B, L, H, D) = (x.shape[0], x.shape[1], x.shape[2], x.shape[3])
    let stated = call.int("rotary_embedding_dim") ?? 0
    let rotated = stated == 0 ? D : stated
    guard rotated >= 0, rotated <= D, rotated % 2 == 0 else {
      throw call.unsupported("rotary_embedding_dim", "\(rotated) of \(D) features cannot be turned in pairs")
    }
    let (half, isInterleaved) = (rotated / 2, try call.flag("interleaved"))
    let (cosines, sines) = (try call.float(1).array, try call.float(2).array)
    // Where the row of each position stands.
    var rows: [Int]
    let expected: [Int]
    if call.has(3) {
      let (positions, _) = try call.integer(3)
      guard positions.shape == [B, L] else {
        throw call.mismatch(3, expected: "[\(B), \(L)]", found: positions.shape)
      }
      expected = [cosines.shape.first ?? 0, half]
      rows = []
      for position in positions.elements {
        guard position >= 0, position < expected[0] else {
          throw call.invalid("position \(position) of \(expected[0])")
        }
        rows.append(Int(position))
      }
    } else {
      expected = [B, L, half]
      rows = Array(0..<(B * L))
    }
    for (position, cache) in [(1, cosines), (2, sines)] where cache.shape != expected {
      throw call.mismatch(position, expected: "\(expected)", found: cache.shape)
    }
    var y = x
    for place in 0..<(B * L) {
      for head in 0..<H {
        let start = (place * H + head) * D
        for pair in 0..<half {
          let (first, second) =
            isInterleaved ? (start + 2 * pair, start + 2 * pair + 1) : (start + pair, start + half + pair)
          let (c, s) = (
            cosines.elements[rows[place] * half + pair], sines.elements[rows[place] * half + pair]
          )
          y.elements[first] = c * x.elements[first] - s * x.elements[second]
          y.elements[second] = s * x.elements[first] + c * x.elements[second]
        }
      }
    }
    return [.float(isFlat ? y.reshaped(given.shape) : y.transposed([0, 2, 1, 3]), type)]
  }
}

/// What is added to the scores of attention: −∞ where a query may not see a key.
private struct AttentionBias<S: ReferenceScalar> {
  private let mask: NDArray<S>?
  private let strides: [Int]
  /// Keys of a mask; those behind are not seen.
  private let masked: Int
  /// Keys of each row of the batch that are no padding.
  private let valid: [Int]?
  /// Keys that stand before the first query, in each row of the batch.
  private let offsets: [Int]
  private let before: Int?
  private let behind: Int?

  init(_ call: Call<S>, shape: [Int], past: Int) throws(ONNXError) {
    let (B, I, J) = (shape[0], shape[2], shape[3])
    if call.has(3) {
      let array: NDArray<S> =
        switch try call.value(3) {
        case .float(let array, _): array
        case .integer: try call.bool(3).map { $0 ? 0 : -.infinity }
        }
      masked = array.shape.last.map { $0 == 1 ? J : $0 } ?? J
      guard masked <= J,
        broadcast(array.shape, Array(shape.dropLast()) + [masked]) == Array(shape.dropLast()) + [masked]
      else { throw call.mismatch(3, expected: "one that broadcasts to \(shape)", found: array.shape) }
      mask = array
      strides = broadcastStrides(array.shape, to: Array(shape.dropLast()) + [masked])
    } else {
      (mask, strides, masked) = (nil, [], J)
    }
    if call.has(6) {
      guard !call.has(4) else { throw call.invalid("nonpad_kv_seqlen and past_key exclude each other") }
      let lengths = try call.list(6)
      guard lengths.count == B, lengths.allSatisfy({ $0 >= 0 && $0 <= J }) else {
        throw call.invalid("nonpad_kv_seqlen \(lengths.prefix(8)) are not \(B) numbers from 0 to \(J)")
      }
      (valid, offsets) = (lengths, lengths.map { $0 - I })
    } else {
      (valid, offsets) = (nil, [Int](repeating: past, count: B))
    }
    func window(_ name: String) throws(ONNXError) -> Int? {
      guard let size = call.int(name), size != -1 else { return nil }
      guard size >= 0 else { throw call.unsupported(name, "\(size) is not -1 or more") }
      // No key is further away.
      return min(size, I + J)
    }
    before = try window("left_window_size")
    let right = try window("right_window_size")
    behind = try call.flag("is_causal") ? 0 : right
  }

  subscript(b: Int, h: Int, i: Int, j: Int) -> S {
    let query = offsets[b] + i
    if j >= masked { return -.infinity }
    if let valid, j >= valid[b] { return -.infinity }
    if let before, j < query - before { return -.infinity }
    if let behind, j > query + behind { return -.infinity }
    guard let mask else { return 0 }
    return mask.elements[b * strides[0] + h * strides[1] + i * strides[2] + j * strides[3]]
  }
}
