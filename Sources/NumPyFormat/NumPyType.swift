internal import Tensors

/// A `descr` such as `<f4`: byte order, kind, and bytes of one element.
struct NumPyType: Equatable {
  let elementType: ElementType
  let isBigEndian: Bool

  /// Kind and size in NumPy's letters (numpy.dtype.str). bfloat16 has none: it is saved as two bytes of void.
  static let codes: [(code: String, elementType: ElementType)] = [
    ("f8", .float64), ("f4", .float32), ("f2", .float16),
    ("i8", .int64), ("i4", .int32), ("i2", .int16), ("i1", .int8),
    ("u8", .uint64), ("u4", .uint32), ("u2", .uint16), ("u1", .uint8),
    ("b1", .bool),
  ]

  /// Why the other kinds are refused.
  private static let refusals: [(kind: Character, reason: String)] = [
    ("O", "Python objects would have to be unpickled, which runs code from the file"),
    ("S", "byte strings are not numbers"), ("a", "byte strings are not numbers"),
    ("U", "strings are not numbers"), ("T", "strings are not numbers"),
    ("c", "complex numbers"), ("M", "dates"), ("m", "durations"),
    ("f", "only f2, f4 and f8 floats"), ("i", "only i1, i2, i4 and i8 integers"),
    ("u", "only u1, u2, u4 and u8 integers"), ("b", "only b1 booleans"),
  ]

  init(descr: String, voidIsBFloat16: Bool) throws(NumPyError) {
    guard let order = descr.first, "<>|=".contains(order) else {
      throw .unsupportedType(descr: descr, reason: "it does not start with a byte order (one of < > | =)")
    }
    let code = String(descr.dropFirst())
    if code == "V2" && order != ">" {
      // ml_dtypes' bfloat16 arrays say '<V2', and so do two bytes of anything else.
      guard voidIsBFloat16 else {
        throw .unsupportedType(
          descr: descr, reason: "two bytes without a meaning; bfloat16 if the reader is told so")
      }
      (elementType, isBigEndian) = (.bfloat16, false)
      return
    }
    guard let found = Self.codes.first(where: { $0.code == code }) else {
      let known = Self.refusals.first { $0.kind == code.first }
      throw .unsupportedType(descr: descr, reason: known?.reason ?? "its meaning is not known")
    }
    guard order != "|" || found.elementType.size == 1 else {
      throw .unsupportedType(descr: descr, reason: "several bytes without a byte order")
    }
    (elementType, isBigEndian) = (found.elementType, order == ">" && found.elementType.size > 1)
  }

  /// The `descr` that NumPy writes on a little-endian machine; nil for bfloat16.
  static func descr(_ elementType: ElementType) -> String? {
    codes.first { $0.elementType == elementType }.map { (elementType.size == 1 ? "|" : "<") + $0.code }
  }
}
