/// The element types that model files hold. Raw values are the names used in `.rnnw` and safetensors.
public enum ElementType: String, Sendable, CaseIterable, Hashable {
  /// IEEE 754 binary64.
  case float64 = "F64"
  /// IEEE 754 binary32.
  case float32 = "F32"
  /// IEEE 754 binary16.
  case float16 = "F16"
  /// The upper half of a binary32.
  case bfloat16 = "BF16"
  /// Signed, 8 bytes.
  case int64 = "I64"
  /// Signed, 4 bytes.
  case int32 = "I32"
  /// Signed, 2 bytes.
  case int16 = "I16"
  /// Signed, 1 byte; may be quantised.
  case int8 = "I8"
  /// Unsigned, 8 bytes.
  case uint64 = "U64"
  /// Unsigned, 4 bytes.
  case uint32 = "U32"
  /// Unsigned, 2 bytes.
  case uint16 = "U16"
  /// Unsigned, 1 byte; may be quantised.
  case uint8 = "U8"
  /// One byte: 0 is false, everything else true.
  case bool = "BOOL"

  /// Bytes of one element.
  public var size: Int {
    switch self {
    case .float64, .int64, .uint64: 8
    case .float32, .int32, .uint32: 4
    case .float16, .bfloat16, .int16, .uint16: 2
    case .int8, .uint8, .bool: 1
    }
  }

  /// Whether it is a floating-point type.
  public var isFloat: Bool {
    switch self {
    case .float64, .float32, .float16, .bfloat16: true
    default: false
    }
  }

  /// Unit roundoff u: half the distance from 1 to the next number; 0 for integers.
  public var unitRoundoff: Double {
    switch self {
    case .float64: 0x1p-53
    case .float32: 0x1p-24
    case .float16: 0x1p-11
    case .bfloat16: 0x1p-8
    default: 0
    }
  }
}

/// bfloat16: the upper half of a Float32.
package enum BFloat16 {
  package static func float(_ bits: UInt16) -> Float { Float(bitPattern: UInt32(bits) << 16) }

  /// Rounds to nearest, ties to even; a NaN stays a NaN.
  package static func bits(_ value: Float) -> UInt16 {
    let bits = value.bitPattern
    if value.isNaN { return UInt16(truncatingIfNeeded: bits >> 16) | 0x0040 }
    let rounded = bits &+ 0x7FFF &+ ((bits >> 16) & 1)
    return UInt16(truncatingIfNeeded: rounded >> 16)
  }
}
