internal import ByteIO
internal import Tensors

/// Where the bytes of storages are, and how tensors are made of them.
struct StorageBytes {
  /// By key: the bytes of whole storages, as they are in the file.
  let find: (String) throws(PyTorchError) -> ByteBuffer
  let isBigEndian: Bool
  let limits: Limits
  private var known: [String: ByteBuffer] = [:]
  /// Big-endian storages after swapping, by key and the size of their elements.
  private var swapped: [String: ByteBuffer] = [:]

  init(
    isBigEndian: Bool, limits: Limits, find: @escaping (String) throws(PyTorchError) -> ByteBuffer
  ) {
    self.find = find
    self.isBigEndian = isBigEndian
    self.limits = limits
  }

  /// The tensor that `reference` describes. A dense one shares the storage's memory.
  ///
  /// - Precondition: its type is one of ours.
  mutating func tensor(_ reference: TensorReference, name: String) throws(PyTorchError) -> Tensor {
    func refuse(_ reason: String) -> PyTorchError { .tensor(name, reason: reason) }
    let type = reference.type
    let bytes = try storage(reference.storage, type)
    let available = bytes.count / type.size
    guard let count = checkedProduct(reference.shape), checkedProduct(reference.shape + [type.size]) != nil
    else { throw refuse("shape \(reference.shape) is too large") }
    // The last element that the view touches.
    var last = reference.offset
    if count > 0 {
      for (size, stride) in zip(reference.shape, reference.strides) {
        let (reach, overflow) = (size - 1).multipliedReportingOverflow(by: stride)
        let (sum, overflows) = last.addingReportingOverflow(reach)
        guard !overflow, !overflows else { throw refuse("its strides \(reference.strides) are too large") }
        last = sum
      }
    }
    guard count == 0 || last < available, reference.offset <= available else {
      throw refuse(
        "shape \(reference.shape), strides \(reference.strides) and offset \(reference.offset) reach to element \(last), "
          + "the storage has \(available)")
    }
    // Stride 0 repeats elements: a small file must not unfold to any size.
    guard count <= max(available, 1 << 24) else {
      throw refuse("its strides repeat \(available) elements to \(count)")
    }
    let quantization = reference.scale.map { Tensor.Quantization(scale: $0, zeroPoint: reference.zeroPoint) }
    let content: ByteBuffer
    if reference.isDense {
      let window = bytes.slice(offset: reference.offset * type.size, count: count * type.size)!
      content = window.isAligned(to: type.size) ? window : ByteBuffer(joining: [window])
    } else {
      content = gathered(reference, bytes, count)
    }
    do {
      return try Tensor(
        type.elementType!, shape: reference.shape, bytes: content, quantization: quantization)
    } catch { throw refuse(error.description) }
  }

  /// A whole storage, or the view of one, in our own byte order.
  private mutating func storage(
    _ reference: StorageReference, _ type: StorageType
  ) throws(PyTorchError) -> ByteBuffer {
    let raw: ByteBuffer
    if let bytes = reference.content ?? known[reference.key] {
      raw = bytes
    } else {
      raw = try find(reference.key)
      known[reference.key] = raw
    }
    let declared = checkedProduct([reference.count, reference.type.size])
    guard declared == raw.count else {
      throw .storage(
        key: reference.key,
        reason:
          "\(reference.count) elements of \(reference.type.name) take \(declared.map(String.init) ?? "too many") bytes, "
          + "the file holds \(raw.count)")
    }
    var bytes = raw
    if isBigEndian, reference.content == nil, type.swapSize > 1 {
      let key = "\(type.swapSize) \(reference.key)"
      bytes = swapped[key] ?? raw.swapped(elementSize: type.swapSize)
      swapped[key] = bytes
    }
    guard let view = reference.view else { return bytes }
    return bytes.slice(
      offset: view.lowerBound * reference.type.size, count: view.count * reference.type.size)!
  }

  /// The elements of a view that is not dense, in row-major order.
  private func gathered(_ reference: TensorReference, _ bytes: ByteBuffer, _ count: Int) -> ByteBuffer {
    let size = reference.type.size
    return ByteBuffer(byteCount: count * size) { target in
      bytes.withUnsafeBytes { source in
        var index = [Int](repeating: 0, count: reference.shape.count)
        var from = reference.offset
        for element in 0..<count {
          // In bounds: the caller checked the last element that the view touches.
          for byte in 0..<size { target[element * size + byte] = source[from * size + byte] }
          var axis = index.count - 1
          while axis >= 0 {
            index[axis] += 1
            from += reference.strides[axis]
            if index[axis] < reference.shape[axis] { break }
            from -= reference.strides[axis] * reference.shape[axis]
            index[axis] = 0
            axis -= 1
          }
        }
      }
    }
  }
}

extension TensorReference {
  /// Whether the strides are those of a row-major array; axes of size 1 do not matter.
  var isDense: Bool {
    var expected = 1
    for (size, stride) in zip(shape, strides).reversed() {
      if size != 1, stride != expected { return false }
      expected *= max(size, 1)
    }
    return true
  }
}
