import ByteIO
import Recurrent
import Tensors
import TestSupport

/// Models that between them use all that a `.rnnw` file can hold.
enum Samples {
  static let cells: [Cell] = Cell.all

  /// How the weights of a model are stored.
  static let elementTypes = ElementType.allCases.filter { $0 != .bool }

  /// A layer of everything that its cell allows, its weights converted to `type`.
  static func recurrent(_ cell: Cell, _ direction: Direction, _ type: ElementType) throws -> Model {
    var specification = LayerSpecification(cell)
    specification.direction = direction
    specification.clip = 3.5
    if cell == .lstm {
      specification.peepholes = true
      specification.projectionSize = 2
      specification.inputForget = true
    }
    var model = specification.model(seed: 1, lengths: true, initialStates: true)
    model.name = "\(cell.name) \(direction.rawValue)"
    model.metadata = ["producer": "tests \u{1F9EA}", "": "empty key", "line": "a\nb\u{0}\"\\"]
    guard case .recurrent(var layer) = model.layers[0].operation else { preconditionFailure("no layer") }
    layer.directions = try layer.directions.map { direction in
      var direction = direction
      direction.inputWeight = try stored(direction.inputWeight, as: type)
      direction.recurrentWeight = try direction.recurrentWeight.map { try stored($0, as: type) }
      direction.inputBias = try direction.inputBias.map { try stored($0, as: type) }
      direction.recurrentBias = nil
      direction.gateActivation = Activation(.hardSigmoid, alpha: 0.2, beta: -0.0)
      direction.outputActivation = Activation(.leakyRelu, alpha: .leastNonzeroMagnitude)
      return direction
    }
    model.layers[0].operation = .recurrent(layer)
    return model
  }

  private static func stored(_ tensor: Tensor, as type: ElementType) throws -> Tensor {
    if type.isFloat { return try tensor.converted(to: type).tensor }
    // Every byte is a fair integer.
    let bytes = ByteBuffer(byteCount: tensor.count * type.size) { target in
      for index in target.indices { target[index] = UInt8(truncatingIfNeeded: index &* 37 &+ 11) }
    }
    return try Tensor(
      type, shape: tensor.shape, bytes: bytes,
      quantization: Tensor.Quantization(scale: 0.1.nextUp, zeroPoint: -128))
  }

  /// One layer of each operation that is not recurrent, and axes of every kind.
  static func everyOperation() throws -> Model {
    var generator = SeededGenerator(seed: 2)
    let table = try Tensor(
      .int8, shape: [5, 4], bytes: ByteBuffer((0..<20).map { UInt8($0 * 13) }),
      quantization: Tensor.Quantization(scale: 0x1p-7, zeroPoint: 3))
    let ids = Model.Port(
      name: "ids", value: "ids", elementType: .int64, kind: .tokens,
      axes: [PortAxis([.batch], symbol: "batch"), PortAxis([.time], size: 7), PortAxis([], size: 1)])
    let lengths = Model.Port(
      name: "lengths", value: "lengths", elementType: .int32, kind: .indices, axes: [PortAxis([.batch])])
    var layers = [
      Layer("embedding", .embedding(table: table), inputs: ["ids"], outputs: ["e"]),
      Layer("drop", .dropout(ratio: 0.1), inputs: ["e"], outputs: ["d"]),
      Layer(
        "dense", .dense(weight: generator.tensor([6, 4]), bias: generator.tensor([6])), inputs: ["d"],
        outputs: ["s6"]),
      Layer("dense", .dense(weight: generator.tensor([6, 4]), bias: nil), inputs: ["d"], outputs: ["t6"]),
      Layer("slice", .slice(start: 1, count: 3), inputs: ["s6"], outputs: ["s3"]),
      Layer("concat", .concat, inputs: ["s3", "t6", "s3"], outputs: ["s12"]),
      Layer("softmax", .softmax, inputs: ["s12"], outputs: ["p"]),
      Layer("logSoftmax", .logSoftmax, inputs: ["s12"], outputs: ["logp"]),
      Layer(
        "norm",
        .layerNormalization(
          LayerNormalization(scale: generator.tensor([12]), bias: generator.tensor([12]), epsilon: 1e-3)),
        inputs: ["s12"], outputs: ["n12"]),
      Layer(
        "norm", .layerNormalization(LayerNormalization(scale: generator.tensor([12]))), inputs: ["n12"],
        outputs: ["m12"]),
      Layer("argMax", .argMax, inputs: ["p"], outputs: ["best"]),
      Layer("constant", .constant(generator.tensor([1, 12])), inputs: [], outputs: ["k"]),
      Layer("token", .select(.step(0)), inputs: ["ids"], outputs: ["first"]),
    ]
    for selection in [Selection.step(-2), .lastValid, .mean, .max, .sum] {
      layers.append(
        Layer(
          "select", .select(selection), inputs: selection == .lastValid ? ["p", "lengths"] : ["p"],
          outputs: ["v\(layers.count)"]))
    }
    // 12 features are 2 channels of 3 × 2 places.
    let windows = [
      WindowAxis(size: nil, kernel: 3, stride: 2, dilation: 2, before: 4, after: 1),
      WindowAxis(size: 3, kernel: 2, before: 0, after: 1), WindowAxis(size: 2, kernel: 1),
    ]
    let alongAxes: [(String, Layer.Operation)] = [
      (
        "conv",
        .convolution(
          Convolution(
            weight: generator.tensor([4, 1, 3, 2, 1]), bias: generator.tensor([4]), axes: windows, groups: 2))
      ),
      (
        "conv",
        .convolution(
          Convolution(weight: generator.tensor([1, 12, 1]), axes: [WindowAxis(size: nil, kernel: 1)]))
      ),
      (
        "pool",
        .pool(
          Pool(
            .paddedMean,
            axes: [WindowAxis(size: 3, kernel: 2, stride: 2, after: 1), WindowAxis(size: 2, kernel: 1)],
            roundsUp: true))
      ),
      (
        "pad",
        .padding(
          Padding(
            .constant(-0.5),
            axes: [
              .init(size: nil, before: 2, after: -1), .init(size: 3, before: -1, after: 2), .init(size: 2),
            ]))
      ),
      ("pad", .padding(Padding(.reflect, axes: [.init(size: 12, before: 1, after: 0)]))),
      (
        "gather",
        .gather(FeatureGather(start: 11, [.init(count: 3, stride: 0), .init(count: 4, stride: -3)]))
      ),
      ("fold", .fold(Fold(count: 7))), ("reduce", .reduce(Reduction(.max, count: 3, inner: 2))),
      ("attend", .timeSoftmax),
      (
        "batch",
        .batchNormalization(
          BatchNormalization(
            scale: generator.tensor([2]), bias: generator.tensor([2]), mean: generator.tensor([2]),
            variance: Tensor([0.5, 2] as [Float], shape: [2]), epsilon: 1e-3, inner: 6))
      ),
      (
        "groups",
        .normalization(
          Normalization(
            .deviation, count: 6, overTime: true, epsilon: 1e-3, scale: generator.tensor([4]),
            bias: generator.tensor([2]), channel: 3))
      ),
      (
        "spread",
        .transposedConvolution(
          TransposedConvolution(
            weight: generator.tensor([2, 3, 3, 2]), bias: generator.tensor([6]),
            axes: [
              TransposedAxis(size: nil, kernel: 3, stride: 2, dilation: 2, before: 1, after: -1),
              TransposedAxis(size: 6, kernel: 2, stride: 3, after: 2),
            ], groups: 2))
      ),
      (
        "cubic",
        .resize(
          Resize(
            .cubic(a: -0.75, excludesOutside: true), .pytorchHalfPixel,
            axes: [.init(size: 3, results: 7), .init(size: 2, results: 2)]))
      ),
      ("sums", .cumulativeSum(CumulativeSum(isExclusive: true, isReverse: true))),
      ("near", .resize(Resize(.nearest(.halfUp), .asymmetric, axes: [.init(times: 3)]))),
      ("linear", .resize(Resize(.linear, .halfPixel, axes: [.init(size: 12, results: 9, scale: 0.8)]))),
      ("norm", .normalization(Normalization(.absoluteSum, count: 3, inner: 2))),
    ]
    for (index, (name, operation)) in alongAxes.enumerated() {
      layers.append(Layer(name, operation, inputs: ["p"], outputs: ["axes\(index)"]))
    }
    layers.append(Layer("unfold", .unfold(Unfold(count: 3, inner: 2)), inputs: ["k"], outputs: ["unfolded"]))
    layers.append(
      Layer(
        "channels", .arithmetic(Arithmetic(.multiply, constant: generator.tensor([2]), inner: 6)),
        inputs: ["p"],
        outputs: ["channels"]))
    layers.append(Layer("repeat", .repeated, inputs: ["p", "k"], outputs: ["repeated"]))
    layers.append(Layer("beside", .arithmetic(Arithmetic(.add)), inputs: ["k", "p"], outputs: ["beside"]))
    layers.append(
      Layer(
        "chosen", .choice(Choice(second: generator.tensor([12]))), inputs: ["p", "k"], outputs: ["chosen"]))
    layers.append(
      Layer("attend", .attention(Attention(heads: 3)), inputs: ["p", "p", "p"], outputs: ["attended"]))
    layers.append(
      Layer(
        "causal", .attention(Attention(heads: 2, isCausal: true)), inputs: ["p", "p", "p"],
        outputs: ["causal"]))
    let loops = [
      Generate.Stop(value: "token", token: 2, padding: -1), nil,
    ].map { stop in
      Generate(
        body: [
          Layer("table", .embedding(table: generator.tensor([5, 12])), inputs: ["last"], outputs: ["x"]),
          Layer(
            "sum", .arithmetic(.add, constant: nil, constantFirst: false), inputs: ["x", "y"], outputs: ["z"]),
          Layer("best", .argMax, inputs: ["z"], outputs: ["token"]),
        ],
        carried: [
          .init(input: "last", output: "token", kind: .tokens),
          .init(input: "y", output: "z", kind: .sequence(features: 12)),
          .init(input: "kept", output: "kept", kind: .vector(features: 12)),
        ], collected: ["token", "z"], stop: stop, maxSteps: 7)
    }
    for loop in loops {
      layers.append(
        Layer("loop", .generate(loop), inputs: ["first", "k", "k"], outputs: ["tokens\(layers.count)"]))
    }
    for arithmetic in Arithmetic.Operator.allCases {
      layers.append(
        Layer(
          "", .arithmetic(arithmetic, constant: nil, constantFirst: false), inputs: ["p", "logp"],
          outputs: [nil]))
      layers.append(
        Layer(
          "a", .arithmetic(arithmetic, constant: generator.tensor([1]), constantFirst: true), inputs: ["p"],
          outputs: []))
    }
    for kind in Activation.Kind.allCases {
      let activation = Activation(kind, alpha: kind == .clip ? -1 / 3 : 1 / 3, beta: -0.0)
      layers.append(Layer("\(kind)", .activation(activation), inputs: ["p"], outputs: ["\(kind)"]))
    }
    let outputs = [
      Model.Port(
        name: "out", value: "p", elementType: .float16, kind: .sequence(features: 12),
        axes: [
          PortAxis([.features(stride: 6, count: 2)], size: 2),
          PortAxis([.time, .batch], symbol: "time*batch"),
          PortAxis([.features(stride: 1, count: 6)], size: 6),
        ]),
      Model.Port.vector("v14", features: 12),
    ]
    return Model(name: "every operation", inputs: [ids, lengths], outputs: outputs, layers: layers)
  }

  /// A tensor of no elements, one of odd bits (NaNs with payloads), and no metadata.
  static func oddTensors() throws -> Model {
    let odd = try Tensor(
      .float32, shape: [2, 2],
      bytes: ByteBuffer([1, 0, 0xC0, 0x7F, 0xFF, 0xFF, 0xFF, 0xFF, 0, 0, 0, 0x80, 1, 0, 0, 0]))
    return Model(
      inputs: [.vector("x", features: 2)], outputs: [],
      layers: [
        Layer(
          "none", .dense(weight: Tensor([] as [Float], shape: [0, 2]), bias: nil), inputs: ["x"], outputs: []),
        Layer("odd", .dense(weight: odd, bias: nil), inputs: ["x"], outputs: []),
        Layer(
          "none", .dense(weight: Tensor([] as [Float], shape: [0, 2]), bias: nil), inputs: ["x"], outputs: []),
      ])
  }
}

/// The chunks of a file as one buffer.
func joined(_ chunks: [ByteBuffer]) -> ByteBuffer {
  var writer = ByteWriter()
  for chunk in chunks { writer.append(chunk) }
  return ByteBuffer(writer.bytes)
}
