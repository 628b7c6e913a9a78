internal import Recurrent

extension Numbers {
  /// `[T′, B, C·m…]`: what a window sees of each channel.
  func pooled(_ pool: Pool) -> Numbers {
    let windows = Windows(pool.axes, self, roundsUp: pool.roundsUp)
    let channels = features / windows.inner
    let groups = (windows.steps ?? 1) * batch
    var result: [Number] = []
    result.reserveCapacity(groups * channels * windows.places)
    // What each place's window reads of channel 0, one after another, and where the next one's begins.
    var sources: [Int] = []
    var ends: [Int] = []
    var counts: [Number] = []
    for output in 0..<groups {
      sources.removeAll(keepingCapacity: true)
      ends.removeAll(keepingCapacity: true)
      counts.removeAll(keepingCapacity: true)
      for place in 0..<windows.places {
        let first = sources.count
        windows.forEachSource(output, place) { source, _ in sources.append(source) }
        ends.append(sources.count)
        let count =
          pool.reduction == .paddedMean ? windows.paddedCount(output, place) : sources.count - first
        counts.append(Number.constant(Double(count)))
      }
      for channel in 0..<channels {
        let offset = channel * windows.inner
        var first = 0
        for place in 0..<windows.places {
          let window = first..<ends[place]
          first = window.upperBound
          switch pool.reduction {
          // Validation has seen that no window lies outside.
          case .max:
            var largest = elements[sources[window.lowerBound] + offset]
            for index in window.dropFirst() {
              largest = Number.maximum(largest, elements[sources[index] + offset])
            }
            result.append(largest)
          case .mean, .paddedMean:
            var sum = Number.emptySum
            for index in window { sum = sum + elements[sources[index] + offset] }
            result.append(Number(sum) / counts[place])
          }
        }
      }
    }
    return Numbers(
      steps: windows.steps, batch: batch, features: channels * windows.places, elements: result)
  }

  /// `[T′, B, C·m…]`: places added at the ends of axes, or taken away there.
  func padded(_ padding: Padding) -> Numbers {
    let time = padding.axes.first { $0.size == nil }
    let steps = self.steps.map { max(0, $0 + (time?.before ?? 0) + (time?.after ?? 0)) }
    // Of the places inside the features, which of them stands at each of the result's; nil for the constant.
    var inner: [Int?] = [0]
    var size = 1
    for axis in padding.axes {
      guard let places = axis.size else { continue }
      size *= places
      let sources = (0..<(places + axis.before + axis.after)).map {
        axis.source($0, of: places, padding.mode)
      }
      inner = inner.flatMap { outer in
        sources.map { source in outer.flatMap { outer in source.map { outer * places + $0 } } }
      }
    }
    var constant = Number.zero
    if case .constant(let value) = padding.mode { constant = Number.constant(value) }
    let channels = features / size
    var elements: [Number] = []
    elements.reserveCapacity((steps ?? 1) * batch * channels * inner.count)
    for step in 0..<(steps ?? 1) {
      let source = time.map { $0.source(step, of: self.steps ?? 1, padding.mode) } ?? step
      for row in 0..<batch {
        for channel in 0..<channels {
          for place in inner {
            guard let source, let place else {
              elements.append(constant)
              continue
            }
            elements.append(
              self.elements[(source * batch + row) * features + channel * size + place])
          }
        }
      }
    }
    return Numbers(steps: steps, batch: batch, features: channels * inner.count, elements: elements)
  }
}

// Axes inside the features.
extension Numbers {
  /// `[B, outer·count·inner]` as `[count, B, outer·inner]`.
  func unfolded(_ unfold: Unfold) -> Numbers {
    var result: [Number] = []
    result.reserveCapacity(elements.count)
    let width = unfold.count * unfold.inner
    for step in 0..<unfold.count {
      for first in stride(from: step * unfold.inner, to: elements.count, by: width) {
        result += elements[first..<(first + unfold.inner)]
      }
    }
    return Numbers(
      steps: unfold.count, batch: batch, features: features / unfold.count, elements: result)
  }

  /// `[T, B, F]` as `[B, T·F]`.
  func folded() -> Numbers {
    var result: [Number] = []
    result.reserveCapacity(elements.count)
    for row in 0..<batch {
      for step in 0..<(steps ?? 1) {
        let first = (step * batch + row) * features
        result += elements[first..<(first + features)]
      }
    }
    return Numbers(steps: nil, batch: batch, features: (steps ?? 1) * features, elements: result)
  }

  /// `[…, outer·count·inner]` to `[…, outer·inner]`.
  func reduced(_ reduction: Reduction) -> Numbers {
    let (count, inner) = (reduction.count, reduction.inner)
    return mapGroups(features: features / count) { group, result in
      for outer in stride(from: group.startIndex, to: group.endIndex, by: count * inner) {
        for first in outer..<(outer + inner) {
          let places = stride(from: first, to: first + count * inner, by: inner)
          switch reduction.function {
          case .sum: result.append(Number(places.reduce(Number.emptySum) { $0 + group[$1] }))
          case .mean:
            result.append(
              Number(places.reduce(Number.emptySum) { $0 + group[$1] }) / Number.constant(Double(count)))
          case .max:
            result.append(places.dropFirst().reduce(group[first]) { Number.maximum($0, group[$1]) })
          }
        }
      }
    }
  }

  /// The sums of each feature up to each step.
  func summedUp(_ layer: CumulativeSum) -> Numbers {
    var result = self
    let (count, size) = (steps ?? 1, batch * features)
    for index in 0..<size {
      var sum = Number.emptySum
      for turn in 0..<count {
        let place = (layer.isReverse ? count - 1 - turn : turn) * size + index
        if layer.isExclusive { result.elements[place] = turn == 0 ? .zero : Number(sum) }
        sum = sum + elements[place]
        if !layer.isExclusive { result.elements[place] = Number(sum) }
      }
    }
    return result
  }

  /// The softmax of each feature over its steps.
  func softmaxOverTime(_ rules: Number.Rules) -> Numbers {
    var result = self
    let size = batch * features
    var column: [Number] = []
    var weights: [Number] = []
    for index in 0..<size {
      column = (0..<(steps ?? 1)).map { elements[$0 * size + index] }
      weights.removeAll(keepingCapacity: true)
      Number.softmax(column[...], rules, into: &weights)
      for (step, weight) in weights.enumerated() { result.elements[step * size + index] = weight }
    }
    return result
  }
}
