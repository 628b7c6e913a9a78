internal import Recurrent

extension Model {
  /// How many steps its inputs need for each recurrent layer to get `count`: windows along time and steps taken away leave fewer.
  ///
  /// `count` itself where all get so many, or where no number of steps below a limit would do.
  func stepsNeeded(for count: Int) -> Int {
    func isEnough(_ steps: Int) -> Bool { (leastSteps(of: steps) ?? 0) >= count }
    if isEnough(count) { return count }
    var (low, high) = (count, count)
    repeat {
      (low, high) = (high, high * 2)
      guard high <= Self.mostSteps else { return count }
    } while !isEnough(high)
    while high - low > 1 {
      let middle = (low + high) / 2
      if isEnough(middle) { high = middle } else { low = middle }
    }
    return high
  }

  private static var mostSteps: Int { 1 << 16 }

  /// The fewest steps that a recurrent layer gets of inputs with `steps`; `steps` where there is no such layer, nil where a window does
  /// not fit.
  private func leastSteps(of steps: Int) -> Int? {
    var known: [String: Int] = [:]
    for input in inputs where input.kind.hasTime { known[input.value] = steps }
    var least: Int?
    for layer in layers {
      guard let first = layer.inputs.lazy.compactMap({ $0.flatMap { known[$0] } }).first else { continue }
      var result = first
      switch layer.operation {
      case .recurrent:
        least = min(least ?? first, first)
        if let sequence = layer.outputs.first ?? nil { known[sequence] = first }
        continue
      case .convolution(let convolution):
        for axis in convolution.axes where axis.size == nil { result = axis.places(of: first) }
      case .pool(let pool):
        for axis in pool.axes where axis.size == nil {
          result = axis.places(of: first, roundsUp: pool.roundsUp)
        }
      case .padding(let padding):
        for axis in padding.axes where axis.size == nil {
          guard axis.kept(of: first) >= 1 else { return nil }
          result = first + axis.before + axis.after
        }
      // Vectors, and sequences whose steps are their own.
      case .select, .fold, .unfold, .constant, .generate: continue
      case .embedding, .dense, .activation, .softmax, .logSoftmax, .layerNormalization, .concat, .slice,
        .arithmetic, .reverse, .dropout, .argMax, .gather, .reduce, .timeSoftmax:
        break
      }
      guard result >= 1 else { return nil }
      for case let output? in layer.outputs { known[output] = result }
    }
    return least ?? steps
  }
}
