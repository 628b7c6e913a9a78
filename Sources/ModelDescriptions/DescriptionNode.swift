public import ByteIO
public import Recurrent

/// What is wrong with a description, and where in it.
public enum DescriptionError: Error, Equatable, CustomStringConvertible {
  case json(ParseError)
  /// `path` such as `layers[2].body[0].weight`.
  case wrong(path: String, reason: String)
  case model(path: String, ModelError)

  public var description: String {
    switch self {
    case .json(let error): "it is not JSON: \(error)"
    case .wrong(let path, let reason): "\(path): \(reason)"
    case .model(let path, let error): "\(path): \(error)\(Self.hint(error))"
    }
  }

  /// A kernel that is the wrong way round is the likeliest mistake of all.
  private static func hint(_ error: ModelError) -> String {
    guard case .wrongShape(_, _, let expected, let found) = error, found.count == 2,
      found != expected, expected.count == 2, expected == found.reversed() || expected[0] == -1
    else { return "" }
    return " (are the matrices stored the other way round? \"matrices\" says \"out,in\" or \"in,out\")"
  }
}

typealias DescriptionNode = JSONNode<DescriptionError>
typealias DescriptionObject = JSONObject<DescriptionError>

extension DescriptionError: JSONFailure {
  package static func json(_ fault: JSONFault, path: String, offset: Int?) -> DescriptionError {
    .wrong(path: path.isEmpty ? "the description" : path, reason: fault.reason)
  }

  package static var comment: String? { "comment" }
}
