internal import ReferenceMath
internal import Tensors

/// Discrete Fourier transforms, windows of signals, and the mel scale.
extension Evaluation {
  static var signalOperators: [String: Operation] {
    [
      "DFT": dft, "STFT": stft, "MelWeightMatrix": melWeightMatrix,
      "HannWindow": window([0.5, -0.5]),
      "HammingWindow": window([25.0 / 46, -21.0 / 46]),
      "BlackmanWindow": window([0.42, -0.5, 0.08]),
    ]
  }

  /// How a transform goes: from `length` numbers of a lane to as many, or to those that say all (`isOneSided`).
  private struct Transform {
    let length: Int
    let isInverse: Bool
    let isOneSided: Bool

    /// Complex numbers of a lane that are read.
    var inputs: Int { isInverse && isOneSided ? length / 2 + 1 : length }
    /// Numbers of a lane that are made; real ones of an inverse that is one-sided, else complex.
    var outputs: Int { !isInverse && isOneSided ? length / 2 + 1 : length }
    var isReal: Bool { isInverse && isOneSided }
  }

  /// Transforms lanes of `transform.inputs` complex numbers, real and imaginary part side by side.
  ///
  /// X[k] = Σ x[n] · e^(∓2πi · k · n / length), by its definition: a product with the matrix of all the factors, made in blocks.
  /// Inverse ones are divided by the length.
  private static func transformed(
    _ call: Call<S>, _ lanes: [S], count: Int, _ transform: Transform
  ) throws(ONNXError) -> [S] {
    let (length, inputs, outputs) = (transform.length, transform.inputs, transform.outputs)
    let parts = transform.isReal ? 1 : 2
    try call.checked([count, outputs, parts])
    try call.evaluation.spend([count + 4, inputs, outputs, 4], call.step.label)
    // e^(2πi · j / length) for every j; computed in Float64, where the angle is exact to the last bits.
    let angles = (0..<length).map { 2 * Double.pi * Double($0) / Double(length) }
    let (cosines, sines) = (angles.map { S(Double.cos($0)) }, angles.map { S(Double.sin($0)) })
    var result = [S](repeating: 0, count: count * outputs * parts)
    let block = max(1, 100_000 / (2 * inputs))
    for start in stride(from: 0, to: outputs, by: block) {
      let some = start..<min(start + block, outputs)
      let columns = some.count * parts
      var factors: [S] = []
      factors.reserveCapacity(2 * inputs * columns)
      for n in 0..<inputs {
        // What is left out of a one-sided input is the conjugate of what is there.
        let weight: S = transform.isReal && n != 0 && 2 * n != length ? 2 : 1
        // A row for the real part of x[n], and one for the imaginary part.
        for isImaginary in [false, true] {
          for k in some {
            // k · n mod length, where the product cannot overflow: both are below 2³¹.
            let power = k * n % length
            let (c, s) = (
              weight * cosines[power], weight * (transform.isInverse ? sines[power] : -sines[power])
            )
            factors.append(isImaginary ? -s : c)
            if parts == 2 { factors.append(isImaginary ? c : s) }
          }
        }
      }
      var sums = [S](repeating: 0, count: count * columns)
      accumulate(lanes[...], factors[...], into: &sums, rows: count, inner: 2 * inputs, columns: columns)
      for lane in 0..<count {
        // A runtime's angles are rounded, and its transform may be a fast one.
        let all = lanes[(lane * 2 * inputs)..<((lane + 1) * 2 * inputs)].reduce(0) { $0 + abs($1) }
        for column in 0..<columns {
          let sum = sums[lane * columns + column].alsoRounded(8 * length, all)
          result[(lane * outputs + start) * parts + column] = transform.isInverse ? sum / S(length) : sum
        }
      }
    }
    return result
  }

  /// Along one axis of `[..., 1]` (real) or `[..., 2]` (complex), which is cut or filled with zeros to `dft_length`.
  private static func dft(_ call: Call<S>) throws(ONNXError) -> [Value<S>?] {
    let (x, type) = try call.float(0)
    guard x.rank >= 2, let parts = x.shape.last, parts == 1 || parts == 2 else {
      throw call.mismatch(0, expected: "[..., 1] or [..., 2]", found: x.shape)
    }
    let stated = call.opset < 20 ? call.int("axis") ?? 1 : call.has(2) ? try call.scalar(2) : -2
    let axis = try call.axis(stated, rank: x.rank)
    guard axis < x.rank - 1 else { throw call.invalid("axis \(stated) holds the parts of a complex number") }
    let (isInverse, isOneSided) = (try call.flag("inverse"), try call.flag("onesided"))
    guard isInverse || !isOneSided || parts == 1 else {
      throw call.unsupported("onesided", "the input is complex")
    }
    let size = x.shape[axis]
    let length =
      call.has(1) ? try call.scalar(1) : isInverse && isOneSided ? 2 * (size - 1) : size
    guard length > 0, length <= Int(Int32.max) else {
      throw call.invalid("a transform of \(length) elements")
    }
    let transform = Transform(length: length, isInverse: isInverse, isOneSided: isOneSided)

    // The axis goes last but one, and back.
    var order = Array(x.shape.indices)
    order.swapAt(axis, x.rank - 2)
    let moved = x.transposed(order)
    let count = moved.shape.dropLast(2).reduce(1, *)
    try call.checked([count, transform.inputs, 2])
    var lanes = [S](repeating: 0, count: count * transform.inputs * 2)
    for lane in 0..<count {
      for n in 0..<min(size, transform.inputs) {
        for part in 0..<parts {
          lanes[(lane * transform.inputs + n) * 2 + part] = moved.elements[(lane * size + n) * parts + part]
        }
      }
    }
    let result = try transformed(call, lanes, count: count, transform)
    let shape = moved.shape.dropLast(2) + [transform.outputs, transform.isReal ? 1 : 2]
    return [.float(NDArray(shape: Array(shape), elements: result).transposed(order), type)]
  }

  /// The transform of each frame of `[batch, length, 1 or 2]`, times the window.
  private static func stft(_ call: Call<S>) throws(ONNXError) -> [Value<S>?] {
    let (signal, type) = try call.float(0)
    guard signal.rank == 3, signal.shape[2] == 1 || signal.shape[2] == 2 else {
      throw call.mismatch(0, expected: "[batch_size, signal_length, 1 or 2]", found: signal.shape)
    }
    let (B, L, parts) = (signal.shape[0], signal.shape[1], signal.shape[2])
    let step = try call.scalar(1)
    let window = call.has(2) ? try call.float(2).array : nil
    let length = call.has(3) ? try call.scalar(3) : window?.count ?? L
    if let window, window.shape != [length] {
      throw call.mismatch(2, expected: "[\(length)]", found: window.shape)
    }
    guard step > 0, length > 0, length <= L, L <= Int(Int32.max) else {
      throw call.invalid("frames of \(length) elements, \(step) apart, of a signal of \(L)")
    }
    let isOneSided = try call.flag("onesided")
    guard !isOneSided || parts == 1 else { throw call.unsupported("onesided", "the signal is complex") }
    let transform = Transform(length: length, isInverse: false, isOneSided: isOneSided)
    let frames = (L - length) / step + 1
    try call.checked([B, frames, length, 2])
    var lanes: [S] = []
    lanes.reserveCapacity(B * frames * length * 2)
    for batch in 0..<B {
      for frame in 0..<frames {
        for n in 0..<length {
          let start = (batch * L + frame * step + n) * parts
          let weight = window?.elements[n] ?? 1
          lanes.append(weight * signal.elements[start])
          lanes.append(parts == 2 ? weight * signal.elements[start + 1] : 0)
        }
      }
    }
    let result = try transformed(call, lanes, count: B * frames, transform)
    return [.float(NDArray(shape: [B, frames, transform.outputs, 2], elements: result), type)]
  }

  /// Σ over j of a[j] · cos(2π · j · n / period), the period being the size, or one less where the window is not periodic.
  private static func window(_ a: [Double]) -> Operation {
    { call throws(ONNXError) in
      let size = try call.scalar(0)
      try call.checked([size])
      let period = Double(try call.flag("periodic") ? size : size - 1)
      let elements = (0..<size).map { n in
        a.enumerated().reduce(0) {
          $0 + $1.element * Double.cos(2 * .pi * Double($1.offset) * Double(n) / period)
        }
      }
      let window = Value<S>.float(
        NDArray(shape: [size], elements: elements.map { S($0).alsoRounded(32, 1) }), .float64)
      return [try cast(call, window, to: call.elementType("output_datatype"))]
    }
  }

  /// Triangles over the bins of a one-sided transform, evenly spread on the mel scale: mel(f) = 2595 · log₁₀(1 + f / 700).
  private static func melWeightMatrix(_ call: Call<S>) throws(ONNXError) -> [Value<S>?] {
    let (bands, length, rate) = (try call.scalar(0), try call.scalar(1), try call.scalar(2))
    var edges: [Double] = []
    for position in 3...4 {
      let edge = try call.float(position).array
      guard edge.count == 1 else { throw call.mismatch(position, expected: "[]", found: edge.shape) }
      edges.append(2595 * Double.log(1 + edge.elements[0].decided / 700) / Double.log(10))
    }
    guard bands >= 0, length >= 0, rate > 0, length <= Int(Int32.max), edges.allSatisfy(\.isFinite) else {
      throw call.invalid("\(bands) bands of a transform of \(length) elements at \(rate) Hz, mels \(edges)")
    }
    let bins = length / 2 + 1
    let shape = try call.checked([bins, bands])
    try call.checked([bands, 2])
    var corners: [Int] = []
    for point in 0..<(bands + 2) {
      let mel = edges[0] + Double(point) * ((edges[1] - edges[0]) / Double(bands + 2))
      let frequency = 700 * (Double.pow(10, mel / 2595) - 1)
      let bin = (Double(length + 1) * frequency / Double(rate)).rounded(.down)
      guard bin >= 0, bin < Double(bins) else {
        throw call.invalid("\(frequency) Hz lies outside of \(bins) bins")
      }
      corners.append(Int(bin))
    }
    var matrix = [S](repeating: 0, count: bins * bands)
    for band in 0..<bands {
      let (low, centre, high) = (corners[band], corners[band + 1], corners[band + 2])
      if low == centre { matrix[centre * bands + band] = 1 }
      for bin in low..<max(low, centre + 1) where low < centre {
        matrix[bin * bands + band] = S(bin - low) / S(centre - low)
      }
      for bin in centre..<max(centre, high) { matrix[bin * bands + band] = S(high - bin) / S(high - centre) }
    }
    let value = Value<S>.float(NDArray(shape: shape, elements: matrix), .float64)
    return [try cast(call, value, to: call.elementType("output_datatype"))]
  }
}
