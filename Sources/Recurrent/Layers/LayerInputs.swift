internal import Tensors

/// What a layer is given, and what to say where it does not fit.
package struct LayerInputs {
  package let layer: String
  package let names: [String?]
  /// Nil for an input that is left out.
  package let kinds: [ValueKind?]

  package var count: Int { kinds.count }
  package subscript(index: Int) -> ValueKind? { kinds[index] }

  /// The one input.
  func only() throws(ModelError) -> ValueKind {
    guard count == 1, let input = kinds[0] else { throw wrongCount("inputs", expected: "1") }
    return input
  }

  /// The one input, which has features.
  func features() throws(ModelError) -> ValueKind {
    let input = try only()
    guard !input.isInteger else { throw wrongInput(0, expected: "features") }
    return input
  }

  func require(_ tensor: Tensor, _ what: String, shape: [Int]) throws(ModelError) {
    guard tensor.shape == shape else { throw wrongShape(what, expected: shape, found: tensor) }
    try requireFloat(tensor, what)
  }

  func requireFloat(_ tensor: Tensor, _ what: String) throws(ModelError) {
    guard tensor.elementType.isFloat || tensor.quantization != nil else {
      throw .wrongElementType(layer: layer, tensor: what, found: tensor.elementType)
    }
  }

  func wrongInput(_ index: Int, expected: String) -> ModelError {
    let found = index < count ? kinds[index] : nil
    return .wrongInput(
      layer: layer, input: index < names.count ? names[index] ?? "" : "", expected: expected,
      found: found.map { "\($0)" } ?? "nothing")
  }

  func wrongCount(_ what: String, expected: String) -> ModelError {
    .wrongArity(layer: layer, what: what, expected: expected, found: count)
  }

  func wrongShape(_ tensor: String, expected: [Int], found: Tensor) -> ModelError {
    .wrongShape(layer: layer, tensor: tensor, expected: expected, found: found.shape)
  }

  func invalid(_ reason: String) -> ModelError { .invalid(layer: layer, reason: reason) }
}
