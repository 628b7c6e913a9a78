import ByteIO
import NativeFormat
import Recurrent
import Tensors
import TestSupport
import Testing

@Suite(".rnnw round trips")
struct RoundTripTests {
  @Test(
    "every cell and direction reads back equal, in every codec and element type",
    arguments: Samples.cells, Direction.allCases)
  func recurrentLayers(cell: Cell, direction: Direction) throws {
    for type in Samples.elementTypes {
      let model = try Samples.recurrent(cell, direction, type)
      for codec in NativeFormat.Codec.allCases { try expectRoundTrip(model, codec) }
    }
  }

  @Test(
    "every other operation, activation, selection and axis reads back equal",
    arguments: NativeFormat.Codec.allCases)
  func everyOperation(codec: NativeFormat.Codec) throws {
    try expectRoundTrip(try Samples.everyOperation(), codec)
  }

  @Test("empty tensors and NaN payloads keep their bits", arguments: NativeFormat.Codec.allCases)
  func oddTensors(codec: NativeFormat.Codec) throws {
    try expectRoundTrip(try Samples.oddTensors(), codec)
  }

  @Test("parameters in the header keep their bits, -0.0 among them")
  func realsKeepTheirBits() throws {
    let model = try Samples.recurrent(.lstm, .forward, .float32)
    let back = try NativeFormat.decode(joined(try NativeFormat.encode(model)))
    guard case .recurrent(let layer) = back.layers[0].operation else {
      Issue.record("not a recurrent layer")
      return
    }
    #expect(layer.directions[0].gateActivation.beta.sign == .minus)
    #expect(layer.directions[0].outputActivation.alpha == .leastNonzeroMagnitude)
  }

  private func expectRoundTrip(_ model: Model, _ codec: NativeFormat.Codec) throws {
    let file = joined(try NativeFormat.encode(model, codec: codec))
    #expect(NativeFormat.recognises(file))
    let back = try NativeFormat.decode(file)
    #expect(back == model)
    #expect(back.fingerprint == model.fingerprint)
    // The same model, the same bytes: however the dictionary of metadata happens to be ordered this time.
    #expect(joined(try NativeFormat.encode(back, codec: codec)) == file)
    #expect(try NativeFormat.decode(file, verifyChecksums: false) == model)
  }

  @Test("raw tensors are windows onto the file, aligned to 64 bytes, in both directions")
  func rawTensorsAreNotCopied() throws {
    let model = try Samples.recurrent(.lstm, .bidirectional, .float32)
    let chunks = try NativeFormat.encode(model)
    let file = joined(chunks)
    let range = file.addresses
    let tensors = try NativeFormat.decode(file).tensors
    try #require(tensors.count == model.tensors.count && tensors.count > 1)
    for named in tensors {
      #expect(range.contains(named.tensor.bytes.addresses.lowerBound))
      #expect(range.upperBound >= named.tensor.bytes.addresses.upperBound)
      #expect(named.tensor.bytes.isAligned(to: 64))
    }
    let starts = Set(chunks.map(\.addresses.lowerBound))
    for named in model.tensors { #expect(starts.contains(named.tensor.bytes.addresses.lowerBound)) }
  }

  @Test("a file on disk, mapped, is aligned as well and reads back equal")
  func mappedFile() throws {
    let model = try Samples.recurrent(.gru(resetAfter: true), .bidirectional, .float32)
    let folder = try TemporaryFolder()
    let path = folder.path("mapped.rnnw")
    try AtomicFile.write(try NativeFormat.encode(model), to: path)
    let back = try NativeFormat.decode(ByteBuffer.open(path: path), verifyChecksums: false)
    #expect(back == model)
    for named in back.tensors { #expect(named.tensor.bytes.isAligned(to: 64)) }
  }

  @Test("without checksums a damaged raw tensor is handed out, with them it is refused")
  func checksumsAreOptional() throws {
    var bytes = joined(try NativeFormat.encode(try Samples.recurrent(.rnn, .forward, .float32))).array
    bytes[bytes.count - 1] ^= 1
    let file = ByteBuffer(bytes)
    #expect(throws: RNNWError.self) { try NativeFormat.decode(file) }
    #expect(throws: Never.self) { try NativeFormat.decode(file, verifyChecksums: false) }
  }

  @Test("layers of one name get tensors of different names")
  func tensorNamesAreDistinct() throws {
    let parts = FileParts(joined(try NativeFormat.encode(try Samples.everyOperation())))
    for name in ["dense.weight", "dense.weight#2", "dense.bias", "a.constant", "a.constant#4"] {
      #expect(parts.header.contains("\"name\":\"\(name)\""))
    }
  }

  @Test("a model that means nothing is not written")
  func invalidModelsAreRefused() throws {
    var model = try Samples.everyOperation()
    model.layers.removeFirst()
    #expect(throws: RNNWError.model(.unknownValue(layer: "drop", value: "e"))) {
      try NativeFormat.encode(model)
    }
  }

  @Test("numbers that JSON cannot hold are refused by name", arguments: [Double.infinity, .nan])
  func notFinite(number: Double) throws {
    let model = Model(
      inputs: [.vector("x", features: 2)], outputs: [],
      layers: [Layer("drop", .dropout(ratio: number), inputs: ["x"], outputs: [])])
    let error = #expect(throws: RNNWError.self) { try NativeFormat.encode(model) }
    #expect(error?.description == "layer 'drop', ratio: an .rnnw file cannot hold the number \(number)")
  }

  @Test("a scale on float elements is refused")
  func quantizedFloats() throws {
    let weight = try Tensor(
      .float32, shape: [1, 1], bytes: ByteBuffer([0, 0, 0, 0]),
      quantization: Tensor.Quantization(scale: 1, zeroPoint: 0))
    let model = Model(
      inputs: [.vector("x", features: 1)], outputs: [],
      layers: [Layer("d", .dense(weight: weight, bias: nil), inputs: ["x"], outputs: [])])
    let expected = RNNWError.quantization(
      tensor: "d.weight", reason: "F32 elements have no scale and zero point")
    #expect(throws: expected) { try NativeFormat.encode(model) }
  }
}

extension ByteBuffer {
  fileprivate var addresses: Range<Int> {
    withUnsafeBytes { bytes in
      let start = Int(bitPattern: bytes.baseAddress)
      return start..<(start + bytes.count)
    }
  }
}
