internal import ReferenceMath

/// The activation functions that RNN, LSTM and GRU may name, in lower case, and how their α and β are handed out.
enum RecurrentActivation: String {
  case relu, tanh, sigmoid, affine, leakyrelu, thresholdedrelu, scaledtanh, hardsigmoid, elu, softsign,
    softplus

  enum Parameter {
    case none, required
    case standard(Float)
  }

  /// Operator specification, RNN, "Activation functions": what each takes, and the default where it defines one.
  ///
  /// "Default values are the same as of corresponding ONNX operators". Affine and ScaledTanh have no operator in any
  /// opset supported here, so that they must be given their parameters (only Affine's β is 0, as everywhere).
  private var parameters: (alpha: Parameter, beta: Parameter) {
    switch self {
    case .relu, .tanh, .sigmoid, .softsign, .softplus: (.none, .none)
    case .affine: (.required, .standard(0))
    case .leakyrelu: (.standard(0.01), .none)
    case .thresholdedrelu: (.standard(1), .none)
    case .scaledtanh: (.required, .required)
    case .hardsigmoid: (.standard(0.2), .standard(0.5))
    case .elu: (.standard(1), .none)
    }
  }

  private func function<S: ReferenceScalar>(_ alpha: S, _ beta: S) -> (S) -> S {
    switch self {
    case .relu: Functions.relu
    case .tanh: Functions.tanh
    case .sigmoid: Functions.sigmoid
    case .affine: { Functions.affine($0, alpha, beta) }
    case .leakyrelu: { Functions.leakyRelu($0, alpha) }
    // x if x >= alpha else 0: unlike the operator ThresholdedRelu, x = alpha passes. A NaN passes too.
    case .thresholdedrelu:
      {
        S.piecewise($0, alpha) { _ in
          0
        } otherwise: {
          $0
        }
      }
    case .scaledtanh: { Functions.scaledTanh($0, alpha, beta) }
    case .hardsigmoid: { Functions.hardSigmoid($0, alpha, beta) }
    case .elu: { Functions.elu($0, alpha) }
    case .softsign: Functions.softsign
    case .softplus: Functions.softplus
    }
  }

  /// The functions of all directions, in the order of the attribute: (f, g, h) forward, then (f, g, h) backward.
  ///
  /// `activation_alpha` and `activation_beta` are consumed in that order by those functions that take one; what is
  /// left over means that the writer counted otherwise, and is refused.
  static func functions<S: ReferenceScalar>(
    _ call: Call<S>, standard: [String], directions: Int
  ) throws(ONNXError) -> [[(S) -> S]] {
    var names = Array(repeatElement(standard, count: directions).joined())
    if case .strings(let given)? = call.step.attributes["activations"] {
      // RNN's own default names two functions, of which one direction uses the first.
      let isDefault = given.count == 2 && standard.count == 1 && given[0] == given[1]
      guard given.count == names.count || isDefault else {
        throw call.unsupported("activations", "it names \(given.count) functions, \(names.count) are needed")
      }
      names = Array(given.prefix(names.count))
    }
    var alphas = call.reals("activation_alpha")[...]
    var betas = call.reals("activation_beta")[...]
    func next(
      _ list: inout ArraySlice<S>, _ parameter: Parameter, _ attribute: String, _ name: String
    ) throws(ONNXError) -> S {
      if case .none = parameter { return 0 }
      if let given = list.popFirst() { return given }
      guard case .standard(let value) = parameter else {
        throw call.unsupported(attribute, "\(name) needs a value, for which ONNX defines no default")
      }
      return S(value)
    }
    var functions: [(S) -> S] = []
    for name in names {
      // Case does not matter to onnxruntime's LSTM and GRU.
      guard let activation = RecurrentActivation(rawValue: name.lowercased()) else {
        throw call.unsupported("activations", "'\(name)' is none of ONNX's activation functions")
      }
      let (alpha, beta) = activation.parameters
      functions.append(
        activation.function(
          try next(&alphas, alpha, "activation_alpha", name),
          try next(&betas, beta, "activation_beta", name)))
    }
    for (attribute, rest) in [("activation_alpha", alphas), ("activation_beta", betas)] where !rest.isEmpty {
      throw call.unsupported(
        attribute, "\(rest.count) of its values belong to no activation function that takes one")
    }
    return (0..<directions).map { Array(functions[($0 * standard.count)..<(($0 + 1) * standard.count)]) }
  }
}
