import Recurrent
import Tensors
import TestSupport
import Testing

@testable import ONNXFormat

/// Normalisations of groups of features and of all steps, as the operators that ONNX has for them and as exporters write them.
@Suite struct NormalizationImportTests {
  private static let scale = floats(0.5, -1, 2, 3)
  private static let bias = floats(1, -2, 0.25, 4)

  @Test func `an InstanceNormalization is of all steps of a channel`() throws {
    let layers = try AroundRecurrence.imported(
      [
        node("Transpose", ["x"], "t", ["perm": .ints([1, 2, 0])]),
        node("InstanceNormalization", ["t", "s", "b"], "n", ["epsilon": .float(0.25)]),
        node("Transpose", ["n"], "y", ["perm": .ints([2, 0, 1])]),
      ], ["s": Self.scale, "b": Self.bias])
    #expect(
      layers == [
        .normalization(
          Normalization(
            .deviation, count: 1, overTime: true, epsilon: 0.25, scale: Self.scale, bias: Self.bias))
      ])
  }

  /// As torch's exporters write nn.GroupNorm.
  @Test func `a GroupNorm between two Reshapes is one layer, with scale and bias`() throws {
    let layers = try AroundRecurrence.imported(
      [
        node("Transpose", ["x"], "t", ["perm": .ints([1, 2, 0])]),
        node("Reshape", ["t", "groups"], "r"),
        node("InstanceNormalization", ["r", "ones", "zeros"], "i", ["epsilon": .float(0.25)]),
        node("Shape", ["t"], "shape"), node("Reshape", ["i", "shape"], "n"), node("Mul", ["n", "s"], "m"),
        node("Add", ["m", "b"], "a"), node("Transpose", ["a"], "y", ["perm": .ints([2, 0, 1])]),
      ],
      [
        "groups": integers(0, 2, -1), "ones": floats(1, 1), "zeros": floats(0, 0),
        "s": try Self.scale.reshaped([4, 1]), "b": try Self.bias.reshaped([4, 1]),
      ])
    #expect(
      layers == [
        .normalization(
          Normalization(
            .deviation, count: 2, overTime: true, epsilon: 0.25, scale: Self.scale, bias: Self.bias))
      ])
  }

  @Test(arguments: [18, 21] as [Int64])
  func `a GroupNormalization has a number for each group, since opset 21 for each channel`(opset: Int64)
    throws
  {
    let (s, b) = opset == 18 ? (floats(2, 3), floats(0.5, 1)) : (Self.scale, Self.bias)
    let layers = try AroundRecurrence.imported(
      [
        node("Transpose", ["x"], "t", ["perm": .ints([1, 2, 0])]),
        node("GroupNormalization", ["t", "s", "b"], "y", ["num_groups": .int(2)]),
      ], ["s": s, "b": b], opset: opset)
    #expect(
      layers == [
        .normalization(
          Normalization(
            .deviation, count: 2, overTime: true, epsilon: 1e-5, scale: s, bias: b,
            channel: opset == 18 ? 2 : 1))
      ])
  }

  @Test func `an RMSNorm written out is one layer, however its quotient is written`() throws {
    func check(_ nodes: [ONNXNode], _ comment: Comment) throws {
      let common = [
        node("Pow", ["x", "two"], "square"),
        node("ReduceMean", ["square"], "mean", ["axes": .ints([-1])]), node("Add", ["mean", "eps"], "sum"),
      ]
      let layers = try AroundRecurrence.imported(
        common + nodes + [node("Mul", ["n", "s"])],
        [
          "two": floats(2, shape: []), "eps": floats(0.5, shape: []), "one": floats(1, shape: []),
          "half": floats(-0.5, shape: []), "s": Self.scale,
        ])
      #expect(
        layers == [.normalization(Normalization(.rootMeanSquare, count: 4, epsilon: 0.5, scale: Self.scale))],
        comment)
    }
    try check([node("Sqrt", ["sum"], "root"), node("Div", ["x", "root"], "n")], "x / √")
    try check(
      [node("Sqrt", ["sum"], "root"), node("Div", ["one", "root"], "i"), node("Mul", ["x", "i"], "n")],
      "x · (1 / √)")
    try check(
      [node("Sqrt", ["sum"], "root"), node("Reciprocal", ["root"], "i"), node("Mul", ["i", "x"], "n")],
      "x · reciprocal √")
    try check([node("Pow", ["sum", "half"], "i"), node("Mul", ["x", "i"], "n")], "x · ^−½")
  }

  @Test func `a norm along time, along features, and one over both`() throws {
    #expect(
      try AroundRecurrence.imported([node("LpNormalization", ["x"], "y", ["axis": .int(0), "p": .int(1)])])
        == [.normalization(Normalization(.absoluteSum, count: 1, overTime: true))])
    #expect(
      try AroundRecurrence.imported([node("LpNormalization", ["x"])])
        == [.normalization(Normalization(.euclidean, count: 4))])
    #expect(
      try AroundRecurrence.imported([node("MeanVarianceNormalization", ["x"], "y", ["axes": .ints([0, 2])])])
        == [.normalization(Normalization(.guardedDeviation, count: 4, overTime: true))])
    for operation in [
      node("MeanVarianceNormalization", ["x"], "y", ["axes": .ints([0, 1])]),
      node("LpNormalization", ["x"], "y", ["axis": .int(1)]),
    ] {
      let error = #expect(throws: ONNXError.self) { try AroundRecurrence.imported([operation]) }
      #expect("\(try #require(error))".contains("along which rows do not meet"))
    }
  }

  @Test func `a LayerNormalization of an axis inside the features`() throws {
    let layers = try AroundRecurrence.imported(
      [
        node("Reshape", ["x", "parts"], "r"), node("LayerNormalization", ["r", "s", "b"]),
      ], ["parts": integers(0, 0, 2, 2), "s": floats(2, 3), "b": floats(1, -1)])
    #expect(
      layers == [
        .normalization(
          Normalization(.deviation, count: 2, epsilon: 1e-5, scale: floats(2, 3), bias: floats(1, -1)))
      ])
  }

  @Test func `every normalisation comes back from whatever it is written as`() throws {
    let (two, four) = (floats(2, 3), Self.scale)
    let layers: [(Normalization, [Int64])] = [
      (
        Normalization(.deviation, count: 1, overTime: true, epsilon: 0.5, scale: four, bias: four),
        [7, 17, 21]
      ),
      (Normalization(.deviation, count: 2, epsilon: 0.5, scale: four, bias: four), [11, 17, 21]),
      (Normalization(.deviation, count: 2, epsilon: 0.5, scale: two, channel: 2), [11, 17, 21]),
      (Normalization(.deviation, count: 2, overTime: true, epsilon: 0.5, bias: two, channel: 2), [11, 17]),
      (Normalization(.deviation, count: 2, epsilon: 0.5, scale: two, bias: two), [17, 21]),
      (Normalization(.guardedDeviation, count: 2, inner: 2), [13, 17]),
      (Normalization(.guardedDeviation, count: 4, overTime: true), [9, 13]),
      (Normalization(.rootMeanSquare, count: 4, epsilon: 0.5, scale: four), [11, 17, 18, 23]),
      (Normalization(.rootMeanSquare, count: 2, epsilon: 0.5, scale: two), [11, 18, 23]),
      (Normalization(.rootMeanSquare, count: 2, overTime: true, epsilon: 0.5, bias: four), [11, 18, 23]),
      (Normalization(.euclidean, count: 2, inner: 2), [7, 17, 22]),
      (Normalization(.absoluteSum, count: 2, overTime: true, scale: four), [7, 17, 22]),
    ]
    for (layer, opsets) in layers {
      try AroundRecurrence.roundTrip(try AroundRecurrence.model([.normalization(layer)]), opsets: opsets)
    }
  }

  /// No operator has these: their features are put in another order, which stays written.
  @Test func `groups of features that lie apart are what they are`() throws {
    for layer in [
      Normalization(.deviation, count: 2, inner: 2, overTime: true, epsilon: 0.5),
      Normalization(.deviation, count: 2, inner: 2, epsilon: 0.5, scale: Self.scale),
      Normalization(.rootMeanSquare, count: 2, inner: 2, epsilon: 0.5),
    ] {
      let model = try AroundRecurrence.model([.normalization(layer)])
      for opset in [11, 17, 23] as [Int64] {
        let file = try ONNXExporter.export(model, opset: opset).model
        #expect(try AroundRecurrence.distance(file, model, steps: 5) < 1e-9)
        let back = try ONNXImporter.importModel(file).model
        #expect(try AroundRecurrence.distance(file, back, steps: 5) < 1e-9)
      }
    }
  }
}
