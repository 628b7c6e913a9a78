internal import Tensors

/// The element types that PyTorch stores, with their names in pickles.
struct StorageType: Sendable, Equatable {
  /// Such as `torch.float32`.
  let name: String
  let size: Int
  /// Nil where nothing here computes with them, such as complex numbers.
  let elementType: ElementType?

  /// `torch.FloatStorage` and its kin: the class names the element type.
  static let classes: [String: StorageType] = [
    "DoubleStorage": .named("torch.float64")!, "FloatStorage": .named("torch.float32")!,
    "HalfStorage": .named("torch.float16")!, "BFloat16Storage": .named("torch.bfloat16")!,
    "LongStorage": .named("torch.int64")!, "IntStorage": .named("torch.int32")!,
    "ShortStorage": .named("torch.int16")!, "CharStorage": .named("torch.int8")!,
    "ByteStorage": .named("torch.uint8")!, "BoolStorage": .named("torch.bool")!,
    "UntypedStorage": .named("torch.uint8")!, "QInt8Storage": .named("torch.qint8")!,
    "QUInt8Storage": .named("torch.quint8")!, "QInt32Storage": .named("torch.qint32")!,
    "ComplexFloatStorage": .named("torch.complex64")!, "ComplexDoubleStorage": .named("torch.complex128")!,
  ]

  private static let types: [StorageType] = [
    StorageType(name: "torch.float64", size: 8, elementType: .float64),
    StorageType(name: "torch.float32", size: 4, elementType: .float32),
    StorageType(name: "torch.float16", size: 2, elementType: .float16),
    StorageType(name: "torch.bfloat16", size: 2, elementType: .bfloat16),
    StorageType(name: "torch.int64", size: 8, elementType: .int64),
    StorageType(name: "torch.int32", size: 4, elementType: .int32),
    StorageType(name: "torch.int16", size: 2, elementType: .int16),
    StorageType(name: "torch.int8", size: 1, elementType: .int8),
    StorageType(name: "torch.uint64", size: 8, elementType: .uint64),
    StorageType(name: "torch.uint32", size: 4, elementType: .uint32),
    StorageType(name: "torch.uint16", size: 2, elementType: .uint16),
    StorageType(name: "torch.uint8", size: 1, elementType: .uint8),
    StorageType(name: "torch.bool", size: 1, elementType: .bool),
    StorageType(name: "torch.qint8", size: 1, elementType: .int8),
    StorageType(name: "torch.quint8", size: 1, elementType: .uint8),
    StorageType(name: "torch.qint32", size: 4, elementType: .int32),
    StorageType(name: "torch.complex64", size: 8, elementType: nil),
    StorageType(name: "torch.complex128", size: 16, elementType: nil),
    StorageType(name: "torch.float8_e4m3fn", size: 1, elementType: nil),
    StorageType(name: "torch.float8_e5m2", size: 1, elementType: nil),
    StorageType(name: "torch.float8_e4m3fnuz", size: 1, elementType: nil),
    StorageType(name: "torch.float8_e5m2fnuz", size: 1, elementType: nil),
  ]

  static func named(_ name: String) -> StorageType? { types.first { $0.name == name } }

  /// How numbers of this type are swapped on the way from a big-endian file: a complex number is two.
  var swapSize: Int { name.hasPrefix("torch.complex") ? size / 2 : size }

  /// The class that a writer names for an element type; nil for those that have none.
  static func className(_ type: ElementType) -> String? {
    classes.first {
      $0.value.elementType == type && !$0.key.hasPrefix("Q") && $0.key != "UntypedStorage"
    }?.key
  }
}
