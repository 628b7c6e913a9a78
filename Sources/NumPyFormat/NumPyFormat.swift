public import ByteIO
public import Tensors

/// NumPy's `.npy` arrays and `.npz` archives. Pickled objects are refused, never loaded.
public enum NumPyFormat {
  public enum Kind: Sendable, Equatable {
    /// One array, `.npy`.
    case array
    /// A zip archive of named arrays, `.npz`.
    case archive
  }

  /// What the first bytes say the file is: an archive is one whose first member is named as an array.
  public static func kind(of bytes: ByteBuffer) -> Kind? {
    var reader = ByteReader(bytes)
    guard let start = try? reader.take(NumPyHeader.magic.count, "magic").array else { return nil }
    if start == NumPyHeader.magic { return .array }
    guard start.starts(with: [0x50, 0x4B, 3, 4]), (try? reader.skip(20, "zip header")) != nil,
      let nameLength = try? reader.littleEndian(UInt16.self, "name length"),
      (try? reader.skip(2, "extra length")) != nil,
      let name = try? reader.take(Int(nameLength), "name").array
    else { return nil }
    return name.count > suffix.count && name.suffix(suffix.count) == suffix ? .archive : nil
  }

  public static func recognises(_ bytes: ByteBuffer) -> Bool { kind(of: bytes) != nil }

  /// The array in a `.npy` file. Aligned little-endian data in C order is not copied.
  ///
  /// `voidIsBFloat16`: take two-byte voids (`<V2`) for bfloat16, as ml_dtypes saves it. Without it they are
  /// refused, because the file does not say what they are.
  public static func decodeArray(
    _ bytes: ByteBuffer, limits: Limits = .standard, voidIsBFloat16: Bool = false
  ) throws(NumPyError) -> Tensor {
    var reader = ByteReader(bytes)
    let header = try NumPyHeader(parsing: &reader, limits: limits)
    let type = try NumPyType(descr: header.descr, voidIsBFloat16: voidIsBFloat16)
    let size = type.elementType.size
    guard let byteCount = checkedProduct(header.shape + [size]) else { throw .shapeTooLarge(header.shape) }
    guard byteCount == reader.remaining, var data = bytes.slice(offset: reader.offset, count: byteCount)
    else {
      throw .wrongByteCount(
        descr: header.descr, shape: header.shape, expected: byteCount, found: reader.remaining)
    }
    if type.elementType == .bool { try checkBools(data) }
    if type.isBigEndian { data = byteSwapped(data, size: size) }
    if !data.isAligned(to: size) { data = ByteBuffer(joining: [data]) }
    do throws(TensorError) {
      // Fortran order is C order with the axes reversed.
      guard header.fortranOrder, header.shape.count > 1 else {
        return try Tensor(type.elementType, shape: header.shape, bytes: data)
      }
      return try Tensor(type.elementType, shape: header.shape.reversed(), bytes: data)
        .transposed(header.shape.indices.reversed())
    } catch {
      throw .shapeTooLarge(header.shape)
    }
  }

  /// The arrays of a `.npz` file in its order, under their names without `.npy`.
  public static func decodeArchive(
    _ bytes: ByteBuffer, limits: Limits = .standard, voidIsBFloat16: Bool = false
  ) throws(NumPyError) -> [(name: String, tensor: Tensor)] {
    let archive = try zip { () throws(ZipError) in try ZipArchive(parsing: bytes, limits: limits) }
    var tensors: [(name: String, tensor: Tensor)] = []
    for member in archive.members {
      guard member.name.utf8.count > suffix.count, member.name.utf8.suffix(suffix.count).elementsEqual(suffix)
      else { throw .notAnArray(member: member.name) }
      let name = String(decoding: member.name.utf8.dropLast(suffix.count), as: UTF8.self)
      let content = try zip { () throws(ZipError) in try archive.content(of: member) }
      do {
        tensors.append((name, try decodeArray(content, limits: limits, voidIsBFloat16: voidIsBFloat16)))
      } catch {
        throw .member(name, error)
      }
    }
    return tensors
  }

  /// A `.npy` file with the bytes that `numpy.save` writes; the data is not copied.
  public static func encodeArray(_ tensor: Tensor) throws(NumPyError) -> [ByteBuffer] {
    guard let descr = NumPyType.descr(tensor.elementType) else {
      throw .notExpressible(tensor.elementType, reason: "convert it to F32 first, which is exact")
    }
    guard tensor.quantization == nil else {
      throw .notExpressible(
        tensor.elementType, reason: "scale and zero point would be lost; convert it to F32")
    }
    guard tensor.shape.count <= NumPyHeader.maximumDimensions else {
      throw .tooManyDimensions(tensor.shape.count, limit: NumPyHeader.maximumDimensions)
    }
    return [ByteBuffer(NumPyHeader(descr: descr, shape: tensor.shape).bytes), tensor.bytes]
  }

  /// A `.npz` file: stored members start at multiples of 64, so that they can be mapped.
  public static func encodeArchive(
    _ tensors: [(name: String, tensor: Tensor)], compressed: Bool = false
  ) throws(NumPyError) -> [ByteBuffer] {
    var writer = ZipWriter(alignment: 64)
    for (name, tensor) in tensors {
      let chunks: [ByteBuffer]
      do { chunks = try encodeArray(tensor) } catch { throw .member(name, error) }
      do {
        try writer.append(name: name + ".npy", chunks, method: compressed ? .deflated : .stored)
      } catch .duplicateMember {
        throw .duplicateName(name)
      } catch {
        throw .archive(error)
      }
    }
    return writer.finish()
  }

  private static let suffix = Array(".npy".utf8)

  private static func zip<Result>(_ body: () throws(ZipError) -> Result) throws(NumPyError) -> Result {
    do { return try body() } catch { throw .archive(error) }
  }

  private static func checkBools(_ data: ByteBuffer) throws(NumPyError) {
    let place = data.withUnsafeBytes { $0.firstIndex { $0 > 1 } }
    if let place { throw .notBool(offset: place, value: data[place]) }
  }

  private static func byteSwapped(_ data: ByteBuffer, size: Int) -> ByteBuffer {
    func swapped<Raw: FixedWidthInteger & BitwiseCopyable>(_ type: Raw.Type) -> ByteBuffer {
      // Every byte is written: the count is a multiple of the size.
      ByteBuffer(unsafeUninitializedByteCount: data.count) { target in
        data.withUnsafeBytes { source in
          for offset in stride(from: 0, to: source.count, by: MemoryLayout<Raw>.size) {
            let raw = source.loadUnaligned(fromByteOffset: offset, as: Raw.self)
            target.storeBytes(of: raw.byteSwapped, toByteOffset: offset, as: Raw.self)
          }
        }
      }
    }
    switch size {
    case 8: return swapped(UInt64.self)
    case 4: return swapped(UInt32.self)
    default: return swapped(UInt16.self)
    }
  }
}
