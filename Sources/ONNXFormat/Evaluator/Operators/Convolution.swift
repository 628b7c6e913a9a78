// swift-format-ignore-file: AlwaysUseLowerCamelCase
// Names are those of the operator specification.

internal import ByteIO
internal import ReferenceMath
internal import Tensors

/// Conv, ConvTranspose and Col2Im, over any number of spatial axes.
extension Evaluation {
  static var convolutionOperators: [String: Operation] {
    ["Conv": conv, "ConvTranspose": convTranspose, "Col2Im": col2im]
  }

  /// Elements of the patches that are gathered at once: enough for the product to be quick, and no more than a few MiB.
  private static var patchElements: Int { 250_000 }

  /// Y[n, m, place] = B[m] + Σ over c, k of W[m, c, k] · X[n, c, place · stride + k · dilation − begin], by groups of
  /// channels.
  static func conv(_ call: Call<S>) throws(ONNXError) -> [Value<S>?] {
    let (X, type) = try call.float(0)
    let image = try call.spatial(X.shape)
    let W = try convolutionWeight(call, type, rank: X.rank)
    let (N, C, M) = (X.shape[0], X.shape[1], W.shape[0])
    let groups = try groupCount(call)
    guard C % groups == 0, M % groups == 0, W.shape[1] == C / groups else {
      throw call.mismatch(
        1, expected: "[M, \(C) / group (\(groups)), ...], M divisible by group", found: W.shape)
    }
    let windows = try Windows(call, image: image, kernel: Array(W.shape.dropFirst(2)))
    let shape = try call.checked([N, M] + windows.places)
    let B = try bias(call, type, channels: M)
    // A product for each map, and to gather an element costs as much as some.
    try call.evaluation.spend(
      [N, M + 16 * groups, C / groups] + windows.places + windows.kernel, call.step.label)

    let places = windows.places.reduce(1, *)
    var Y = NDArray(
      shape: shape, elements: (0..<N).flatMap { _ in B.flatMap { [S](repeating: $0, count: places) } })
    let (perImage, kernel) = (image.reduce(1, *), windows.kernel.reduce(1, *))
    let (channels, maps) = (C / groups, M / groups)
    let rows = channels * kernel
    guard Y.count > 0, rows > 0 else { return [.float(Y, type)] }
    let block = max(1, patchElements / rows)
    for start in stride(from: 0, to: places, by: block) {
      let some = start..<min(start + block, places)
      let positions = windows.positions(at: some)
      for n in 0..<N {
        for group in 0..<groups {
          let first = (n * C + group * channels) * perImage
          let patches = gathered(
            X.elements[first..<(first + channels * perImage)], positions, channels: channels)
          var sums = [S](repeating: 0, count: maps * some.count)
          accumulate(
            W.elements[(group * maps * rows)..<((group + 1) * maps * rows)], patches[...], into: &sums,
            rows: maps,
            inner: rows, columns: some.count)
          for m in 0..<maps {
            let target = ((n * M) + group * maps + m) * places + start
            for column in 0..<some.count { Y.elements[target + column] += sums[m * some.count + column] }
          }
        }
      }
    }
    return [.float(Y, type)]
  }

  /// For each channel of an image, the elements at `positions`; 0 where there is none (−1).
  private static func gathered(_ image: ArraySlice<S>, _ positions: [Int], channels: Int) -> [S] {
    let perChannel = image.count / channels
    return [S](unsafeUninitializedCapacity: channels * positions.count) { patches, count in
      image.withUnsafeBufferPointer { image in
        positions.withUnsafeBufferPointer { positions in
          // Inside all three: a position is −1 or lies in its channel.
          for channel in 0..<channels {
            for (column, position) in positions.enumerated() {
              patches.initializeElement(
                at: channel * positions.count + column,
                to: position < 0 ? 0 : image[channel * perChannel + position])
            }
          }
        }
      }
      count = channels * positions.count
    }
  }

  /// Each element of X, times W, is added where the kernel lies at its place: the transpose of `conv` as a linear map.
  private static func convTranspose(_ call: Call<S>) throws(ONNXError) -> [Value<S>?] {
    let (X, type) = try call.float(0)
    let places = try call.spatial(X.shape)
    let W = try convolutionWeight(call, type, rank: X.rank)
    let (N, C) = (X.shape[0], X.shape[1])
    let groups = try groupCount(call)
    guard C % groups == 0, W.shape[0] == C else {
      throw call.mismatch(
        1, expected: "[\(C), M / group, ...], \(C) divisible by group (\(groups))", found: W.shape)
    }
    let maps = W.shape[1]
    let M = maps * groups
    let windows = try transposedWindows(call, places: places, kernel: Array(W.shape.dropFirst(2)))
    let shape = try call.checked([N, M] + windows.image)
    let B = try bias(call, type, channels: M)
    try call.evaluation.spend([N, C + 16 * groups, maps] + places + windows.kernel, call.step.label)

    let (perPlaces, perImage) = (places.reduce(1, *), windows.image.reduce(1, *))
    var Y = NDArray(
      shape: shape, elements: (0..<N).flatMap { _ in B.flatMap { [S](repeating: $0, count: perImage) } })
    let channels = C / groups
    let rows = maps * windows.kernel.reduce(1, *)
    guard Y.count > 0, rows > 0, channels > 0 else { return [.float(Y, type)] }
    let block = max(1, patchElements / max(rows, channels))
    // [M / group · k, C / group] of each group.
    let weights = (0..<groups).map { group in
      Matrix(
        transposing: W.elements[(group * channels * rows)..<((group + 1) * channels * rows)], rows: channels,
        columns: rows)
    }
    for start in stride(from: 0, to: perPlaces, by: block) {
      let some = start..<min(start + block, perPlaces)
      let positions = windows.positions(at: some)
      for n in 0..<N {
        for group in 0..<groups {
          let input = (0..<channels).flatMap { channel in
            let first = (n * C + group * channels + channel) * perPlaces
            return X.elements[(first + some.lowerBound)..<(first + some.upperBound)]
          }
          var patches = [S](repeating: 0, count: rows * some.count)
          accumulate(
            weights[group].elements[...], input[...], into: &patches, rows: rows, inner: channels,
            columns: some.count)
          for map in 0..<maps {
            let target = (n * M + group * maps + map) * perImage
            for (column, position) in positions.enumerated() where position >= 0 {
              Y.elements[target + position] += patches[map * positions.count + column]
            }
          }
        }
      }
    }
    return [.float(Y, type)]
  }

  /// Blocks `[N, C · block, places]`, each added to the image where it was taken from.
  private static func col2im(_ call: Call<S>) throws(ONNXError) -> [Value<S>?] {
    let (X, type) = try call.float(0)
    let (image, block) = (try call.list(1), try call.list(2))
    guard !image.isEmpty, image.count == block.count,
      (image + block).allSatisfy({ $0 > 0 && $0 <= Int(Int32.max) })
    else { throw call.invalid("blocks \(block.prefix(8)) of an image \(image.prefix(8))") }
    let windows = try Windows(call, image: image, kernel: block)
    guard let kernel = checkedProduct(block), let places = checkedProduct(windows.places), X.rank == 3,
      X.shape[1] % kernel == 0, X.shape[2] == places
    else {
      throw call.mismatch(0, expected: "[N, C · \(block), \(windows.places)]", found: X.shape)
    }
    let (N, C) = (X.shape[0], X.shape[1] / kernel)
    let shape = try call.checked([N, C] + image)
    try call.evaluation.spend([X.count, 16], call.step.label)
    var Y = NDArray<S>(repeating: 0, shape: shape)
    if X.count == 0 { return [.float(Y, type)] }
    let perImage = image.reduce(1, *)
    let columns = max(1, patchElements / kernel)
    for start in stride(from: 0, to: places, by: columns) {
      let some = start..<min(start + columns, places)
      let positions = windows.positions(at: some)
      for plane in 0..<(N * C) {
        for (entry, position) in positions.enumerated() where position >= 0 {
          let (element, column) = entry.quotientAndRemainder(dividingBy: some.count)
          Y.elements[plane * perImage + position] +=
            X.elements[(plane * kernel + element) * places + start + column]
        }
      }
    }
    return [.float(Y, type)]
  }

  /// The windows over the output of ConvTranspose, whose places are the elements of its input.
  private static func transposedWindows(
    _ call: Call<S>, places: [Int], kernel: [Int]
  ) throws(ONNXError) -> Windows {
    let count = places.count
    let strides = try call.sizes("strides", count: count, standard: 1, atLeast: 1)
    let dilations = try call.sizes("dilations", count: count, standard: 1, atLeast: 1)
    let extra = try call.sizes("output_padding", count: count, standard: 0, atLeast: 0)
    let padding = try Windows.Padding(call, count: count)
    var stated: [Int]? = nil
    if call.ints("output_shape") != nil {
      stated = try call.sizes("output_shape", count: count, standard: 0, atLeast: 0)
    }
    var (begin, end, image) = ([Int](), [Int](), [Int]())
    for axis in places.indices {
      guard extra[axis] < max(strides[axis], dilations[axis]) else {
        throw call.unsupported("output_padding", "\(extra[axis]) is not less than the stride or dilation")
      }
      let full = strides[axis] * (places[axis] - 1) + extra[axis] + (kernel[axis] - 1) * dilations[axis] + 1
      var wished = stated?[axis]
      if case .same = padding, stated == nil { wished = places[axis] * strides[axis] }
      if let wished {
        // Of an odd number the larger half stands in front, but for SAME_UPPER. (The text before opset 11 has it the other
        // way round, against its own words on auto_pad; onnxruntime never did.)
        let (less, more) = Windows.Padding.halves(max(0, full - wished))
        if case .same(upper: true) = padding {
          begin.append(less)
          end.append(more)
        } else {
          begin.append(more)
          end.append(less)
        }
        image.append(wished)
      } else if case .given(let pads) = padding {
        begin.append(pads[axis])
        end.append(pads[count + axis])
        image.append(full - pads[axis] - pads[count + axis])
      }
    }
    return Windows(
      image: image, kernel: kernel, strides: strides, dilations: dilations, begin: begin, end: end,
      places: places)
  }

  /// The kernel, whose sizes must be those of `kernel_shape` where the node states them.
  private static func convolutionWeight(
    _ call: Call<S>, _ type: ElementType, rank: Int
  ) throws(ONNXError) -> NDArray<S> {
    let (W, typeW) = try call.float(1)
    guard typeW == type else { throw call.wrongType(1, typeW) }
    guard W.rank == rank, W.shape.allSatisfy({ $0 <= Int(Int32.max) }) else {
      throw call.mismatch(1, expected: "rank \(rank)", found: W.shape)
    }
    let kernel = Array(W.shape.dropFirst(2))
    guard kernel.allSatisfy({ $0 > 0 }) else {
      throw call.mismatch(1, expected: "a kernel of some elements", found: W.shape)
    }
    if let stated = call.ints("kernel_shape"), !stated.isEmpty, stated != kernel {
      throw call.mismatch(1, expected: "the kernel_shape \(stated)", found: W.shape)
    }
    return W
  }

  private static func groupCount(_ call: Call<S>) throws(ONNXError) -> Int {
    let groups = call.int("group") ?? 1
    guard groups > 0, groups <= Int(Int32.max) else {
      throw call.unsupported("group", "\(groups) is no number of groups")
    }
    return groups
  }

  private static func bias(_ call: Call<S>, _ type: ElementType, channels: Int) throws(ONNXError) -> [S] {
    guard call.has(2) else { return [S](repeating: 0, count: channels) }
    let (B, typeB) = try call.float(2)
    guard typeB == type else { throw call.wrongType(2, typeB) }
    guard B.shape == [channels] else { throw call.mismatch(2, expected: "[\(channels)]", found: B.shape) }
    return B.elements
  }

  /// c[rows × columns] += a[rows × inner] · b[inner × columns]
  static func accumulate(
    _ a: ArraySlice<S>, _ b: ArraySlice<S>, into c: inout [S], rows: Int, inner: Int, columns: Int
  ) {
    c.withUnsafeMutableBufferPointer { c in
      a.withUnsafeBufferPointer { a in
        b.withUnsafeBufferPointer { b in
          accumulateProduct(a, b, into: c, rows: rows, inner: inner, columns: columns)
        }
      }
    }
  }
}
