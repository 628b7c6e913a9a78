public import Recurrent
public import Tensors

/// Everything that can be wrong with a forward pass. Each case names the port or the layer, and the row.
public enum ForwardError: Error, Equatable, CustomStringConvertible {
  /// The model is not valid, for this reason.
  case invalidModel(ModelError)
  /// A port is given no tensor.
  case missingInput(port: String)
  /// A tensor is given under a name that no port has.
  case unknownInput(String)
  /// A tensor does not fit its port's axes; `expected` is in words.
  case wrongShape(port: String, expected: String, found: [Int])
  /// A port of floats is given integers, a port of integers floats, or either of them bools.
  case wrongElementType(port: String, expected: String, found: ElementType)
  /// T and B share an axis, and nothing else tells B.
  case ambiguousShape(port: String, found: [Int])
  /// Another number of rows than elsewhere; `source` is the port or layer, in words.
  case batchMismatch(source: String, expected: Int, found: Int)
  /// Two sequences that a layer combines have different numbers of steps.
  case stepsMismatch(layer: String, expected: Int, found: Int)
  /// A row's length is not among those that the layer can take.
  case lengthOutOfRange(layer: String, row: Int, length: Int64, allowed: ClosedRange<Int>)
  /// A token id is outside a table of `vocabulary` rows.
  case tokenOutOfRange(layer: String, step: Int, row: Int, token: Int64, vocabulary: Int)
  /// A layer selects a step that a sequence of `steps` steps has not.
  case stepOutOfRange(layer: String, step: Int, steps: Int)
  /// A reduction over nothing.
  case empty(layer: String, what: String)
  /// A layer's window, or what it takes away, needs more steps.
  case tooFewSteps(layer: String, steps: Int, least: Int)
  /// A layer takes sequences of so many steps and no others.
  case wrongSteps(layer: String, expected: Int, found: Int)
  /// A layer needs the whole sequence.
  case cannotStream(layer: String, reason: String)
  /// A loop, or the model named as `layer` where there is none, cannot be searched by beam.
  case cannotSearch(layer: String, reason: String)
  /// A stream takes the ports without a time axis at its first step.
  case inputAfterStart(port: String)
  /// A stream's state without one of its layers'.
  case missingState(String)
  /// A tensor of a stream's state is of another type or shape; `expected` and `found` are in words.
  case wrongState(String, expected: String, found: String)
  /// A row is asked for that the batch has not.
  case rowOutOfRange(row: Int, batch: Int)
  /// Keeping every step's Jacobian would take this many bytes.
  case jacobiansTooLarge(layer: String, bytes: Int, limit: Int)
  /// A layer would make far more numbers than it reads: its pads, kernel or pattern are senseless.
  case tooMuch(layer: String, made: Int, read: Int)

  public var description: String {
    switch self {
    case .invalidModel(let error): "\(error)"
    case .missingInput(let port): "input '\(port)' is missing"
    case .unknownInput(let name): "the model has no input '\(name)'"
    case .wrongShape(let port, let expected, let found):
      "port '\(port)': shape \(found) does not match, expected \(expected)"
    case .wrongElementType(let port, let expected, let found):
      "port '\(port)': expected \(expected), found \(found.rawValue)"
    case .ambiguousShape(let port, let found):
      "port '\(port)': shape \(found) does not tell the batch size from the number of steps"
    case .batchMismatch(let source, let expected, let found):
      "\(source): batch of \(found), expected \(expected)"
    case .stepsMismatch(let layer, let expected, let found):
      "layer '\(layer)': sequences of \(expected) and \(found) steps do not combine"
    case .lengthOutOfRange(let layer, let row, let length, let allowed):
      "layer '\(layer)', row \(row): length \(length) is not in "
        + "\(allowed.lowerBound)...\(allowed.upperBound)"
    case .tokenOutOfRange(let layer, let step, let row, let token, let vocabulary):
      "layer '\(layer)', step \(step), row \(row): token \(token) is outside a table of \(vocabulary) rows"
    case .stepOutOfRange(let layer, let step, let steps):
      "layer '\(layer)': a sequence of \(steps) steps has no step \(step)"
    case .tooFewSteps(let layer, let steps, let least):
      "layer '\(layer)' needs \(least) steps or more, not \(steps)"
    case .wrongSteps(let layer, let expected, let found):
      "layer '\(layer)' takes \(expected) steps, not \(found)"
    case .empty(let layer, let what): "layer '\(layer)': no \(what) to reduce"
    case .cannotStream(let layer, let reason): "layer '\(layer)' cannot run step by step: \(reason)"
    case .cannotSearch(let layer, let reason): "'\(layer)' cannot be searched by beam: \(reason)"
    case .inputAfterStart(let port): "port '\(port)' has no time axis: it is read at the first step only"
    case .missingState(let name): "the state holds no '\(name)'"
    case .wrongState(let name, let expected, let found):
      "the state's '\(name)': expected \(expected), found \(found)"
    case .rowOutOfRange(let row, let batch): "there is no row \(row) in a batch of \(batch)"
    case .tooMuch(let layer, let made, let read):
      "layer '\(layer)' would make \(made == .max ? "more numbers than can be counted" : "\(made) numbers") of \(read)"
    case .jacobiansTooLarge(let layer, let bytes, let limit):
      "layer '\(layer)': its Jacobians take \(bytes) bytes, more than \(limit)"
    }
  }
}
