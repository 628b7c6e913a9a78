import Recurrent
import Tensors
import TestSupport
import Testing

@testable import ONNXFormat

/// ConvTranspose, Resize and Upsample, along time and along axes inside the features.
@Suite struct StretchingImportTests {
  private let toChannels = node("Transpose", ["x"], "t", ["perm": .ints([1, 2, 0])])
  private let weight = Tensor((0..<24).map { Float($0 % 7) - 3 }, shape: [4, 2, 3])

  private func transposed(
    _ attributes: [String: ONNXAttribute], fixed: Int? = nil
  ) throws -> TransposedAxis? {
    let layers = try AroundRecurrence.imported(
      [toChannels, node("ConvTranspose", ["t", "w"], "y", attributes)], ["w": weight], fixed: fixed)
    guard case .transposedConvolution(let layer)? = layers.last, layers.count == 1 else { return nil }
    return layer.axes.first
  }

  @Test func `a ConvTranspose along time, whatever its size is said by`() throws {
    func axis(_ stride: Int, _ before: Int, _ after: Int, dilation: Int = 1) -> TransposedAxis {
      TransposedAxis(
        size: nil, kernel: 3, stride: stride, dilation: dilation, before: before, after: after)
    }
    #expect(try transposed([:]) == axis(1, 0, 0))
    #expect(
      try transposed([
        "strides": .ints([2]), "pads": .ints([1, 0]), "output_padding": .ints([1]), "dilations": .ints([2]),
      ]) == axis(2, 1, -1, dilation: 2))
    #expect(try transposed(["strides": .ints([2]), "auto_pad": .string("SAME_UPPER")]) == axis(2, 0, 1))
    #expect(try transposed(["strides": .ints([2]), "auto_pad": .string("SAME_LOWER")]) == axis(2, 1, 0))
    #expect(try transposed(["strides": .ints([2]), "output_shape": .ints([8])], fixed: 4) == axis(2, 1, 0))
    let error = #expect(throws: ONNXError.self) { try transposed(["output_shape": .ints([8])]) }
    #expect("\(try #require(error))".contains("open"))
  }

  @Test func `a bias that is added behind is the layer's`() throws {
    let layers = try AroundRecurrence.imported(
      [
        toChannels, node("ConvTranspose", ["t", "w"], "c", ["strides": .ints([2])]), node("Add", ["c", "b"]),
      ],
      ["w": weight, "b": floats(1, -2, shape: [2, 1])])
    #expect(layers.count == 1)
    guard case .transposedConvolution(let layer)? = layers.first else { return }
    #expect(layer.bias == floats(1, -2))
  }

  @Test func `a Resize of time by whole factors, by scales and by sizes`() throws {
    func layers(
      _ inputs: [String], _ constants: [String: Tensor], _ attributes: [String: ONNXAttribute],
      _ nodes: [ONNXNode] = []
    ) throws -> [Layer.Operation] {
      try AroundRecurrence.imported(
        [toChannels] + nodes + [node("Resize", ["t"] + inputs, "y", attributes)], constants)
    }
    let times: [Resize.Axis] = [.init(times: 3)]
    #expect(
      try layers(
        ["", "s"], ["s": floats(1, 1, 3)],
        [
          "mode": .string("nearest"), "nearest_mode": .string("floor"),
          "coordinate_transformation_mode": .string("asymmetric"),
        ]) == [.resize(Resize(.nearest(.floor), .asymmetric, axes: times))])
    #expect(
      try layers(
        ["", "", "size"], ["factors": integers(1, 1, 3)],
        ["mode": .string("linear"), "coordinate_transformation_mode": .string("align_corners")],
        [node("Shape", ["t"], "shape"), node("Mul", ["shape", "factors"], "size")])
        == [.resize(Resize(.linear, .alignCorners, axes: times))])
    let error = #expect(throws: ONNXError.self) { try layers(["", "s"], ["s": floats(1, 1, 1.5)], [:]) }
    #expect("\(try #require(error))".contains("a whole number of times"))
    #expect(try layers(["", "s"], ["s": floats(1, 1, 1)], [:]) == [])
    for (attribute, value) in [
      ("antialias", ONNXAttribute.int(1)), ("keep_aspect_ratio_policy", .string("not_larger")),
      ("coordinate_transformation_mode", .string("tf_crop_and_resize")), ("nearest_mode", .string("best")),
      ("mode", .string("sinc")),
    ] {
      #expect(throws: ONNXError.self, "\(attribute)") {
        try layers(["", "s"], ["s": floats(1, 1, 3)], [attribute: value])
      }
    }
  }

  @Test func `an Upsample of the first opsets`() throws {
    for (opset, inputs) in [(7, ["t"]), (9, ["t", "s"])] as [(Int64, [String])] {
      let attributes: [String: ONNXAttribute] =
        ["mode": .string("nearest")].merging(opset == 7 ? ["scales": .floats([1, 2, 2])] : [:]) { $1 }
      let layers = try AroundRecurrence.imported(
        [toChannels, node("Upsample", inputs, "y", attributes)],
        opset == 7 ? [:] : ["s": floats(1, 2, 2)], opset: opset)
      #expect(layers.count >= 1)
      guard case .resize(let resize)? = layers.last(where: { $0.name == "Resize" }) else {
        Issue.record("\(layers)")
        continue
      }
      #expect(resize.axes == [.init(times: 2), .init(size: 4, results: 8)])
    }
  }

  @Test func `what stretches comes back from every opset that can hold it`() throws {
    func spread(_ shape: [Int], _ axes: [TransposedAxis], groups: Int = 1) -> Layer.Operation {
      var generator = SeededGenerator(seed: 8)
      return .transposedConvolution(
        TransposedConvolution(
          weight: generator.tensor(shape), bias: generator.tensor([shape[1] * groups]), axes: axes,
          groups: groups))
    }
    let all: [(Layer.Operation, [Int64])] = [
      (spread([4, 3, 3], [.init(size: nil, kernel: 3, stride: 2, before: 1, after: -1)]), [7, 11, 17, 22]),
      (spread([4, 1, 2], [.init(size: nil, kernel: 2, stride: 2)], groups: 2), [11, 17]),
      (spread([2, 1, 3], [.init(size: 2, kernel: 3, stride: 3, before: 1)]), [11, 17]),
      (
        spread(
          [1, 2, 2, 3, 2],
          [
            .init(size: nil, kernel: 2, stride: 3, after: 1), .init(size: 2, kernel: 3, before: 1, after: 1),
            .init(size: 2, kernel: 2, stride: 2, dilation: 2),
          ]), [11, 17]
      ),
      (.resize(Resize(.nearest(.halfDown), .halfPixel, axes: [.init(times: 2)])), [11, 13, 17, 18, 21]),
      (.resize(Resize(.linear, .halfPixel, axes: [.init(times: 3), .init(size: 4, results: 6)])), [11, 17]),
      (.resize(Resize(.linear, .alignCorners, axes: [.init(size: 4, results: 7)])), [11, 13, 17, 18]),
      (
        .resize(Resize(.nearest(.ceil), .asymmetric, axes: [.init(size: 2, results: 3, scale: 1.75)])),
        [11, 17]
      ),
      (
        .resize(
          Resize(
            .cubic(a: -0.5, excludesOutside: true), .pytorchHalfPixel,
            axes: [.init(size: 2, results: 5), .init(size: 2, results: 3)])), [11, 17, 18]
      ),
      (.resize(Resize(.linear, .halfPixelSymmetric, axes: [.init(size: 4, results: 5, scale: 1.375)])), [19]),
      (
        .resize(
          Resize(
            .cubic(a: -0.75, excludesOutside: false), .halfPixel,
            axes: [.init(size: 2, results: 4), .init(size: 2, results: 2)])),
        [13]
      ),
    ]
    for (operation, opsets) in all {
      try AroundRecurrence.roundTrip(try AroundRecurrence.model([operation]), opsets: opsets)
    }
    let old = try AroundRecurrence.model([.resize(Resize(.linear, .halfPixel, axes: [.init(times: 2)]))])
    #expect(throws: ONNXError.self) { try ONNXExporter.export(old, opset: 10) }
  }

  @Test func `clocks count steps that are spread and taken together again`() {
    let half = WindowAxis(size: nil, kernel: 4, stride: 2, before: 1, after: 1)
    let twice = TransposedAxis(size: nil, kernel: 4, stride: 2, before: 1, after: 1)
    #expect(Clock().through(twice).through(half) == Clock())
    #expect(Clock().stretched(by: 6).through(half) == Clock().stretched(by: 3))
    // An odd number is not what it was.
    #expect(Clock().through(half).through(twice) != Clock())
    #expect(Clock().through(half).through(twice) == Clock().through(half).through(twice))
    #expect(Clock().stretched(by: 2) == Clock().through(twice))
    #expect(Clock().stretched(by: 2) != Clock().stretched(by: 3))
  }
}
