public enum TorchEvaluatorError: Error, Equatable, CustomStringConvertible {
  case missingTensor(String)
  case missingInput(String)
  case wrongShape(String, expected: String, found: [Int])
  case wrongElements(String, reason: String)
  case tooManyElements(Int, limit: Int)
  case badStep(String, reason: String)

  public var description: String {
    switch self {
    case .missingTensor(let name): "there is no tensor '\(name)'"
    case .missingInput(let name): "input '\(name)' is missing"
    case .wrongShape(let name, let expected, let found):
      "'\(name)': expected shape \(expected), found \(found)"
    case .wrongElements(let name, let reason): "'\(name)': \(reason)"
    case .tooManyElements(let count, let limit): "a value of \(count) elements is over the limit of \(limit)"
    case .badStep(let name, let reason): "module '\(name)': \(reason)"
    }
  }
}
