import ByteIO
import NativeFormat
import Recurrent
import Tensors
import TestSupport
import Testing

/// The vectors of schemas/rnnw.md were written by schemas/vectors/make_vectors.py from that document, without Swift.
@Suite(".rnnw vectors")
struct VectorTests {
  static let all = ["empty", "lstm-raw", "dense-deflate", "embedding-quantized"]

  @Test(
    "a vector holds the model that the document says, and that model is written to the same bytes",
    arguments: all)
  func vectorIsItsModel(name: String) throws {
    let file = ByteBuffer(try FileParts.vector(name).bytes)
    let model = try expected(name)
    #expect(try NativeFormat.decode(file) == model)
    // For dense-deflate this asks for the compressor of zlib itself, which has been stable since 1.2.
    let codec: NativeFormat.Codec = name == "dense-deflate" ? .shuffleDeflate : .raw
    #expect(try joined(NativeFormat.encode(model, codec: codec)) == file)
  }

  @Test("the document's hexadecimal dumps are the files", arguments: all)
  func dumpsAreTheFiles(name: String) throws {
    let document = try text(of: "rnnw.md")
    let dump = try #require(
      document.split(separator: "### \(name)\n\n```hex\n").last?.split(separator: "```").first)
    let bytes = dump.split(separator: "\n").flatMap { line in
      line.dropFirst(10).prefix(47).split(separator: " ").map { UInt8($0, radix: 16) ?? 0 }
    }
    #expect(bytes == (try FileParts.vector(name).bytes))
  }

  @Test("the elements are those of the vector's JSON", arguments: all)
  func elementsAreThoseOfTheJSON(name: String) throws {
    let json = try parsed("vectors/\(name).json")
    let model = try NativeFormat.decode(ByteBuffer(try FileParts.vector(name).bytes))
    guard case .array(let expected) = json["tensors"] else {
      Issue.record("no tensors")
      return
    }
    #expect(expected.count == model.tensors.count)
    for (entry, named) in zip(expected, model.tensors) {
      guard case .array(let values) = entry["values"] else {
        Issue.record("no values")
        return
      }
      let stored = try Tensor(named.tensor.elementType, shape: named.tensor.shape, bytes: named.tensor.bytes)
      #expect(stored.doubles == values.map { if case .number(let value) = $0 { value } else { $0.asDouble } })
    }
  }

  private func expected(_ name: String) throws -> Model {
    func open(_ model: Model) -> Model {
      var model = model
      func axes(_ port: Model.Port) -> Model.Port {
        var port = port
        for index in port.axes.indices {
          if port.axes[index].factors == [.time] { port.axes[index].symbol = "time" }
          if port.axes[index].factors == [.batch] { port.axes[index].symbol = "batch" }
        }
        return port
      }
      model.inputs = model.inputs.map(axes)
      model.outputs = model.outputs.map(axes)
      return model
    }
    switch name {
    case "empty": return Model(inputs: [], outputs: [], layers: [])
    case "lstm-raw":
      let parameters = DirectionParameters(
        inputWeight: Tensor([0.5, -1.25, 2, 0.75] as [Float], shape: [4, 1]),
        recurrentWeight: Tensor([-0.5, 0.125, 1, -2] as [Float], shape: [4, 1]),
        inputBias: Tensor([1, 0, -0.0, 0.25] as [Float], shape: [4]),
        gateActivation: Activation(.hardSigmoid, alpha: 0.2, beta: 0.5))
      let layer = RecurrentLayer(
        cell: .lstm, direction: .forward, inputSize: 1, hiddenSize: 1, clip: 5.5, directions: [parameters])
      return open(
        Model(
          name: "one LSTM cell", inputs: [.sequence("x", features: 1)],
          outputs: [.sequence("y", features: 1)],
          layers: [Layer("lstm", .recurrent(layer), inputs: ["x"], outputs: ["y", nil, nil])],
          metadata: ["author": "Zo\u{eb}", "line": "one\ntwo"]))
    case "dense-deflate":
      let weight = Tensor((0..<32).map { Float($0 - 16) / 8 }, shape: [4, 8])
      let bias = try Tensor([1, -0.5, 3.140625, 0] as [Float], shape: [4]).converted(to: .bfloat16).tensor
      return open(
        Model(
          name: "dense", inputs: [.vector("x", features: 8)], outputs: [.vector("y", features: 4)],
          layers: [Layer("dense", .dense(weight: weight, bias: bias), inputs: ["x"], outputs: ["y"])]))
    default:
      let table = try Tensor(
        .uint8, shape: [3, 2], bytes: ByteBuffer([0, 128, 255, 1, 127, 129]),
        quantization: Tensor.Quantization(scale: 0.1, zeroPoint: 128))
      let ids = Model.Port(
        name: "ids", value: "ids", elementType: .int64, kind: .tokens,
        axes: [PortAxis([.batch]), PortAxis([.time])])
      var output = Model.Port.sequence("y", features: 2)
      output.axes.swapAt(0, 1)
      return open(
        Model(
          name: "embedding", inputs: [ids], outputs: [output],
          layers: [Layer("embedding", .embedding(table: table), inputs: ["ids"], outputs: ["y"])]))
    }
  }
}

extension JSONValue {
  fileprivate var asDouble: Double { if case .integer(let value) = self { Double(value) } else { .nan } }
}

/// The text of a file below schemas/.
func text(of name: String) throws -> String {
  let bytes = try ByteBuffer.open(path: schemaPath(name))
  return String(decoding: bytes.array, as: UTF8.self)
}

func parsed(_ name: String) throws -> JSONValue {
  try JSONValue(parsing: ByteBuffer.open(path: schemaPath(name)))
}
