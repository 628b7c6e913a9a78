/// How far one elementary function of a runtime may be off: `relative · |f(x)| + absolute`.
package struct FunctionError: Sendable, Hashable {
  package var relative: Double
  package var absolute: Double

  package init(relative: Double, absolute: Double) {
    self.relative = relative
    self.absolute = absolute
  }

  /// The bound where |f(x)| ≤ magnitude.
  func bound(_ magnitude: Double) -> Double { relative * magnitude + absolute }
}

/// How many symbols a bound may follow through recurrent layers where intervals grow: the more, the sharper, at up to a
/// hundred times the work.
package enum Symbols: Sendable, Hashable {
  /// Intervals alone.
  case none
  /// A few times the states: enough where the recurrence contracts.
  case few
  /// Up to 32 a state; none in layers where they would take more than a second.
  case many
  /// As many, and four a state in layers where they take up to some seconds.
  case most
}

/// What is assumed of the arithmetic of an evaluation: the format's rounding and its elementary functions.
package struct RoundingModel: Sendable, Hashable {
  package var format: Precision
  /// 1 / (1 + e^{−x})
  package var sigmoid: FunctionError
  package var tanh: FunctionError
  /// e^x, ln x and the error function.
  package var elementary: FunctionError
  /// What weights may have been stored as before they are used; nil where they are the model's own.
  package var storage: WeightStorage?
  /// The effort that bounds may take.
  var symbols = Symbols.many
  var readsStoredWeights = false

  package init(format: Precision, sigmoid: FunctionError, tanh: FunctionError, elementary: FunctionError) {
    self.format = format
    self.sigmoid = sigmoid
    self.tanh = tanh
    self.elementary = elementary
  }

  /// u: half the distance from 1 to the next number.
  package var unitRoundoff: Double { format == .float32 ? 0x1p-24 : 0x1p-53 }

  /// η: the smallest normal number, which also covers hardware that flushes subnormal numbers to zero.
  package var underflow: Double { format == .float32 ? 0x1p-126 : 0x1p-1022 }

  /// Any Float32 runtime whose functions are good to 4 ulp.
  package static let float32 = RoundingModel(.float32, ulps: 4)

  /// Any Float64 runtime whose functions are good to 4 ulp.
  package static let float64 = RoundingModel(.float64, ulps: 4)

  /// PyTorch on a CPU: vectorised functions of 1 to 4 ulp.
  package static let pytorch: RoundingModel = {
    var model = RoundingModel.float32
    model.sigmoid.absolute = 1e-7
    model.tanh.absolute = 1e-7
    return model
  }()

  /// onnxruntime on a CPU: rational approximations, whose error is absolute.
  package static let onnxruntime: RoundingModel = {
    var model = RoundingModel.float32
    model.sigmoid = FunctionError(relative: 0, absolute: 3e-7)
    model.tanh = FunctionError(relative: 5e-7, absolute: 7e-7)
    return model
  }()

  /// Keras on TensorFlow, and LiteRT: rational approximations, better than onnxruntime's.
  package static let keras: RoundingModel = {
    var model = RoundingModel.onnxruntime
    model.tanh = FunctionError(relative: 4e-7, absolute: 4e-7)
    return model
  }()

  /// tract: σ and tanh are clamped near their ends.
  package static let tract: RoundingModel = {
    var model = RoundingModel.float32
    model.sigmoid = FunctionError(relative: 0, absolute: 6e-7)
    model.tanh = FunctionError(relative: 5e-7, absolute: 7e-7)
    return model
  }()

  private init(_ format: Precision, ulps: Double) {
    let unit = format == .float32 ? 0x1p-24 : 0x1p-53
    let underflow = format == .float32 ? 0x1p-126 : 0x1p-1022
    // ulp(y) ≤ 2u·|y|
    let error = FunctionError(relative: 2 * unit * ulps, absolute: underflow)
    self.init(format: format, sigmoid: error, tanh: error, elementary: error)
  }
}

extension RoundingModel: PassRules {
  var narrowsWeights: Bool { storage != nil }
}
