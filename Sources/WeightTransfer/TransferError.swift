package import StateDicts

/// Why the weights of a state dict cannot take the places of those in a graph.
package enum TransferError: Error, Equatable, CustomStringConvertible {
  case state(StateDictError)
  /// Tensors that may all be what stands there, and nothing that decides.
  case ambiguous(place: String, shape: [Int], node: String, candidates: [String])
  /// Places that may all take the same tensor.
  case contested(tensor: String, shape: [Int], places: [String])
  case wrongShape(place: String, expected: [Int], tensor: String, found: [Int])
  /// A recurrent operator whose weights nothing in the state dict fits.
  case nothingFits(node: String, operation: String, shapes: [[Int]], known: [String])
  /// More than can be told apart in a reasonable time.
  case tooMany(places: Int, candidates: Int)
  case nothingMatches(tensors: [String], places: [String])

  package var description: String {
    switch self {
    case .state(let error): error.description
    case .ambiguous(let place, let shape, let node, let candidates):
      "weight '\(place)' \(shape) of node \(node) may be \(Self.list(candidates)): neither names nor values in the graph decide"
    case .contested(let tensor, let shape, let places):
      "'\(tensor)' \(shape) may be \(Self.list(places)) of the graph: neither names nor values decide"
    case .wrongShape(let place, let expected, let tensor, let found):
      "'\(tensor)' has shape \(found), the graph's weight '\(place)' has \(expected): it was exported from another model"
    case .nothingFits(let node, let operation, let shapes, let known):
      "no \(operation) in the weights fits node \(node), whose W and R are \(shapes.map { "\($0)" }.joined(separator: " and ")); "
        + (known.isEmpty ? "they hold no recurrent module" : "they hold \(known.joined(separator: ", "))")
    case .tooMany(let places, let candidates):
      "\(places) weights of the graph have lost their names, and \(candidates) tensors may be there: export it with names"
    case .nothingMatches(let tensors, let places):
      "no tensor of the weights (\(Self.few(tensors))) matches a weight of the graph (\(Self.few(places))), by name or by shape"
    }
  }

  private static func list(_ names: [String]) -> String {
    let quoted = names.map { "'\($0)'" }
    return quoted.count == 2 ? quoted.joined(separator: " or ") : quoted.joined(separator: ", ")
  }

  private static func few(_ names: [String]) -> String {
    names.prefix(4).joined(separator: ", ") + (names.count > 4 ? ", …" : "")
  }
}
