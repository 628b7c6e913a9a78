internal import ReferenceMath
internal import Tensors

/// Operators of onnxruntime's domain `com.microsoft` that its optimiser writes in place of several of ONNX's own.
///
/// They are defined by that runtime's own document, `docs/ContribOperators.md`.
extension Evaluation {
  static var fusedOperators: [String: Operation] {
    typealias F = Functions<S>
    return [
      "com.microsoft.FusedConv": fusedConv,
      "com.microsoft.FusedGemm": { call throws(ONNXError) in
        let parameters = ["activation_alpha", "activation_beta", "activation_gamma"].map { call.real($0) }
        return try activated(call, gemm(call), parameters)
      },
      "com.microsoft.FusedMatMul": fusedMatMul,
      "com.microsoft.SkipLayerNormalization": { call throws(ONNXError) in
        try skipNormalization(call, bias: 4) { (call) throws(ONNXError) in try layerNormalization(call) }
      },
      "com.microsoft.SkipSimplifiedLayerNormalization": { call throws(ONNXError) in
        try skipNormalization(call, bias: 3) { (call) throws(ONNXError) in try rmsNormalization(call) }
      },
      // Of ONNX's own domain by name, but known to that runtime alone.
      "SimplifiedLayerNormalization": rmsNormalization,
      "com.microsoft.BiasGelu": { call throws(ONNXError) in try sum(call, F.gelu) },
      "com.microsoft.FastGelu": { call throws(ONNXError) in try sum(call, F.geluTanh) },
      "com.microsoft.Gelu": { call throws(ONNXError) in try sum(call, F.gelu) },
      "com.microsoft.QuickGelu": { call throws(ONNXError) in
        let alpha = call.real("alpha") ?? 0
        return try sum(call) { F.swish($0, alpha) }
      },
    ]
  }

  /// A function of the first input, the second (if there is one) added to it.
  private static func sum(_ call: Call<S>, _ function: (S) -> S) throws(ONNXError) -> [Value<S>?] {
    var (x, type) = try call.float(0)
    if call.has(1) {
      let bias = try call.parameter(1, of: x.shape)
      x = NDArray(x, bias, shape: x.shape) { $0 + $1 }
    }
    return [.float(x.map(function), type)]
  }

  /// activation(Conv(X, W, B) + Z)
  private static func fusedConv(_ call: Call<S>) throws(ONNXError) -> [Value<S>?] {
    var results = try conv(call)
    if call.has(3), case .float(let y, let type)?? = results.first {
      let added = try call.float(3).array
      guard added.shape == y.shape else {
        throw call.mismatch(3, expected: "\(y.shape)", found: added.shape)
      }
      results = [.float(NDArray(y, added, shape: y.shape) { $0 + $1 }, type)]
    }
    return try activated(call, results, call.reals("activation_params").map { $0 })
  }

  /// The function that the attribute `activation` names; there need be none.
  private static func activated(
    _ call: Call<S>, _ results: [Value<S>?], _ parameters: [S?]
  ) throws(ONNXError) -> [Value<S>?] {
    guard let name = call.string("activation"), !name.isEmpty, case .float(let y, let type)?? = results.first
    else {
      return results
    }
    func parameter(_ position: Int, _ standard: S) -> S {
      position < parameters.count ? parameters[position] ?? standard : standard
    }
    typealias F = Functions<S>
    let function: (S) -> S
    switch name {
    case "Relu": function = F.relu
    case "Tanh": function = F.tanh
    case "Sigmoid": function = F.sigmoid
    case "Softplus": function = F.softplus
    case "Softsign": function = F.softsign
    case "LeakyRelu": function = { F.leakyRelu($0, parameter(0, S(0.01))) }
    case "Elu": function = { F.elu($0, parameter(0, 1)) }
    case "HardSigmoid": function = { F.hardSigmoid($0, parameter(0, S(0.2)), parameter(1, S(0.5))) }
    case "ThresholdedRelu": function = thresholdedRelu(parameter(0, 1))
    case "Clip": function = { F.clamp($0, parameter(0, -.infinity), parameter(1, .infinity)) }
    default: throw call.unsupported("activation", "'\(name)' is not a known function")
    }
    return [.float(y.map(function), type)]
  }

  /// alpha · A′ · B′: transBatch moves the first axis behind those of the batch, trans exchanges the last two.
  private static func fusedMatMul(_ call: Call<S>) throws(ONNXError) -> [Value<S>?] {
    var inputs: [Entry<S>?] = []
    for (position, name) in ["A", "B"].enumerated() {
      var (array, type) = try call.float(position)
      let movesBatch = try call.flag("transBatch\(name)")
      let transposes = try call.flag("trans\(name)")
      var order = Array(array.shape.indices)
      if movesBatch, order.count > 2 { order = Array(order[1..<(order.count - 1)]) + [0, order.count - 1] }
      if transposes, order.count > 1 { order.swapAt(order.count - 2, order.count - 1) }
      array = array.transposed(order)
      inputs.append(.tensor(.value(.float(array, type))))
    }
    let alpha = call.real("alpha") ?? 1
    let product = try matMul(
      Call(step: call.step, inputs: inputs, evaluation: call.evaluation, scope: call.scope))
    guard case .float(let y, let type)?? = product.first else { return product }
    return [.float(y.map { alpha * $0 }, type)]
  }

  /// The normalisation of input + skip + bias over the last axis; that sum is the fourth output.
  private static func skipNormalization(
    _ call: Call<S>, bias: Int, _ normalize: (Call<S>) throws(ONNXError) -> [Value<S>?]
  ) throws(ONNXError) -> [Value<S>?] {
    var (x, type) = try call.float(0)
    for position in [1, bias] where call.has(position) {
      let added = try call.parameter(position, of: x.shape)
      x = NDArray(x, added, shape: x.shape) { $0 + $1 }
    }
    // gamma, and beta where the operator has it.
    let parameters = (2..<bias).map { call.has($0) ? call.inputs[$0] : nil }
    let sum = Entry<S>.tensor(.value(.float(x, type)))
    let results = try normalize(
      Call(step: call.step, inputs: [sum] + parameters, evaluation: call.evaluation, scope: call.scope))
    // Mean and deviation belong to training: onnxruntime does not fill them in.
    return [results[0], nil, nil, .float(x, type)]
  }
}
