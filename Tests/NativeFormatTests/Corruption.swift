import ByteIO
import NativeFormat
import Recurrent

/// One fault a case, each in an otherwise valid file, with the error that must name it.
enum Corruption: CaseIterable {
  case empty, foreign, lineFeedsToDOS, lineFeedsFromDOS, highBitsStripped, reencoded
  case unknownVersion, unknownFlag, flagMissing, flagUnneeded
  case headerTooLong, wrongDataOffset, headerChecksum, headerPadding
  case notJSON, duplicateKey, emptyHeader
  case whiteSpace, unsortedKeys, longNumber, needlessEscape
  case unknownKey, unknownNestedKey, missingKey, nullForAbsent, integerForReal, unneededAlpha
  case unknownElementType, unknownCodec, unknownOperation, unknownActivation, unknownKind
  case negativeSize, offset2To63, offsetOverflow, lengthOverflow, hugeShape, wrongShape
  case overlap, misaligned, gap, dataPadding, trailingByte, missingByte, checksumTooWide
  case duplicateTensor, unknownTensor, tensorUsedTwice, unusedTensor
  case tensorChecksum, rawForDeflate, deflateForRaw, bomb, shortStream, longStream, cutStream, streamTail
  case quantizedFloat, equivalentMetadataKeys, invalidModel, emptyClip

  /// The file, and the error it must give.
  func file() throws -> (bytes: [UInt8], error: RNNWError) {
    var lstm = try FileParts.vector("lstm-raw")
    var dense = try FileParts.vector("dense-deflate")
    let tensors = "header.tensors"
    let w = "lstm.forward.inputWeight"
    let r = "lstm.forward.recurrentWeight"
    let b = "lstm.forward.inputBias"

    /// The LSTM's header with `old` replaced; the error may depend on the new file.
    func header(_ old: String, _ new: String, _ error: (FileParts) -> RNNWError) -> ([UInt8], RNNWError) {
      lstm.replace(old, by: new)
      return (lstm.bytes, error(lstm))
    }

    switch self {
    case .empty: return ([], .notRNNW)
    case .foreign: return (Array("PK\u{3}\u{4} RNN".utf8), .notRNNW)
    case .lineFeedsToDOS:
      let bytes = lstm.bytes.flatMap { $0 == 0x0A ? [0x0D, 0x0A] : [$0] }
      return (bytes, .damagedMagic(found: [0x89, 0x52, 0x4E, 0x4E, 0x0D, 0x0D, 0x0A, 0x1A]))
    case .lineFeedsFromDOS:
      lstm.magic = [0x89, 0x52, 0x4E, 0x4E, 0x0A, 0x1A, 0x0A]
      return (lstm.bytes, .damagedMagic(found: lstm.magic + [1]))
    case .highBitsStripped:
      let bytes = lstm.bytes.map { $0 & 0x7F }
      return (bytes, .damagedMagic(found: [0x09, 0x52, 0x4E, 0x4E, 0x0D, 0x0A, 0x1A, 0x0A]))
    case .reencoded:  // from Latin-1 to UTF-8
      lstm.magic = [0xC2, 0x89, 0x52, 0x4E, 0x4E, 0x0D, 0x0A, 0x1A, 0x0A]
      return (lstm.bytes, .damagedMagic(found: Array(lstm.magic.prefix(8))))

    case .unknownVersion:
      lstm.version = 2
      return (lstm.bytes, .unknownVersion(2))
    case .unknownFlag:
      lstm.flags = 1 << 7
      return (lstm.bytes, .unknownFlag(bit: 7))
    case .flagMissing:
      dense.flags = 0
      return (dense.bytes, .wrongFlag("shuffle+deflate", isSet: false))
    case .flagUnneeded:
      lstm.flags = 2
      return (lstm.bytes, .wrongFlag("quantization", isSet: true))

    case .headerTooLong:
      var bytes = lstm.bytes
      bytes.replaceSubrange(24..<28, with: [1, 0, 0, 4])
      return (bytes, .headerTooLong(length: (64 << 20) + 1, limit: 64 << 20))
    case .wrongDataOffset:
      var bytes = lstm.bytes
      bytes[23] = 0x80
      return (bytes, .wrongDataOffset(expected: lstm.dataOffset, found: 1 << 63 | UInt64(lstm.dataOffset)))
    case .headerChecksum:
      var bytes = lstm.bytes
      let stored = bytes[28..<32].reversed().reduce(0) { $0 << 8 | UInt32($1) }
      bytes[28] ^= 1
      return (bytes, .headerChecksum(stored: stored ^ 1, computed: stored))
    case .headerPadding:
      var bytes = lstm.bytes
      bytes[lstm.dataOffset - 1] = 1
      return (bytes, .padding(offset: lstm.dataOffset - 1))

    case .notJSON:
      lstm.header = "[1,]"
      return (lstm.bytes, .json(ParseError(offset: 35, reason: "expected a JSON value")))
    case .duplicateKey:
      return header("{\"inputs\":", "{\"inputs\":[],\"inputs\":") { _ in
        .json(ParseError(offset: 45, reason: "the key 'inputs' occurs twice in one object"))
      }
    case .emptyHeader:
      lstm.header = ""
      return (
        lstm.bytes, .json(ParseError(offset: 32, reason: "the JSON text ends where a value is expected"))
      )

    case .whiteSpace: return header("{\"inputs\":", "{\"inputs\": ") { _ in .notCanonical(offset: 42) }
    case .unsortedKeys:
      return header("\"alpha\":0.2,\"beta\":0.5", "\"beta\":0.5,\"alpha\":0.2") {
        .notCanonical(offset: 32 + $0.place(of: "beta"))
      }
    case .longNumber:
      return header("\"clip\":5.5", "\"clip\":5.50") {
        .notCanonical(offset: 32 + $0.place(of: "0,\"direction\""))
      }
    case .needlessEscape:
      return header("\"one\\ntwo\"", "\"one\\u000atwo\"") {
        .notCanonical(offset: 32 + $0.place(of: "u000a"))
      }

    case .unknownKey:
      return header(",\"tensors\":", ",\"secret\":1,\"tensors\":") { _ in
        .unknownKey(path: "header", key: "secret")
      }
    case .unknownNestedKey:
      return header("\"inputSize\":1", "\"inputSize\":1,\"x-a\":0") { _ in
        .unknownKey(path: "header.layers[0].attributes", key: "x-a")
      }
    case .missingKey:
      return header(",\"inputForget\":false", "") { _ in
        .missingKey(path: "header.layers[0].attributes", key: "inputForget")
      }
    case .nullForAbsent:
      return header("\"clip\":5.5", "\"clip\":null") { _ in
        .wrongKind(
          path: "header.layers[0].attributes.clip", expected: "a real number (with '.' or 'e')", found: "null"
        )
      }
    case .integerForReal:
      return header("\"clip\":5.5", "\"clip\":5") { _ in
        .wrongKind(
          path: "header.layers[0].attributes.clip", expected: "a real number (with '.' or 'e')",
          found: "an integer")
      }
    case .unneededAlpha:
      return header("{\"kind\":\"tanh\"}", "{\"alpha\":0.0,\"kind\":\"tanh\"}") { _ in
        .unknownKey(path: "header.layers[0].attributes.directions[0].candidateActivation", key: "alpha")
      }

    case .unknownElementType:
      return header("\"dtype\":\"F32\",\"length\"", "\"dtype\":\"F31\",\"length\"") { _ in
        .unknownName(path: tensors + "[0].dtype", what: "element type", name: "F31")
      }
    case .unknownCodec:
      return header("\"codec\":\"raw\"", "\"codec\":\"zstd\"") { _ in
        .unknownName(path: tensors + "[0].codec", what: "codec", name: "zstd")
      }
    case .unknownOperation:
      return header("\"LSTM\"", "\"LSTN\"") { _ in
        .unknownName(path: "header.layers[0].operation", what: "operation", name: "LSTN")
      }
    case .unknownActivation:
      return header("\"tanh\"", "\"Tanh\"") { _ in
        .unknownName(
          path: "header.layers[0].attributes.directions[0].candidateActivation.kind", what: "activation",
          name: "Tanh")
      }
    case .unknownKind:
      return header("\"sequence\"", "\"matrix\"") { _ in
        .unknownName(path: "header.inputs[0].kind", what: "kind of value", name: "matrix")
      }

    case .negativeSize:
      return header("\"shape\":[4,1]", "\"shape\":[4,-1]") { _ in
        .header(path: tensors + "[0].shape[1]", reason: "-1 is negative")
      }
    case .offset2To63:
      return header("\"offset\":64", "\"offset\":9223372036854775808") { _ in
        .wrongKind(path: tensors + "[1].offset", expected: "an integer of 64 bits", found: "a real number")
      }
    case .offsetOverflow:
      return header("\"offset\":64", "\"offset\":9223372036854775744") {
        .outsideFile(tensor: r, offset: .max, length: 16, available: $0.bytes.count)
      }
    case .lengthOverflow:
      return header("\"length\":16", "\"length\":9223372036854775807") {
        .outsideFile(tensor: w, offset: $0.dataOffset, length: .max, available: $0.bytes.count)
      }
    case .hugeShape:
      return header("\"shape\":[4,1]", "\"shape\":[4,4611686018427387904]") { _ in
        .shapeTooLarge(tensor: w, shape: [4, 1 << 62])
      }
    case .wrongShape:
      return header("\"shape\":[4,1]", "\"shape\":[4,2]") { _ in
        .wrongLength(tensor: w, expected: 32, found: 16)
      }

    case .overlap:
      return header("\"offset\":64", "\"offset\":0") {
        .overlap(tensor: r, offset: $0.dataOffset, previousEnd: $0.dataOffset + 16)
      }
    case .misaligned:
      return header("\"offset\":64", "\"offset\":72") { .misaligned(tensor: r, offset: $0.dataOffset + 72) }
    case .gap:
      return header("\"offset\":64", "\"offset\":128") {
        .gap(tensor: r, offset: $0.dataOffset + 128, expected: $0.dataOffset + 64)
      }
    case .dataPadding:
      lstm.data[63] = 1
      return (lstm.bytes, .padding(offset: lstm.dataOffset + 63))
    case .trailingByte:
      lstm.data.append(0)
      return (lstm.bytes, .trailingBytes(offset: lstm.bytes.count - 1, count: 1))
    case .missingByte:
      lstm.data.removeLast()
      return (
        lstm.bytes,
        .outsideFile(tensor: b, offset: lstm.dataOffset + 128, length: 16, available: lstm.bytes.count)
      )
    case .checksumTooWide:
      return header("\"crc32\":", "\"crc32\":99") { _ in
        .header(path: tensors + "[0].crc32", reason: "a CRC-32 has 32 bits")
      }

    case .duplicateTensor:
      return header("\"name\":\"\(r)\"", "\"name\":\"\(w)\"") { _ in .duplicateTensor(w) }
    case .unknownTensor:
      return header("\"inputBias\":\"\(b)\"", "\"inputBias\":\"b\"") { _ in
        .unknownTensor(path: "header.layers[0].attributes.directions[0].inputBias", name: "b")
      }
    case .tensorUsedTwice:
      return header("\"recurrentWeight\":\"\(r)\"", "\"recurrentWeight\":\"\(w)\"") { _ in
        .tensorUsedTwice(path: "header.layers[0].attributes.directions[0].recurrentWeight", name: w)
      }
    case .unusedTensor: return header("\"inputBias\":\"\(b)\",", "") { _ in .unusedTensor(b) }

    case .tensorChecksum:
      let stored = crc32(ByteBuffer(lstm.data[64..<80]))
      lstm.data[64] ^= 0x80
      let computed = crc32(ByteBuffer(lstm.data[64..<80]))
      return (
        lstm.bytes,
        .tensorChecksum(tensor: r, offset: lstm.dataOffset + 64, stored: stored, computed: computed)
      )
    case .rawForDeflate:
      dense.replace("\"codec\":\"shuffle+deflate\"", by: "\"codec\":\"raw\"")
      return (dense.bytes, .wrongLength(tensor: "dense.weight", expected: 128, found: 57))
    case .deflateForRaw:
      lstm.flags = 1
      return header("\"codec\":\"raw\"", "\"codec\":\"shuffle+deflate\"") { _ in .codec(tensor: w, .corrupt) }
    case .bomb:
      dense.replace("\"shape\":[4,8]", by: "\"shape\":[4,134217728]")
      return (dense.bytes, .codec(tensor: "dense.weight", .overRatio(Limits.standard.inflationRatio)))
    case .shortStream:
      dense.replace("\"shape\":[4,8]", by: "\"shape\":[4,9]")
      return (dense.bytes, .codec(tensor: "dense.weight", .wrongLength(expected: 144)))
    case .longStream:
      dense.replace("\"shape\":[4,8]", by: "\"shape\":[4,7]")
      return (dense.bytes, .codec(tensor: "dense.weight", .wrongLength(expected: 112)))
    case .cutStream:
      dense.editData(64..<80) { $0.removeLast() }
      dense.replace("\"length\":16", by: "\"length\":15")
      return (dense.bytes, .codec(tensor: "dense.bias", .corrupt))
    case .streamTail:
      dense.editData(64..<80) { $0.append(0) }
      dense.replace("\"length\":16", by: "\"length\":17")
      return (dense.bytes, .codec(tensor: "dense.bias", .trailingBytes(1)))

    case .quantizedFloat:
      lstm.flags = 2
      return header("\"offset\":0,", "\"offset\":0,\"quantization\":{\"scale\":1.0,\"zeroPoint\":0},") { _ in
        .quantization(tensor: w, reason: "F32 elements have no scale and zero point")
      }
    case .equivalentMetadataKeys:
      return header("\"author\":\"Zoë\"", "\"e\u{301}\":\"\",\"\u{e9}\":\"\"") { _ in
        .header(path: "header.metadata", reason: "two keys are canonically equivalent to '\u{e9}'")
      }
    case .invalidModel:
      return header("\"hiddenSize\":1", "\"hiddenSize\":2") { _ in
        .model(.wrongShape(layer: "lstm", tensor: "input weight", expected: [8, 1], found: [4, 1]))
      }
    case .emptyClip:
      return header("\"clip\":5.5", "\"clip\":-0.0") { _ in
        .model(.invalid(layer: "lstm", reason: "clip -0.0 is not positive"))
      }
    }
  }

  /// Faults of the model rather than of the file, which the small Python reader does not look for.
  var isBeyondTheLayout: Bool {
    switch self {
    case .unknownNestedKey, .missingKey, .nullForAbsent, .integerForReal, .unneededAlpha, .unknownOperation,
      .unknownActivation, .unknownKind, .unknownTensor, .tensorUsedTwice, .unusedTensor, .quantizedFloat,
      .invalidModel, .emptyClip, .equivalentMetadataKeys:
      true
    default: false
    }
  }
}

extension FileParts {
  /// Where `text` first stands in the header, in bytes.
  fileprivate func place(of text: String) -> Int {
    let range = header.firstRange(of: text)!
    return header.utf8.distance(from: header.utf8.startIndex, to: range.lowerBound)
  }
}
