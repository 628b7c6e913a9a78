extension Model {
  /// How many steps its inputs need for each recurrent layer to get `count`, and every window to fit: those along time and steps taken away
  /// leave fewer.
  ///
  /// `count` itself where all get so many, or where no number of steps below a limit would do.
  package func stepsNeeded(for count: Int) -> Int {
    func isEnough(_ steps: Int) -> Bool { (fewestSteps(of: steps) ?? 0) >= count }
    if isEnough(count) { return count }
    var (low, high) = (count, count)
    repeat {
      (low, high) = (high, high * 2)
      guard high <= 1 << 20 else { return count }
    } while !isEnough(high)
    while high - low > 1 {
      let middle = (low + high) / 2
      if isEnough(middle) { high = middle } else { low = middle }
    }
    return high
  }

  /// The fewest steps that a recurrent layer gets of inputs with `steps`; `steps` where there is no such layer, nil where a layer needs
  /// more.
  private func fewestSteps(of steps: Int) -> Int? {
    var known: [String: Int] = [:]
    for input in inputs where input.kind.hasTime { known[input.value] = steps }
    var fewest: Int?
    for layer in layers {
      // Vectors, and sequences whose steps are their own.
      guard let given = layer.inputs.lazy.compactMap({ $0.flatMap { known[$0] } }).first else { continue }
      guard let made = layer.operation.kind.steps(of: given) else { return nil }
      if case .recurrent(let recurrent) = layer.operation, recurrent.path.isAlongTime {
        fewest = min(fewest ?? given, given)
        if let sequence = layer.outputs.first ?? nil { known[sequence] = made }
        continue
      }
      for case let output? in layer.outputs where made > 0 { known[output] = made }
    }
    return fewest ?? steps
  }
}
