internal import Recurrent
internal import Tensors

extension Model {
  /// Whether an input of booleans shows keys of attention where it holds, or hides them there; nil for one that does neither.
  ///
  /// Attention of no key at all is no number, so that probes have to show one.
  func showsKeys(_ port: Model.Port) -> Bool? {
    guard port.elementType == .bool, port.kind.features == 1 else { return nil }
    var known = [port.value: true]
    for layer in layers {
      guard let input = layer.inputs.first.flatMap(\.self), let output = layer.outputs.first.flatMap(\.self)
      else { continue }
      if case .attention = layer.operation, layer.inputs.count > 3, let mask = layer.inputs[3],
        let shows = known[mask]
      {
        return shows
      }
      guard let holds = known[input] else { continue }
      if case .arithmetic(let arithmetic) = layer.operation {
        if arithmetic.operator == .equal, arithmetic.constant?.doubles == [0] { known[output] = !holds }
        // Both have to hold.
        if arithmetic.operator == .minimum, arithmetic.constant == nil { known[output] = holds }
      }
    }
    return nil
  }
}
