internal import Recurrent

/// The last states of each recurrent layer, which the next steps begin with.
struct CarriedStates<Number: Scalar>: Sendable {
  /// Outputs 1 and 2 of each recurrent layer; empty before the first steps.
  private(set) var states: [[Value<Number>]]

  init(layers: Int) { states = [[Value<Number>]](repeating: [], count: layers) }

  /// Goes on from `states`.
  init(_ states: [[Value<Number>]]) { self.states = states }

  /// Runs all layers on the next steps, in `values` at first, and adds what they make. Where it throws, the states stay.
  mutating func advance(
    _ model: Model, layers: (Int) -> PreparedLayer<Number>, _ values: inout [String: Value<Number>],
    batch: Int
  ) throws(ForwardError) {
    var newStates = states
    var next = 0
    // Of a long stack that cannot run together, no layer is asked again.
    var alone = 0
    while next < model.layers.count {
      let layer = layers(next)
      let stack = next < alone ? [] : model.stack(at: next)
      let arguments = (0..<max(1, stack.count)).map { self.arguments(model, next + $0, values) }
      let outputs: [[Value<Number>]]
      if let together = layer.runTogether(stack, arguments, upper: { layers(next + $0) }) {
        outputs = together
      } else {
        outputs = [try layer.run(arguments[0], batch: batch)]
        if stack.count > 16 { alone = next + stack.count }
      }
      for output in outputs {
        if case .recurrent(let recurrent) = model.layers[next].operation, recurrent.path.isAlongTime {
          newStates[next] = Array(output.dropFirst())
        }
        for (name, value) in zip(model.layers[next].outputs, output) {
          if let name { values[name] = value }
        }
        next += 1
      }
    }
    states = newStates
  }

  private func arguments(
    _ model: Model, _ index: Int, _ values: [String: Value<Number>]
  ) -> [Value<Number>?] {
    let arguments = model.layers[index].inputs.map { $0.flatMap { values[$0] } }
    // x, no lengths, h, c
    return states[index].isEmpty ? arguments : [arguments[0], nil] + states[index].map { $0 }
  }
}

extension Model {
  /// Whether a pass can go through the steps block by block and forget what it has passed: it can stream, and asks for
  /// nothing that has time.
  var forgetsSteps: Bool {
    outputs.allSatisfy { !$0.kind.hasTime } && (try? requireStreamable()) != nil
  }
}

/// The values after the last step of a model that `forgetsSteps`: in memory are `rows` rows of each value at a time, or
/// one step where that has more, however many steps there are.
func runInBlocks<Number: Scalar>(
  _ model: Model, _ inputs: PassInputs<Number>, steps: Int, rows: Int = 128,
  layers: (Int) -> PreparedLayer<Number>
) throws(ForwardError) -> [String: Value<Number>] {
  var carried = CarriedStates<Number>(layers: model.layers.count)
  let fixed = inputs.fixedValues
  let block = max(1, rows / max(1, inputs.batch))
  var values: [String: Value<Number>] = [:]
  for first in stride(from: 0, to: steps, by: block) {
    values = inputs.values(steps: first..<min(first + block, steps)).merging(fixed) { $1 }
    try carried.advance(model, layers: layers, &values, batch: inputs.batch)
  }
  return values
}
