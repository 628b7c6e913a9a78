internal import ByteIO
internal import Tensors

// `nn.utils.weight_norm` keeps a weight as magnitude and direction: w = g · v ÷ ‖v‖, over all axes but one.
// <https://docs.pytorch.org/docs/stable/generated/torch.nn.utils.parametrizations.weight_norm.html>

extension TorchNames {
  /// The names that magnitude and direction of `weight` have: today's, and those before PyTorch 2.0.
  package static func weightNorm(of weight: String) -> [(magnitude: String, direction: String)] {
    let dot = weight.lastIndex(of: ".").map { weight.index(after: $0) } ?? weight.startIndex
    let parametrised = "\(weight[..<dot])parametrizations.\(weight[dot...])"
    return [("\(parametrised).original0", "\(parametrised).original1"), ("\(weight)_g", "\(weight)_v")]
  }

  /// The weight whose magnitude `name` would be.
  static func weight(ofMagnitude name: String) -> String? {
    let mark = "parametrizations."
    if name.hasSuffix(".original0") {
      let parts = name.dropLast(".original0".count).split(separator: ".", omittingEmptySubsequences: false)
      guard parts.count >= 2, parts[parts.count - 2] + "." == mark else { return nil }
      return (parts.dropLast(2) + parts.suffix(1)).joined(separator: ".")
    }
    let weight = name.dropLast(2)
    let leaf = weight.split(separator: ".").last ?? ""
    return name.hasSuffix("_g") && leaf.hasPrefix("weight") ? String(weight) : nil
  }
}

extension StateDict {
  /// The same with every weight that training keeps as something else as PyTorch makes it again before each pass.
  package func withWeightsMade() -> StateDict { withReplacedWeightsRestored().withWeightNormFolded() }

  /// The same with the matrices that weight norm keeps in two parts, each computed in Float64 and rounded once to its own
  /// type; `derived` names them.
  package func withWeightNormFolded() -> StateDict {
    guard entries.contains(where: { TorchNames.weight(ofMagnitude: $0.name) != nil }) else { return self }
    let tensors = Dictionary(entries.map { (ExactString($0.name), $0.tensor) }) { first, _ in first }
    var result = self
    result.entries = []
    var directions: Set<ExactString> = []
    for entry in entries {
      guard let weight = TorchNames.weight(ofMagnitude: entry.name), tensors[ExactString(weight)] == nil,
        let names = TorchNames.weightNorm(of: weight).first(where: { $0.magnitude == entry.name }),
        let direction = tensors[ExactString(names.direction)],
        let folded = direction.scaled(toNorms: entry.tensor)
      else {
        result.entries.append(entry)
        continue
      }
      directions.insert(ExactString(names.direction))
      result.entries.append(Entry(weight, folded))
      result.derived.append(
        Remark(weight, "weight norm: g · v ÷ ‖v‖ of '\(names.magnitude)' and '\(names.direction)'"))
    }
    result.entries.removeAll { directions.contains(ExactString($0.name)) }
    return result
  }
}

extension Tensor {
  /// g · v ÷ ‖v‖ for v `[R, C]` and g `[R, 1]`, `[1, C]`, or a single number for all of v; nil for other shapes.
  fileprivate func scaled(toNorms g: Tensor) -> Tensor? {
    guard shape.count == 2, elementType.isFloat, g.elementType == elementType else { return nil }
    let columns = shape[1]
    let group: (Int) -> Int
    switch g.shape {
    case [shape[0], 1]: group = { $0 / columns }
    case [1, columns]: group = { $0 % columns }
    case let other where other.allSatisfy({ $0 == 1 }): group = { _ in 0 }
    default: return nil
    }
    let v = doubles
    let magnitudes = g.doubles
    var squares = [Double](repeating: 0, count: magnitudes.count)
    for (place, value) in v.enumerated() { squares[group(place)] += value * value }
    let factors = zip(magnitudes, squares).map { $0 / $1.squareRoot() }
    let scaled = v.enumerated().map { place, value in value * factors[group(place)] }
    return try? Tensor(scaled, shape: shape).converted(to: elementType).tensor
  }
}
