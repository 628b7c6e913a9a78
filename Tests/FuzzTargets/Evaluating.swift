internal import ByteIO
internal import Forward
internal import ONNXFormat
internal import RNNConv
internal import Tensors

extension FuzzTarget {
  /// A model of any format, run by its own rules and as imported: the two must agree, whatever the file says.
  static let evaluator = FuzzTarget("evaluator") { bytes in
    guard let file = try? ModelFile(bytes: bytes, path: "fuzz", limits: limits) else { return false }
    guard let model = try? file.model else { return evaluate(bytes) }
    guard let probe = try? Probe.sequence(for: model, steps: 2, seed: 1) else { return true }
    // A size that the file fixes honestly may still be large: that takes time, and proves nothing here.
    guard probe.inputs.values.allSatisfy({ $0.count <= 1 << 10 }), weightBytes(of: file) <= 1 << 14 else {
      return true
    }
    var options = VerificationOptions()
    options.inputs = probe.inputs
    if let report = try? file.verify(options) {
      if report.verdict == .different {
        fatalError("the import means something else than the file: \(report.reasons)")
      }
    }
    return true
  }

  private static func weightBytes(of file: ModelFile) -> Int {
    ((try? file.storedTensors) ?? []).reduce(0) { $0 + $1.byteCount }
  }

  /// An ONNX graph that cannot be imported: on zeros of the sizes that it declares.
  private static func evaluate(_ bytes: ByteBuffer) -> Bool {
    guard let source = try? ONNXDecoder.decode(bytes, folder: nil, limits: limits),
      let evaluator = try? ONNXEvaluator(source, limits: limits)
    else { return false }
    var inputs: [String: Tensor] = [:]
    for input in source.graph.inputs {
      let shape = (input.shape ?? []).map { dimension in
        if case .fixed(let size) = dimension { size } else { 2 }
      }
      let count = shape.reduce(1) { $0 > 1 << 10 ? $0 : $0 * min($1, 1 << 11) }
      guard count <= 1 << 10, let type = input.elementType else { return false }
      inputs[input.name] = try? Tensor(
        type, shape: shape, bytes: ByteBuffer(repeatElement(0, count: count * type.size)))
    }
    return (try? evaluator.run(inputs, precision: .float32)) != nil
  }
}
