internal import ReferenceMath
internal import Tensors

/// Softmax and the normalisations.
extension Evaluation {
  static var normalizationOperators: [String: Operation] {
    [
      "Softmax": softmax(S.softmax),
      "LogSoftmax": softmax(S.logSoftmax),
      "Hardmax": softmax { lane in
        let top = lane.reduce(-S.infinity, S.larger)
        let first = lane.firstIndex { $0 == top || $0.isNaN }
        return lane.indices.map { $0 == first ? 1 : 0 }
      },
      "BatchNormalization": batchNormalization,
      "LayerNormalization": layerNormalization,
    ]
  }

  /// Along one axis since opset 13; before, over everything from the axis on, as if the input were a matrix.
  private static func softmax(_ body: @escaping (ArraySlice<S>) -> [S]) -> Operation {
    { call throws(ONNXError) in
      let (array, type) = try call.float(0)
      let stated = call.int("axis") ?? -1
      if call.opset < 13 {
        let axis = stated == array.rank ? stated : try call.axis(stated, rank: array.rank)
        let width = array.shape[axis...].reduce(1, *)
        return [.float(NDArray(shape: array.shape, elements: lanes(array.elements, width, body)), type)]
      }
      let axis = try call.axis(stated, rank: array.rank)
      // The axis goes last, and back: exchanging two axes undoes itself.
      var order = Array(array.shape.indices)
      order.swapAt(axis, array.rank - 1)
      let moved = array.transposed(order)
      let result = NDArray(shape: moved.shape, elements: lanes(moved.elements, array.shape[axis], body))
      return [.float(result.transposed(order), type)]
    }
  }

  private static func lanes(_ elements: [S], _ width: Int, _ body: (ArraySlice<S>) -> [S]) -> [S] {
    if width == 0 { return [] }
    return stride(from: 0, to: elements.count, by: width).flatMap { body(elements[$0..<($0 + width)]) }
  }

  /// Y = (X − mean) / √(var + epsilon) · scale + B, for each channel (axis 1).
  private static func batchNormalization(_ call: Call<S>) throws(ONNXError) -> [Value<S>?] {
    if try call.flag("training_mode") {
      throw call.unsupported("training_mode", "only inference is evaluated")
    }
    guard call.step.outputs.dropFirst().allSatisfy(\.isEmpty) else {
      throw call.invalid("its outputs after the first belong to training: only inference is evaluated")
    }
    let (x, type) = try call.float(0)
    guard x.rank >= 1 else { throw call.mismatch(0, expected: "[N, C, ...]", found: x.shape) }
    if call.int("spatial") == 0, x.rank > 2 { throw call.unsupported("spatial", "only 1 is supported") }
    let channels = x.rank == 1 ? 1 : x.shape[1]
    var parameters: [[S]] = []
    for position in 1...4 {
      let array = try call.float(position).array
      guard array.shape == [channels] else {
        throw call.mismatch(position, expected: "[\(channels)]", found: array.shape)
      }
      parameters.append(array.elements)
    }
    let epsilon = call.real("epsilon") ?? 0
    let inner = x.shape.dropFirst(2).reduce(1, *)
    let (scale, B, mean, variance) = (parameters[0], parameters[1], parameters[2], parameters[3])
    var y = x
    for position in x.elements.indices {
      let c = position / inner % channels
      let root = (variance[c] + epsilon).squareRoot()
      let element = (x.elements[position] - mean[c]) / root * scale[c] + B[c]
      // Or as x · k + (B − mean · k), whose k = scale / root may also be in the weights of what makes x.
      let k = scale[c] / root
      y.elements[position] = element.alsoRounded(6, x.elements[position] * k, mean[c] * k, B[c])
    }
    return [.float(y, type)]
  }

  /// Y = (X − mean) / √(var + epsilon) · Scale + B, mean and var over the axes from `axis` on.
  static func layerNormalization(_ call: Call<S>) throws(ONNXError) -> [Value<S>?] {
    let (x, type) = try call.float(0)
    let axis = try call.axis(call.int("axis") ?? -1, rank: x.rank)
    try call.checkStashType()
    let (outer, inner) = (x.shape[..<axis].reduce(1, *), x.shape[axis...].reduce(1, *))
    let scale = try call.parameter(1, of: x.shape)
    let shift = call.has(2) ? try call.parameter(2, of: x.shape) : nil
    let epsilon = call.real("epsilon") ?? 0
    var (y, means, inverses) = (x, [S](), [S]())
    for row in 0..<outer {
      let range = (row * inner)..<((row + 1) * inner)
      let (mean, variance) = S.moments(x.elements[range])
      let inverse = 1 / (variance + epsilon).squareRoot()
      for position in range {
        let normal = (x.elements[position] - mean) * inverse * scale.elements[position]
        let added = shift?.elements[position] ?? 0
        // Or as x · k + (B − mean · k), k = Scale / √(var + epsilon).
        let k = inverse * scale.elements[position]
        y.elements[position] = (shift == nil ? normal : normal + added).alsoRounded(
          5, x.elements[position] * k, mean * k, added)
      }
      means.append(mean)
      inverses.append(inverse)
    }
    let shape = x.shape.indices.map { $0 < axis ? x.shape[$0] : 1 }
    return [
      .float(y, type), .float(NDArray(shape: shape, elements: means), .float32),
      .float(NDArray(shape: shape, elements: inverses), .float32),
    ]
  }
}

extension Call {
  /// A float input that is broadcast to `shape`, and never the other way round.
  func parameter(_ position: Int, of shape: [Int]) throws(ONNXError) -> NDArray<S> {
    let array = try float(position).array
    guard broadcast(array.shape, shape) == shape else {
      throw mismatch(position, expected: "one that broadcasts to \(shape)", found: array.shape)
    }
    return array.strided(shape: shape, strides: broadcastStrides(array.shape, to: shape))
  }

  /// The type that statistics are computed in: float or double, which the precision of the evaluation stands for.
  func checkStashType() throws(ONNXError) {
    guard [nil, 1, 11].contains(int("stash_type")) else {
      throw unsupported("stash_type", "only 1 (float) and 11 (double) are supported")
    }
  }
}
