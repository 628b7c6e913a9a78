internal import Forward
internal import ONNXFormat
internal import ReferenceMath
internal import Tensors
internal import Verification

extension EvaluatorRounding {
  /// What ONNX's evaluator says of its graph.
  ///
  /// - Parameter bound: the values of inputs that are bound.
  init(_ evaluator: ONNXEvaluator, _ bound: [String: Tensor]) {
    @Sendable func all(_ inputs: [String: Tensor]) -> [String: Tensor] {
      inputs.merging(bound) { own, _ in own }
    }
    self.init(
      operators: evaluator.operators,
      bounds: { inputs, rounding in
        let precision: EvaluationPrecision = rounding.format == .float32 ? .float32 : .float64
        return try evaluator.bounds(all(inputs), precision, RuntimeFunctions(rounding)).mapValues {
          BoundedTensor(
            shape: $0.shape, values: $0.values.map { $0.isFinite ? $0 : 0 }, errors: $0.radii,
            isInteger: $0.isInteger)
        }
      },
      noisyPass: { inputs, rounding, seed in
        try evaluator.noisyRun(all(inputs), RuntimeFunctions(rounding), seed: seed)
      },
      work: { try evaluator.work(all($0)) },
      changed: { inputs, transform in
        try evaluator.mappingWeights(transform).run(all(inputs), precision: .float64)
      },
      weights: {
        var found: [Tensor] = []
        _ = evaluator.mappingWeights { tensor in
          found.append(tensor)
          return tensor
        }
        return found
      })
  }
}

extension RuntimeFunctions {
  fileprivate init(_ rounding: RoundingModel) {
    func accuracy(_ error: FunctionError) -> FunctionAccuracy {
      FunctionAccuracy(relative: error.relative, absolute: error.absolute)
    }
    self.init(
      sigmoid: accuracy(rounding.sigmoid), tanh: accuracy(rounding.tanh),
      elementary: accuracy(rounding.elementary))
  }
}
