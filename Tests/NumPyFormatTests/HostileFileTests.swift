import ByteIO
import NumPyFormat
import Tensors
import TestSupport
import Testing

/// One fault each, in a file of which everything else is right.
private enum Corruption: CaseIterable {
  case empty, magic, version, minorVersion, noLength, headerOverrun, headerOverLimit
  case dataMissing, dataLeftOver, shapeOverflows, shapeOverflowsBesideZero, dimensions
  case boolIsTwo, bigEndianVoid, noByteOrder, severalBytesWithoutOrder, unknownKind

  func make() -> (bytes: [UInt8], error: NumPyError) {
    func file(
      _ descr: String = "<f4", _ shape: String = "(3,)", data: Int = 12, version: [UInt8] = [1, 0]
    ) -> [UInt8] {
      npy("{'descr': '\(descr)', 'fortran_order': False, 'shape': \(shape), }", data: data, version: version)
    }
    switch self {
    case .empty: return ([], .notNumPy)
    case .magic: return ([0x94] + file().dropFirst(), .notNumPy)
    case .version: return (file(version: [4, 0]), .unsupportedVersion(major: 4, minor: 0))
    case .minorVersion: return (file(version: [1, 1]), .unsupportedVersion(major: 1, minor: 1))
    case .noLength:
      return (
        Array(file().prefix(9)),
        .truncated(ParseError(offset: 8, reason: "header length needs 2 bytes, only 1 are left"))
      )
    case .headerOverrun:
      return (
        Array(file().prefix(40)),
        .truncated(ParseError(offset: 10, reason: "header needs 118 bytes, only 30 are left"))
      )
    case .headerOverLimit:
      var bytes = file(version: [2, 0])
      bytes.replaceSubrange(8..<12, with: [0xFF, 0xFF, 0xFF, 0xFF])
      return (bytes, .headerTooLong(0xFFFF_FFFF, limit: Limits.standard.headerBytes))
    case .dataMissing:
      return (file(data: 11), .wrongByteCount(descr: "<f4", shape: [3], expected: 12, found: 11))
    case .dataLeftOver:
      return (file(data: 13), .wrongByteCount(descr: "<f4", shape: [3], expected: 12, found: 13))
    case .shapeOverflows:
      return (
        file("<f4", "(4294967296, 4294967296)"), .shapeTooLarge([1 << 32, 1 << 32])
      )
    case .shapeOverflowsBesideZero:
      return (
        file("<f4", "(4294967296, 4294967296, 0)", data: 0), .shapeTooLarge([1 << 32, 1 << 32, 0])
      )
    case .dimensions:
      let shape = "(" + String(repeating: "1, ", count: 65) + ")"
      return (file("<f4", shape, data: 4), .tooManyDimensions(65, limit: 64))
    case .boolIsTwo:
      var bytes = file("|b1", "(3,)", data: 3)
      bytes[bytes.count - 2] = 2
      return (bytes, .notBool(offset: 1, value: 2))
    case .bigEndianVoid:
      return (
        file(">V2", data: 6), .unsupportedType(descr: ">V2", reason: "its meaning is not known")
      )
    case .noByteOrder:
      return (
        file("f4"),
        .unsupportedType(
          descr: "f4", reason: "it does not start with a byte order (one of < > | =)")
      )
    case .severalBytesWithoutOrder:
      return (file("|f4"), .unsupportedType(descr: "|f4", reason: "several bytes without a byte order"))
    case .unknownKind:
      return (file("<q9"), .unsupportedType(descr: "<q9", reason: "its meaning is not known"))
    }
  }
}

/// A file with this header, padded to 64, and `data` zero bytes.
private func npy(_ header: String, data: Int = 0, version: [UInt8] = [1, 0]) -> [UInt8] {
  let lengthBytes = version[0] == 1 ? 2 : 4
  let padding = 64 - (8 + lengthBytes + header.utf8.count + 1) % 64
  let text = header + String(repeating: " ", count: padding) + "\n"
  var writer = ByteWriter()
  writer.append([0x93] + Array("NUMPY".utf8) + version)
  if version[0] == 1 {
    writer.appendLittleEndian(UInt16(text.utf8.count))
  } else {
    writer.appendLittleEndian(UInt32(text.utf8.count))
  }
  writer.append(text)
  return writer.bytes + [UInt8](repeating: 0, count: data)
}

@Suite struct HostileFileTests {
  @Test(arguments: Corruption.allCases)
  private func `a file with one fault is refused with the error that names it`(
    corruption: Corruption
  ) {
    let (bytes, error) = corruption.make()
    #expect(throws: error) { try NumPyFormat.decodeArray(ByteBuffer(bytes)) }
    #expect(!error.description.isEmpty)
  }

  @Test(
    arguments: [
      "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3)}",
      "{\"shape\":(2,3,),\"descr\":\"<f4\",\"fortran_order\":False,}",
      "  {\n'fortran_order' : False ,\t'shape' : ( 2 , 3 ) , 'descr' : '<f4' }  ",
      "{'descr': '<f4', 'fortran_order': False, 'shape': (2L, 3L), }",
      "{'descr': '=f4', 'fortran_order': False, 'shape': (2, 3), }",
    ])
  func `a header may be written in any way that Python takes`(header: String) throws {
    let tensor = try NumPyFormat.decodeArray(ByteBuffer(npy(header, data: 24)))
    #expect(tensor.shape == [2, 3])
    #expect(tensor.elementType == .float32)
  }

  @Test(
    arguments: [
      "", "{", "{}", "{,}", "[]", "None",
      "{'descr': '<f4', 'fortran_order': False}",
      "{'descr': '<f4', 'shape': (2, 3)}",
      "{'fortran_order': False, 'shape': (2, 3)}",
      "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), 'more': 1}",
      "{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': (2, 3)}",
      "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3)} + {}",
      "{'descr': '<f4' 'fortran_order': False, 'shape': (2, 3)}",
      "{'descr': '<f4', 'fortran_order': 0, 'shape': (2, 3)}",
      "{'descr': '<f4', 'fortran_order': false, 'shape': (2, 3)}",
      "{'descr': '<f4', 'fortran_order': False, 'shape': 6}",
      "{'descr': '<f4', 'fortran_order': False, 'shape': (6)}",
      "{'descr': '<f4', 'fortran_order': False, 'shape': [2, 3]}",
      "{'descr': '<f4', 'fortran_order': False, 'shape': (,)}",
      "{'descr': '<f4', 'fortran_order': False, 'shape': (2,, 3)}",
      "{'descr': '<f4', 'fortran_order': False, 'shape': (2 3)}",
      "{'descr': '<f4', 'fortran_order': False, 'shape': (-2, -3)}",
      "{'descr': '<f4', 'fortran_order': False, 'shape': (2.0, 3)}",
      "{'descr': '<f4', 'fortran_order': False, 'shape': (02, 3)}",
      "{'descr': '<f4', 'fortran_order': False, 'shape': (0x2, 3)}",
      "{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999, 3)}",
      "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3",
      "{'descr': '\\x3cf4', 'fortran_order': False, 'shape': (2, 3)}",
      "{'descr': '<f4, 'fortran_order': False, 'shape': (2, 3)}",
      "{'descr': '<f4\u{E9}', 'fortran_order': False, 'shape': (2, 3)}",
      "{'descr': __import__('os'), 'fortran_order': False, 'shape': (2, 3)}",
    ])
  func `a header that is not the three keys' literal is refused`(header: String) {
    let error = #expect(throws: NumPyError.self) {
      try NumPyFormat.decodeArray(ByteBuffer(npy(header, data: 24)))
    }
    guard case .badHeader(let offset, _) = error else {
      Issue.record("\(String(describing: error))")
      return
    }
    #expect((10...10 + header.utf8.count + 64).contains(offset))
  }

  @Test func `Python 2's long integers are no part of version 3`() {
    let header = "{'descr': '<f4', 'fortran_order': False, 'shape': (2L, 3L), }"
    #expect(throws: NumPyError.self) {
      try NumPyFormat.decodeArray(ByteBuffer(npy(header, data: 24, version: [3, 0])))
    }
  }

  @Test func `a file cut at any byte is an error`() throws {
    for shape in [[], [3], [2, 3]] {
      let tensor = SeededTensor.make(shape)
      let bytes = ByteBuffer(joining: try NumPyFormat.encodeArray(tensor))
      for count in 0..<bytes.count {
        #expect(throws: NumPyError.self) {
          try NumPyFormat.decodeArray(bytes.slice(offset: 0, count: count)!)
        }
      }
    }
  }

  @Test func `a file with any byte changed is an error or holds as many bytes`() throws {
    let original = ByteBuffer(joining: try NumPyFormat.encodeArray(SeededTensor.make([2, 3]))).array
    var (read, refused) = (0, 0)
    for index in original.indices {
      for value in UInt8.min...UInt8.max where index < 80 || value % 51 == 0 {
        var damaged = original
        damaged[index] = value
        if let tensor = try? NumPyFormat.decodeArray(ByteBuffer(damaged), voidIsBFloat16: true) {
          #expect(tensor.bytes.count == 24)
          read += 1
        } else {
          refused += 1
        }
      }
    }
    #expect(read > 0 && refused > 0)
  }

  @Test(arguments: [false, true])
  func `an archive cut at any byte, or with any byte flipped, is an error or valid`(
    compressed: Bool
  ) throws {
    let tensor = SeededTensor.make([2, 3])
    let bytes = ByteBuffer(
      joining: try NumPyFormat.encodeArchive([("a", tensor), ("b", tensor)], compressed: compressed))
    for count in 0..<bytes.count {
      #expect(throws: NumPyError.self) {
        try NumPyFormat.decodeArchive(bytes.slice(offset: 0, count: count)!)
      }
    }
    var (read, refused) = (0, 0)
    for index in 0..<bytes.count {
      var damaged = bytes.array
      damaged[index] ^= 0xFF
      if let arrays = try? NumPyFormat.decodeArchive(ByteBuffer(damaged)) {
        // The checksums cover everything but names that both headers agree on.
        #expect(arrays.map(\.tensor) == [tensor, tensor])
        read += 1
      } else {
        refused += 1
      }
    }
    #expect(read > 0 && refused > 0)
  }

  @Test func `an archive's faults are named with the member`() throws {
    var writer = ZipWriter()
    try writer.append(name: "a.npy", [ByteBuffer(npy("{}"))])
    let chunks = writer.finish()
    let missing = NumPyError.badHeader(offset: 64, reason: "no key 'descr'")
    #expect(throws: NumPyError.member("a", missing)) {
      try NumPyFormat.decodeArchive(ByteBuffer(joining: chunks))
    }
    for name in ["notes.txt", ".npy", "a.NPY"] {
      var writer = ZipWriter()
      try writer.append(name: name, [])
      let chunks = writer.finish()
      #expect(throws: NumPyError.notAnArray(member: name)) {
        try NumPyFormat.decodeArchive(ByteBuffer(joining: chunks))
      }
    }
    #expect(throws: NumPyError.archive(.noEndRecord)) { try NumPyFormat.decodeArchive(ByteBuffer([])) }
  }
}

enum SeededTensor {
  static func make(_ shape: [Int]) -> Tensor {
    var generator = SeededGenerator(seed: 11)
    return generator.tensor(shape)
  }
}
