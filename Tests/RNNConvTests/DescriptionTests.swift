import ByteIO
import Foundation
import RNNConv
import TestSupport
import Testing

/// `.model.json`: models in words and arrays.
@Suite struct DescriptionTests {
  /// Writes a description, with arrays of its own beside it, and opens it.
  private func open(_ text: String, _ arrays: [String: Tensor] = [:]) throws -> Model {
    let folder = try TemporaryFolder()
    if !arrays.isEmpty {
      try TensorFile.write(arrays.map { ($0.key, $0.value) }, to: folder.path("w.npz"))
    }
    let path = try folder.write(Array(text.utf8), to: "a.model.json")
    return try withExtendedLifetime(folder) { try ModelFile.open(path).model }
  }

  /// Everything but `layers`, for one input x [T, B, 2] and the output y.
  private func around(_ layers: String, matrices: String = "in,out", extra: String = "") -> String {
    """
    {"rnnconv_description": 1, "matrices": "\(matrices)", \(extra)
     "inputs": [{"name": "x", "shape": ["time", "batch", 2]}],
     "layers": [\(layers)], "outputs": [{"name": "y"}]}
    """
  }

  @Test func `the textbook's RNN, written out in numbers, computes the textbook's formula`() throws {
    // h_t = tanh(h_{t-1} W_h + x_t W_x + b), matrices [in, out] as the formula has them.
    let model = try open(
      around(
        """
        {"layer": "RNN", "name": "y", "input": "x", "weights": {
          "W": [[0.5, -1, 0.25], [2, 0, 1]], "R": [[0, 1, 0], [0.5, 0, 0], [0, 0, -1]], "b_W": [0.1, 0, -0.2]}}
        """))
    let x = Tensor([1, 2, -1, 0.5] as [Float], shape: [2, 1, 2])
    let found = try ModelFile(model, name: "textbook").run(["x": x], precision: .float64)["y"]!.doubles
    let (W, R) = ([[0.5, -1, 0.25], [2.0, 0, 1]], [[0.0, 1, 0], [0.5, 0, 0], [0, 0, -1]])
    let b = [Double(Float(0.1)), 0, Double(Float(-0.2))]
    var h = [0.0, 0, 0]
    for (t, input) in [[1.0, 2], [-1, 0.5]].enumerated() {
      h = (0..<3).map { j -> Double in
        var sum = b[j]
        for k in 0..<3 { sum += h[k] * R[k][j] }
        for k in 0..<2 { sum += input[k] * W[k][j] }
        return tanh(sum)
      }
      for j in 0..<3 { #expect(abs(found[t * 3 + j] - h[j]) < 1e-14) }
    }
  }

  @Test func `functions around a recurrence compute their formulas`() throws {
    let model = try open(
      around(
        """
        {"layer": "Activation", "name": "c", "input": "x", "function": {"kind": "clip", "alpha": -0.5, "beta": 1.5}},
        {"layer": "Activation", "name": "e", "input": "c", "function": "exp"},
        {"layer": "Activation", "name": "p", "input": "e", "function": {"kind": "power", "alpha": -0.5}},
        {"layer": "Arithmetic", "name": "m", "inputs": ["p", "x"], "function": "maximum"},
        {"layer": "Arithmetic", "name": "y", "input": "m", "function": "prelu", "constant": [0.25, 2]}
        """))
    let x = Tensor([1, 2, -1, 0.5] as [Float], shape: [2, 1, 2])
    let found = try ModelFile(model, name: "functions").run(["x": x], precision: .float64)["y"]!.doubles
    for (x, y) in zip([1.0, 2, -1, 0.5], found) {
      let expected = max(1 / exp(min(max(x, -0.5), 1.5)).squareRoot(), x)
      #expect(abs(y - expected) < 1e-14)
    }
  }

  @Test func `a function that makes no sense is refused with its place`() throws {
    func says(_ layer: String) throws -> String {
      let error = #expect(throws: (any Error).self) { try open(around(layer)) }
      return "\(try #require(error))"
    }
    #expect(
      try says(
        "{\"layer\": \"Activation\", \"name\": \"y\", \"input\": \"x\", \"function\": {\"kind\": \"clip\", \"alpha\": 1, \"beta\": 0}}"
      ).contains("layer 'y': clip: its least, α = 1.0"))
    #expect(
      try says("{\"layer\": \"Activation\", \"name\": \"y\", \"input\": \"x\", \"function\": \"power\"}")
        .contains("alpha"))
    #expect(
      try says(
        """
        {"layer": "RNN", "name": "y", "input": "x", "activations": {"candidate": "sin"},
         "weights": {"W": [[1], [2]], "R": [[1]]}}
        """
      ).contains("sin is no activation of a cell"))
  }

  @Test(arguments: [("LSTM", "f i o g", "o g f i"), ("GRU", "r z n", "z r n")])
  func `gate by gate, stacked in any order, either way round: one model`(
    _ cell: String, _ canonical: String, _ other: String
  ) throws {
    var generator = SeededGenerator(seed: 1)
    let letters = canonical.split(separator: " ").map(String.init)
    var arrays: [String: Tensor] = [:]
    for letter in letters {
      arrays["W\(letter)"] = generator.tensor([3, 2])
      arrays["R\(letter)"] = generator.tensor([3, 3])
      arrays["b\(letter)"] = generator.tensor([3])
    }
    func stack(_ role: String, _ order: String) -> Tensor {
      .concatenated(order.split(separator: " ").map { arrays["\(role)\($0)"]! })
    }
    let reset = cell == "GRU" ? "\"reset\": \"before\"," : ""
    func layer(_ gates: String, _ weights: String) -> String {
      "{\"layer\": \"\(cell)\", \"name\": \"y\", \"input\": \"x\", \(reset) \(gates) \"weights\": {\(weights)}}"
    }
    let named = ["W", "R", "b_W"].map { role in
      let each = letters.map { "\"\($0)\": \"\(role.first!)\($0)\"" }.joined(separator: ", ")
      return "\"\(role)\": {\(each)}"
    }.joined(separator: ", ")
    let first = try open(
      around(layer("", named), matrices: "out,in", extra: "\"weights\": \"w.npz\","), arrays)
    let whole = "\"W\": \"W\", \"R\": \"R\", \"b_W\": \"b\""
    for order in [canonical, other] {
      for isTurned in [false, true] {
        func turned(_ tensor: Tensor) -> Tensor { isTurned ? tensor.transposed([1, 0]) : tensor }
        let stacked = [
          "W": turned(stack("W", order)), "R": turned(stack("R", order)), "b": stack("b", order),
        ]
        let model = try open(
          around(
            layer("\"gates\": \"\(order)\",", whole), matrices: isTurned ? "in,out" : "out,in",
            extra: "\"weights\": \"w.npz\","), stacked)
        #expect(model.fingerprint == first.fingerprint, "\(order), turned \(isTurned)")
      }
    }
  }

  /// One mistake each, and what the message must say.
  static let mistakes: [(layers: String, words: [String])] = [
    ("{\"layer\": \"LSTN\", \"name\": \"y\", \"input\": \"x\"}", ["layers[0].layer", "'LSTN'", "LSTM"]),
    ("{\"layer\": \"Softmax\", \"name\": \"y\", \"input\": \"z\"}", ["layers[0]", "'z'"]),
    ("{\"layer\": \"Softmax\", \"name\": \"y\"}", ["layers[0]", "'input' is missing"]),
    ("{\"layer\": \"Softmax\", \"name\": \"y\", \"input\": \"x\", \"axis\": 1}", ["layers[0]", "'axis'"]),
    (
      "{\"layer\": \"Dense\", \"name\": \"y\", \"input\": \"x\", \"weight\": [[1, 2], [3]]}",
      ["layers[0].weight[1]", "1 numbers"]
    ),
    (
      "{\"layer\": \"Dense\", \"name\": \"y\", \"input\": \"x\", \"weight\": [[1], [2], [3]]}",
      ["layers[0]", "other way round"]
    ),
    (
      "{\"layer\": \"Dense\", \"name\": \"y\", \"input\": \"x\", \"weight\": \"w\"}",
      ["no file of weights", "'w'"]
    ),
    (
      "{\"layer\": \"LSTM\", \"name\": \"y\", \"input\": \"x\", \"weights\": {\"W\": [[1,1,1,1],[1,1,1,1]], \"R\": [[1,1,1,1]]}}",
      ["weights.W", "\"gates\": \"f i o g\""]
    ),
    (
      "{\"layer\": \"GRU\", \"name\": \"y\", \"input\": \"x\", \"gates\": \"r z n\", \"weights\": {}}",
      ["'reset' is missing"]
    ),
    (
      "{\"layer\": \"GRU\", \"name\": \"y\", \"input\": \"x\", \"reset\": \"after\", \"gates\": \"r z h\", \"weights\": {}}",
      ["layers[0].gates", "r z n"]
    ),
    (
      "{\"layer\": \"Generate\", \"name\": \"y\", \"max_steps\": 3, \"feedback\": [{\"name\": \"a\", \"start\": \"x\", \"next\": \"b\"}], \"body\": [], \"collect\": []}",
      ["feedback[0].start", "sequence"]
    ),
    (
      "{\"layer\": \"Activation\", \"name\": \"y\", \"input\": \"x\", \"function\": \"elu\"}",
      ["function", "alpha"]
    ),
  ]

  @Test(arguments: mistakes)
  func `a mistake is named with its place`(_ mistake: (layers: String, words: [String])) throws {
    let error = #expect(throws: RNNConvError.self) { _ = try open(around(mistake.layers)) }
    for word in mistake.words {
      #expect(error?.description.contains(word) ?? false, "\(error?.description ?? "") lacks \(word)")
    }
    guard case .unreadable? = error else {
      Issue.record("\(error.map { "\($0)" } ?? "no error")")
      return
    }
  }

  @Test func `the schema holds for the shipped descriptions, and forbids what the reader does`() throws {
    func parsed(_ path: String) throws -> JSONValue { try JSONValue(parsing: ByteBuffer.open(path: path)) }
    let schema = JSONSchema(try parsed(schemaPath("model-description.schema.json")))
    for name in FormTests.names {
      let text = try parsed(FormTests.Example(name: name).path)
      #expect(schema.faults(of: text) == [], "\(name)")
    }
    for text in [
      around("{\"layer\": \"LSTN\"}"), around("{\"layer\": \"Softmax\", \"axis\": 1}"),
      around("", matrices: "in"),
      around("{\"layer\": \"GRU\", \"weights\": {\"W\": \"W\"}}"), around("", extra: "\"layer\": 1,"),
    ] {
      #expect(schema.faults(of: try JSONValue(parsing: ByteBuffer(Array(text.utf8)))) != [], "\(text)")
    }
  }

  @Test func `a missing array lists those that there are, and weights stay in the folder`() throws {
    let layer = "{\"layer\": \"Dense\", \"name\": \"y\", \"input\": \"x\", \"weight\": \"wieght\"}"
    let arrays = ["weight": Tensor([1, 2] as [Float], shape: [2, 1])]
    var error = #expect(throws: RNNConvError.self) {
      _ = try open(around(layer, extra: "\"weights\": \"w.npz\","), arrays)
    }
    #expect(error?.description.contains("w.npz holds no array 'wieght', only weight") ?? false, "\(error!)")
    error = #expect(throws: RNNConvError.self) {
      _ = try open(around(layer, extra: "\"weights\": \"../w.npz\","), arrays)
    }
    #expect(error?.description.contains("out of the model's folder") ?? false, "\(error!)")
  }
}
