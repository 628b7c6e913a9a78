internal import ByteIO

/// Why names and shapes make no model.
package enum StateDictError: Error, Equatable, CustomStringConvertible {
  case noRecurrentWeights(found: [String])
  case badModule(String, reason: String)
  case missingTensor(String)
  case wrongShape(String, expected: [Int], found: [Int])
  /// Several recurrent modules that do not feed one another: which ones make the model?
  case severalModels(modules: [String], example: String)
  case unknownModule(String, known: [String])
  case doesNotFit(module: String, reason: String)
  /// Something that decides the result and is not in the file.
  case undecided(String)
  case badArchitecture(reason: String)
  case notExpressible(layer: String, reason: String)
  case invalidModel(reason: String)

  package var description: String {
    switch self {
    case .noRecurrentWeights(let found):
      "no recurrent weights (weight_ih_l0, weight_hh_l0, …) among the \(found.count) tensors"
        + (found.isEmpty ? "" : ": \(found.prefix(8).joined(separator: ", "))\(found.count > 8 ? ", …" : "")")
    case .badModule(let name, let reason): "module '\(name)': \(reason)"
    case .missingTensor(let name): "there is no tensor '\(name)'"
    case .wrongShape(let name, let expected, let found):
      "tensor '\(name)': shape \(found) does not match, expected \(expected)"
    case .severalModels(let modules, let example):
      "the file does not say how its recurrent modules work together: \(modules.joined(separator: "; ")). "
        + "Choose those that run one after another, such as \(Setting.modules) \(example)"
    case .unknownModule(let name, let known):
      "there is no module '\(name)'; there are \(known.joined(separator: ", "))"
    case .doesNotFit(let module, let reason): "module '\(module)': \(reason)"
    case .undecided(let what): what
    case .badArchitecture(let reason): "the architecture: \(reason)"
    case .notExpressible(let layer, let reason): "layer '\(layer)': \(reason)"
    case .invalidModel(let reason): reason
    }
  }
}
