internal import ByteIO

extension Tensor {
  /// Axes reordered: axis k of the result is axis `permutation[k]` of this tensor.
  public func transposed(_ permutation: [Int]) -> Tensor {
    precondition(permutation.sorted() == Array(0..<shape.count), "not a permutation: \(permutation)")
    let newShape = permutation.map { shape[$0] }
    if count == 0 || permutation == Array(0..<shape.count) {
      return try! Tensor(elementType, shape: newShape, bytes: bytes, quantization: quantization)
    }
    var strides = [Int](repeating: 1, count: shape.count)
    for axis in stride(from: shape.count - 2, through: 0, by: -1) {
      strides[axis] = strides[axis + 1] * shape[axis + 1]
    }
    let newStrides = permutation.map { strides[$0] }
    // Every byte is written: `gather` visits each index of `newShape` once.
    let result = ByteBuffer(unsafeUninitializedByteCount: bytes.count) { target in
      bytes.withUnsafeBytes { source in
        switch elementType.size {
        case 8: gather(UInt64.self, source, target, newShape, newStrides)
        case 4: gather(UInt32.self, source, target, newShape, newStrides)
        case 2: gather(UInt16.self, source, target, newShape, newStrides)
        default: gather(UInt8.self, source, target, newShape, newStrides)
        }
      }
    }
    releasePages(0..<count)
    return try! Tensor(elementType, shape: newShape, bytes: result, quantization: quantization)
  }

  /// The blocks `ranges` of axis 0, one after another.
  public func rows(_ ranges: [Range<Int>]) -> Tensor {
    precondition(!shape.isEmpty, "a scalar has no rows")
    precondition(
      ranges.allSatisfy { $0.lowerBound >= 0 && $0.upperBound <= shape[0] }, "rows outside 0..<\(shape[0])")
    let rowBytes = shape[0] == 0 ? 0 : bytes.count / shape[0]
    return joined(
      rows: ranges.reduce(0) { $0 + $1.count },
      ranges.map { bytes.slice(offset: $0.lowerBound * rowBytes, count: $0.count * rowBytes)!.settled })
  }

  /// The rows `range` of axis 0.
  public func rows(_ range: Range<Int>) -> Tensor { rows([range]) }

  /// Tensors of one element type, quantisation and trailing shape, joined along axis 0.
  public static func concatenated(_ parts: [Tensor]) -> Tensor {
    precondition(!parts.isEmpty, "nothing to concatenate")
    precondition(parts.allSatisfy { $0.elementType == parts[0].elementType }, "mixed element types")
    precondition(parts.allSatisfy { $0.quantization == parts[0].quantization }, "mixed quantisation")
    precondition(
      parts.allSatisfy { !$0.shape.isEmpty && $0.shape.dropFirst() == parts[0].shape.dropFirst() },
      "mixed shapes")
    return parts[0].joined(rows: parts.reduce(0) { $0 + $1.shape[0] }, parts.map(\.bytes))
  }

  /// `rows` rows like this tensor's, made of `chunks`; a single chunk is shared, not copied.
  private func joined(rows: Int, _ chunks: [ByteBuffer]) -> Tensor {
    let bytes = chunks.count == 1 ? chunks[0] : ByteBuffer(joining: chunks)
    return try! Tensor(
      elementType, shape: [rows] + shape.dropFirst(), bytes: bytes, quantization: quantization)
  }
}

/// Copies elements so that index (i, j, …) of `shape` comes from i·strides[0] + j·strides[1] + ….
private func gather<Element: BitwiseCopyable>(
  _ type: Element.Type, _ source: UnsafeRawBufferPointer, _ target: UnsafeMutableRawBufferPointer,
  _ shape: [Int], _ strides: [Int]
) {
  let size = MemoryLayout<Element>.size
  let inner = shape.count - 1
  let (length, step) = (shape[inner], strides[inner] * size)
  var index = [Int](repeating: 0, count: shape.count)
  var from = 0
  for start in stride(from: 0, to: target.count, by: length * size) {
    for position in 0..<length {
      let element = source.loadUnaligned(fromByteOffset: from + position * step, as: Element.self)
      target.storeBytes(of: element, toByteOffset: start + position * size, as: Element.self)
    }
    // The next index of the outer axes, the last fastest; `from` follows it.
    var axis = inner - 1
    while axis >= 0 {
      index[axis] += 1
      from += strides[axis] * size
      if index[axis] < shape[axis] { break }
      from -= strides[axis] * size * shape[axis]
      index[axis] = 0
      axis -= 1
    }
  }
}

extension Tensor {
  /// A tensor of `shape` whose element at each index is the element of this one at the flat position that `position`
  /// names; bit-exact. Throws where `shape` is too large.
  ///
  /// - Precondition: every position lies inside this tensor.
  public func picked(shape: [Int], _ position: ([Int]) -> Int) throws(TensorError) -> Tensor {
    let size = elementType.size
    guard let byteCount = checkedProduct(shape + [size]) else { throw .shapeTooLarge(shape) }
    let total = byteCount / size
    let result = ByteBuffer(byteCount: byteCount) { target in
      bytes.withUnsafeBytes { source in
        var index = [Int](repeating: 0, count: shape.count)
        for element in 0..<total {
          let from = position(index) * size
          for byte in 0..<size { target[element * size + byte] = source[from + byte] }
          var axis = shape.count - 1
          while axis >= 0 {
            index[axis] += 1
            if index[axis] < shape[axis] { break }
            index[axis] = 0
            axis -= 1
          }
        }
      }
    }
    return try Tensor(elementType, shape: shape, bytes: result, quantization: quantization)
  }
}

extension [Int] {
  /// Of a shape: the index of the element at a row-major offset.
  package func index(at offset: Int) -> [Int] {
    var (rest, index) = (offset, self)
    for axis in indices.reversed() {
      index[axis] = rest % Swift.max(self[axis], 1)
      rest /= Swift.max(self[axis], 1)
    }
    return index
  }
}
