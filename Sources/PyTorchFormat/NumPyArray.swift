internal import ByteIO
internal import Tensors

// NumPy arrays inside pickles: `_reconstruct(ndarray, (0,), b'b')` with a state, or `_frombuffer` of protocol 5.

extension PickleHeap {
  private static let arrays: Set<String> = [
    "numpy.core.multiarray._reconstruct", "numpy._core.multiarray._reconstruct",
    "numpy.core.numeric._frombuffer", "numpy._core.numeric._frombuffer",
  ]

  func isArray(_ value: PickleValue) -> Bool {
    guard case .record(let index) = value else { return false }
    return Self.arrays.contains(records[index].className)
  }

  /// The array that an object of NumPy's stands for; nil where its elements are no numbers.
  func array(_ value: PickleValue, name: String) throws(PyTorchError) -> Tensor? {
    guard case .record(let index) = value, Self.arrays.contains(records[index].className) else { return nil }
    func refuse(_ reason: String) -> PyTorchError { .tensor(name, reason: "NumPy array: \(reason)") }
    let record = records[index]
    let parts: (shape: PickleValue, type: PickleValue, isFortran: Bool, data: PickleValue)
    if record.className.hasSuffix("_frombuffer") {
      guard record.arguments.count == 4, let order = record.arguments[3].text else {
        throw refuse("_frombuffer with other arguments than NumPy's own")
      }
      parts = (record.arguments[2], record.arguments[1], order == "F", record.arguments[0])
    } else {
      guard let state = elements(record.state), state.count == 5, case .bool(let isFortran) = state[3] else {
        throw refuse("its state is not (version, shape, dtype, order, data)")
      }
      parts = (state[1], state[2], isFortran, state[4])
    }
    guard let shape = sizes(parts.shape) else { throw refuse("its shape is no tuple of sizes") }
    guard let (type, isBigEndian) = try type(parts.type, refuse) else { return nil }
    guard case .bytes(var data) = parts.data else {
      throw refuse("its data is \(parts.data.kindName), not bytes")
    }
    if isBigEndian { data = data.swapped(elementSize: type.size) }
    if !data.isAligned(to: type.size) { data = ByteBuffer(joining: [data]) }
    do {
      if parts.isFortran, shape.count > 1 {
        return try Tensor(type, shape: shape.reversed(), bytes: data).transposed(shape.indices.reversed())
      }
      return try Tensor(type, shape: shape, bytes: data)
    } catch { throw refuse(error.description) }
  }

  /// `dtype('f4', False, True)` with the state (version, byte order, …).
  private func type(
    _ value: PickleValue, _ refuse: (String) -> PyTorchError
  ) throws(PyTorchError) -> (ElementType, isBigEndian: Bool)? {
    guard case .record(let index) = value, records[index].className == "numpy.dtype",
      let code = records[index].arguments.first?.text
    else { throw refuse("it has no dtype") }
    let types: [String: ElementType] = [
      "f8": .float64, "f4": .float32, "f2": .float16, "i8": .int64, "i4": .int32, "i2": .int16, "i1": .int8,
      "u8": .uint64, "u4": .uint32, "u2": .uint16, "u1": .uint8, "b1": .bool,
    ]
    guard let type = types[code] else { return nil }
    let order = elements(records[index].state).flatMap { $0.count > 1 ? $0[1].text : nil } ?? "<"
    guard ["<", ">", "|", "="].contains(order) else { throw refuse("byte order '\(order)'") }
    return (type, order == ">")
  }
}

extension ByteBuffer {
  /// Every element's bytes in the other order.
  func swapped(elementSize size: Int) -> ByteBuffer {
    if size == 1 { return self }
    return ByteBuffer(byteCount: count) { target in
      withUnsafeBytes { source in
        for offset in 0..<(source.count / size * size) {
          target[offset] = source[offset / size * size + size - 1 - offset % size]
        }
      }
    }
  }
}
