internal import Recurrent

extension PreparedLayer {
  /// Steps whose token is skipped taken out of a sequence, or put in again. A token that is not decided makes its row unknown.
  func run(_ packing: StepPacking, _ x: Numbers<Number>, _ tokens: Integers) throws(ForwardError) -> [Value<
    Number
  >] {
    let steps = x.steps ?? 1
    guard tokens.steps ?? 1 == steps else {
      throw .stepsMismatch(layer: name, expected: steps, found: tokens.steps ?? 1)
    }
    var result = Numbers<Number>(zeros: steps, batch: x.batch, features: x.features)
    var counts = Integers(steps: nil, batch: x.batch, elements: [])
    func copy(_ from: Int, _ to: Int, _ row: Int) {
      let (source, target) = ((from * x.batch + row) * x.features, (to * x.batch + row) * x.features)
      for f in 0..<x.features { result.elements[target + f] = x.elements[source + f] }
    }
    for row in 0..<x.batch {
      let kept = (0..<steps).filter { tokens.elements[$0 * x.batch + row] != Int64(packing.skipped) }
      counts.elements.append(Int64(kept.count))
      switch packing.direction {
      case .pack:
        let others = (0..<steps).filter { tokens.elements[$0 * x.batch + row] == Int64(packing.skipped) }
        for (place, step) in (kept + others).enumerated() { copy(step, place, row) }
      case .unpack:
        for (place, step) in kept.enumerated() { copy(place, step, row) }
      case .unpackHolding:
        for (place, step) in kept.enumerated() {
          let next = place + 1 < kept.count ? kept[place + 1] : steps
          for held in step..<next { copy(place, held, row) }
        }
      }
      guard (0..<steps).contains(where: { tokens.isUndecided($0 * x.batch + row) }) else { continue }
      if counts.undecided == nil { counts.undecided = [Bool](repeating: false, count: x.batch) }
      counts.undecided![row] = true
      for step in 0..<steps {
        let start = (step * x.batch + row) * x.features
        for f in 0..<x.features { result.elements[start + f] = .unknown }
      }
    }
    return packing.direction == .pack ? [.numbers(result), .integers(counts)] : [.numbers(result)]
  }
}
