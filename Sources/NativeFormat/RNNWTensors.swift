internal import ByteIO
internal import Tensors

/// One row of the tensor table.
struct RNNWTensorEntry {
  let name: String
  let elementType: ElementType
  let shape: [Int]
  let quantization: Tensor.Quantization?
  let codec: NativeFormat.Codec
  /// From the data offset on.
  let offset: Int
  /// Bytes as stored.
  let length: Int
  /// Of the bytes as stored.
  let checksum: UInt32

  var features: RNNWFeatures {
    var features: RNNWFeatures = []
    if codec == .shuffleDeflate { features.insert(.deflate) }
    if quantization != nil { features.insert(.quantization) }
    return features
  }
}

extension RNNWTensorEntry {
  init(parsing node: HeaderNode) throws(RNNWError) {
    self = try node.object { entry throws(RNNWError) in
      let checksum = try entry.required("crc32")
      guard let checksumValue = UInt32(exactly: try checksum.integer()) else {
        throw .header(path: checksum.path, reason: "a CRC-32 has 32 bits")
      }
      let quantization = try entry.optional("quantization")?.object { object throws(RNNWError) in
        Tensor.Quantization(
          scale: try object.required("scale").real(), zeroPoint: try object.required("zeroPoint").integer())
      }
      return RNNWTensorEntry(
        name: try entry.required("name").text(),
        elementType: try entry.required("dtype").name("element type"),
        shape: try entry.required("shape").list().map { size throws(RNNWError) in try size.size() },
        quantization: quantization, codec: try entry.required("codec").name("codec"),
        offset: try entry.required("offset").size(), length: try entry.required("length").size(),
        checksum: checksumValue)
    }
    try checkQuantization(quantization, elementType, tensor: name)
  }

  var json: JSONValue {
    get throws(RNNWError) {
      var scaling: JSONValue?
      if let quantization {
        scaling = [
          "scale": try finite(quantization.scale, "tensor '\(name)', scale"),
          "zeroPoint": .size(quantization.zeroPoint),
        ]
      }
      return .present([
        ("name", .string(name)), ("dtype", .string(elementType.rawValue)),
        ("shape", .array(shape.map(JSONValue.size))), ("quantization", scaling),
        ("codec", .string(codec.rawValue)), ("offset", .size(offset)), ("length", .size(length)),
        ("crc32", .integer(Int64(checksum))),
      ])
    }
  }
}

private func checkQuantization(
  _ quantization: Tensor.Quantization?, _ type: ElementType, tensor: String
) throws(RNNWError) {
  guard quantization == nil || !type.isFloat && type != .bool else {
    throw .quantization(tensor: tensor, reason: "\(type.rawValue) elements have no scale and zero point")
  }
}

// MARK: Reading

/// The tensors of a file by name; each must be used exactly once.
struct RNNWTensors {
  private var unused: [ExactString: Tensor] = [:]
  private var names: [String] = []

  /// None.
  init() {}

  /// Checks the layout (order, alignment, padding, nothing left over) and every tensor, and unfolds what is compressed.
  init(
    _ entries: [RNNWTensorEntry], in file: ByteBuffer, from dataOffset: Int, limits: Limits, verify: Bool
  ) throws(RNNWError) {
    var end = dataOffset
    var windows: [ByteBuffer] = []
    var broken: RNNWError?
    for entry in entries {
      do throws(RNNWError) { windows.append(try entry.stored(in: file, from: dataOffset, behind: end)) } catch
      {
        broken = error
        break
      }
      end = align(end) + entry.length
    }
    // Of several faults the first in the file is told: what a tensor holds comes before where the next one is.
    let stored = Array(zip(entries, windows))
    if verify {
      for ((entry, _), computed) in zip(stored, crc32(of: windows)) where computed != entry.checksum {
        throw .tensorChecksum(
          tensor: entry.name, offset: dataOffset + entry.offset, stored: entry.checksum, computed: computed)
      }
    }
    let tensors = concurrentMap(
      stored.count, threads: stored.contains { $0.0.codec != .raw } ? processorCount : 1
    ) { index -> Result<Tensor, RNNWError> in
      Result { () throws(RNNWError) in try stored[index].0.tensor(stored[index].1, limits: limits) }
    }
    for (entry, tensor) in zip(entries, tensors) {
      guard unused.updateValue(try tensor.get(), forKey: ExactString(entry.name)) == nil else {
        throw .duplicateTensor(entry.name)
      }
      names.append(entry.name)
    }
    if let broken { throw broken }
    guard end == file.count else { throw .trailingBytes(offset: end, count: file.count - end) }
  }

  /// The tensor that `node` names, or nil without one.
  mutating func take(_ node: HeaderNode?) throws(RNNWError) -> Tensor? {
    guard let node else { return nil }
    return try take(node) as Tensor
  }

  /// The tensor that `node` names.
  mutating func take(_ node: HeaderNode) throws(RNNWError) -> Tensor {
    let name = try node.text()
    if let tensor = unused.removeValue(forKey: ExactString(name)) { return tensor }
    let known = names.contains { $0.utf8.elementsEqual(name.utf8) }
    throw known ? .tensorUsedTwice(path: node.path, name: name) : .unknownTensor(path: node.path, name: name)
  }

  func finish() throws(RNNWError) {
    if let name = names.first(where: { unused[ExactString($0)] != nil }) { throw .unusedTensor(name) }
  }
}

extension RNNWTensorEntry {
  /// The window of its stored bytes, which must follow `end` with nothing but the padding between.
  fileprivate func stored(
    in file: ByteBuffer, from dataOffset: Int, behind end: Int
  ) throws(RNNWError) -> ByteBuffer {
    let (start, overflow) = dataOffset.addingReportingOverflow(offset)
    let outside = RNNWError.outsideFile(
      tensor: name, offset: overflow ? .max : start, length: length, available: file.count)
    if overflow { throw outside }
    guard start >= end else { throw .overlap(tensor: name, offset: start, previousEnd: end) }
    guard start % RNNWPreamble.alignment == 0 else { throw .misaligned(tensor: name, offset: start) }
    guard start == align(end) else { throw .gap(tensor: name, offset: start, expected: align(end)) }
    guard let padding = file.slice(offset: end, count: start - end),
      let stored = file.slice(offset: start, count: length)
    else { throw outside }
    if let place = firstNonZero(padding) { throw .padding(offset: end + place) }
    return stored
  }

  fileprivate func tensor(_ stored: ByteBuffer, limits: Limits) throws(RNNWError) -> Tensor {
    guard let count = checkedProduct(shape + [elementType.size]) else {
      throw .shapeTooLarge(tensor: name, shape: shape)
    }
    let bytes: ByteBuffer
    switch codec {
    case .raw:
      guard count == stored.count else {
        throw .wrongLength(tensor: name, expected: count, found: stored.count)
      }
      bytes = stored
    case .shuffleDeflate:
      do { bytes = try unfolded(stored, length: count, elementSize: elementType.size, limits: limits) } catch
      {
        throw .codec(tensor: name, error)
      }
    }
    do { return try Tensor(elementType, shape: shape, bytes: bytes, quantization: quantization) } catch {
      throw .wrongLength(tensor: name, expected: count, found: bytes.count)
    }
  }
}

// MARK: Writing

/// Collects the tensors of a model in the order of their use, and lays them out.
struct RNNWTensorTable {
  let codec: NativeFormat.Codec
  private var tensors: [(name: String, tensor: Tensor)] = []
  private var names: Set<ExactString> = []
  private var suffixes: [ExactString: Int] = [:]

  init(codec: NativeFormat.Codec) { self.codec = codec }

  /// Adds a tensor and returns its name as the header's reference to it; nil for none.
  mutating func add(_ tensor: Tensor?, _ wanted: String) throws(RNNWError) -> JSONValue? {
    guard let tensor else { return nil }
    let name = unique(wanted)
    try checkQuantization(tensor.quantization, tensor.elementType, tensor: name)
    tensors.append((name, tensor))
    return .string(name)
  }

  /// The table's rows, and the data section: padding and stored bytes in turn.
  func laidOut() throws(RNNWError) -> (entries: [RNNWTensorEntry], chunks: [ByteBuffer]) {
    let stored = try self.stored()
    // The header, which comes first, holds the checksums: each byte is read once for them, and once to be written.
    let checksums = crc32(of: stored, releasing: true)
    var entries: [RNNWTensorEntry] = []
    var chunks: [ByteBuffer] = []
    var end = 0
    for (index, (name, tensor)) in tensors.enumerated() {
      let offset = align(end)
      if offset > end { chunks.append(ByteBuffer(byteCount: offset - end) { _ in }) }
      if stored[index].count > 0 { chunks.append(stored[index]) }
      end = offset + stored[index].count
      entries.append(
        RNNWTensorEntry(
          name: name, elementType: tensor.elementType, shape: tensor.shape, quantization: tensor.quantization,
          codec: codec, offset: offset, length: stored[index].count, checksum: checksums[index]))
    }
    return (entries, chunks)
  }

  private func stored() throws(RNNWError) -> [ByteBuffer] {
    guard codec == .shuffleDeflate else { return tensors.map(\.tensor.bytes) }
    let folds = concurrentMap(tensors.count) { [tensors] index -> Result<ByteBuffer, DeflateError> in
      let tensor = tensors[index].tensor
      return Result { () throws(DeflateError) in
        try folded(tensor.bytes, elementSize: tensor.elementType.size)
      }
    }
    return try zip(tensors, folds).map { tensor, fold throws(RNNWError) in
      do throws(DeflateError) { return try fold.get() } catch { throw .codec(tensor: tensor.name, error) }
    }
  }

  /// `wanted`, or with `#2`, `#3`, … where layers share a name.
  private mutating func unique(_ wanted: String) -> String {
    let key = ExactString(wanted)
    var name = wanted
    while !names.insert(ExactString(name)).inserted {
      suffixes[key, default: 1] += 1
      name = "\(wanted)#\(suffixes[key]!)"
    }
    return name
  }
}
