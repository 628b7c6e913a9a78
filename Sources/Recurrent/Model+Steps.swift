extension Model {
  /// The fewest steps that a sequence among the inputs may have; 1 where layers ask for no more, and where none would do.
  package var leastSteps: Int {
    guard inputs.contains(where: \.kind.hasTime), !canRun(steps: 1) else { return 1 }
    // More steps never fit a window less.
    var most = 2
    while !canRun(steps: most) {
      guard most < 1 << 24 else { return 1 }
      most *= 2
    }
    var (least, enough) = (most / 2, most)
    while enough - least > 1 {
      let middle = (least + enough) / 2
      if canRun(steps: middle) { enough = middle } else { least = middle }
    }
    return enough
  }

  private func canRun(steps: Int) -> Bool {
    var counts: [String: Int] = [:]
    for port in inputs where port.kind.hasTime { counts[port.value] = steps }
    for layer in layers {
      let given = layer.inputs.lazy.compactMap { $0.flatMap { counts[$0] } }.first
      guard let made = layer.operation.kind.steps(of: given) else { return false }
      for output in layer.outputs { if let output, made > 0 { counts[output] = made } }
    }
    return true
  }
}
