internal import ByteIO

/// A value of a pickle. Containers are indices into a heap: a pickle may share them, and may make them contain
/// themselves, so a tree would be endless to walk and deep to free.
enum PickleValue: Sendable, Equatable {
  case none
  case bool(Bool)
  case integer(Int64)
  /// An integer of more than 64 bits; nothing here needs its digits.
  case largeInteger
  case real(Double)
  case text(String)
  /// Bytes, or a string of Python 2, which may be either.
  case bytes(ByteBuffer)
  case list(Int)
  case tuple(Int)
  case set(Int)
  case dictionary(Int)
  case record(Int)
  case tensor(Int)
  case storage(Int)
  case global(Int)

  /// What messages call this kind of value.
  var kindName: String {
    switch self {
    case .none: "None"
    case .bool: "a boolean"
    case .integer, .largeInteger: "an integer"
    case .real: "a float"
    case .text: "a string"
    case .bytes: "bytes"
    case .list: "a list"
    case .tuple: "a tuple"
    case .set: "a set"
    case .dictionary: "a dictionary"
    case .record: "an object"
    case .tensor: "a tensor"
    case .storage: "a storage"
    case .global: "a class or function"
    }
  }

  /// A string, also one of Python 2.
  var text: String? {
    switch self {
    case .text(let text): text
    case .bytes(let bytes): String(validating: bytes.array, as: UTF8.self)
    default: nil
    }
  }

  var integer: Int? {
    switch self {
    case .integer(let number): Int(exactly: number)
    case .bool(let flag): flag ? 1 : 0
    default: nil
    }
  }
}

/// An object of a class that is not ours: what the file says of it, and nothing that could run.
struct PickleRecord: Sendable, Equatable {
  /// Such as `torch.nn.modules.rnn.LSTM`.
  let className: String
  let arguments: [PickleValue]
  /// What BUILD set.
  var state: PickleValue = .none
  /// Items and elements, where the class is a kind of dictionary or list.
  var items: [PickleItem] = []
  var elements: [PickleValue] = []
}

struct PickleItem: Sendable, Equatable {
  let key: PickleValue
  let value: PickleValue
}

/// A storage as the pickle refers to it; its bytes are elsewhere.
struct StorageReference: Sendable, Equatable {
  let key: String
  let type: StorageType
  /// Elements of the whole storage.
  let count: Int
  /// The elements of a storage that is a view of another one.
  let view: Range<Int>?
  /// The bytes, where the pickle itself holds them.
  var content: ByteBuffer?
}

/// A tensor as the pickle describes it: a window onto a storage.
struct TensorReference: Sendable, Equatable {
  let storage: StorageReference
  let type: StorageType
  let offset: Int
  let shape: [Int]
  let strides: [Int]
  /// Scale and zero point of a quantised tensor.
  var scale: Double?
  var zeroPoint = 0
}

/// Everything that one pickle made.
struct PickleHeap: Sendable {
  var sequences: [[PickleValue]] = []
  var dictionaries: [[PickleItem]] = []
  var records: [PickleRecord] = []
  var tensors: [TensorReference] = []
  var storages: [StorageReference] = []
  var globals: [String] = []

  mutating func list(_ elements: [PickleValue]) -> PickleValue {
    sequences.append(elements)
    return .list(sequences.count - 1)
  }

  mutating func tuple(_ elements: [PickleValue]) -> PickleValue {
    sequences.append(elements)
    return .tuple(sequences.count - 1)
  }

  mutating func set(_ elements: [PickleValue]) -> PickleValue {
    sequences.append(elements)
    return .set(sequences.count - 1)
  }

  mutating func dictionary(_ items: [PickleItem]) -> PickleValue {
    dictionaries.append(items)
    return .dictionary(dictionaries.count - 1)
  }

  mutating func record(_ className: String, _ arguments: [PickleValue]) -> PickleValue {
    records.append(PickleRecord(className: className, arguments: arguments))
    return .record(records.count - 1)
  }

  mutating func tensor(_ reference: TensorReference) -> PickleValue {
    tensors.append(reference)
    return .tensor(tensors.count - 1)
  }

  /// The elements of a list or tuple.
  func elements(_ value: PickleValue) -> [PickleValue]? {
    switch value {
    case .list(let index), .tuple(let index): sequences[index]
    default: nil
    }
  }

  /// The items of a dictionary, or of an object that took some.
  func items(_ value: PickleValue) -> [PickleItem]? {
    switch value {
    case .dictionary(let index): dictionaries[index]
    case .record(let index) where !records[index].items.isEmpty: records[index].items
    default: nil
    }
  }

  /// The value under a string key; the last one, as in Python.
  func value(_ key: String, in value: PickleValue) -> PickleValue? {
    items(value)?.last { $0.key.text == key }?.value
  }

  /// Sizes or strides of a tensor of at most 64 axes.
  func sizes(_ value: PickleValue) -> [Int]? {
    guard let elements = elements(value), elements.count <= 64 else { return nil }
    let numbers = elements.compactMap(\.integer).filter { $0 >= 0 }
    return numbers.count == elements.count ? numbers : nil
  }
}
