internal import Forward
internal import Recurrent

/// Which feature each element of an output's tensor belongs to, and each feature's range over time and batch: one with a large
/// range says nothing of what is small in another.
struct Features {
  /// For each element, row-major.
  private let features: [Int]
  /// For each element the range of its feature, 0 included.
  let scales: [Double]
  /// An eighth of the usual feature's, of those that move, or less of the largest: one that hardly moves is no sign that
  /// rounding has become large.
  let usualScale: Double
  /// Elements from one time step to the next, and steps; where time has an axis of its own.
  private let time: (stride: Int, steps: Int)?

  /// - Parameter port: nil where the axes are not known: the last one holds features then.
  init(_ values: [Double], _ shape: [Int], _ port: Model.Port?) {
    let axes = port?.axes(of: shape)
    var features = [0]
    for (axis, size) in shape.enumerated() {
      let part: [Int]
      if let axes {
        part = axes[axis].features(size)
      } else {
        part = axis == shape.count - 1 && shape.count > 1 ? Array(0..<size) : Array(repeating: 0, count: size)
      }
      features = features.flatMap { feature in part.map { feature + $0 } }
    }
    let count = (features.max() ?? 0) + 1
    var least = [Double](repeating: .infinity, count: count)
    var most = [Double](repeating: -.infinity, count: count)
    for (value, feature) in zip(values, features) where value.isFinite {
      least[feature] = min(least[feature], value)
      most[feature] = max(most[feature], value)
    }
    var ranges = zip(least, most).map { $0 > $1 ? 0 : max($1 - $0, abs($0), abs($1)) }
    // A few numbers do not tell a feature's range: one may be near 0 by chance.
    if values.count < 8 * count {
      let usual = ranges.sorted()[count / 2]
      ranges = ranges.map { max($0, usual / 8) }
    }
    let moving = ranges.filter { $0 > 0 }.sorted()
    usualScale = moving.isEmpty ? 0 : max(moving[moving.count / 2] / 8, moving.last! / 64)
    self.features = features
    scales = features.map { ranges[$0] }
    time = axes?.firstIndex { $0.factors == [.time] }.map {
      (shape[($0 + 1)...].reduce(1, *), shape[$0])
    }
  }

  /// The same noise for all elements of a feature: the root mean square of what was seen there.
  func pooled(_ noise: [Double], _ values: [Double], _ rounding: RoundingModel) -> [Double] {
    let usual = usual(noise.map { $0 * $0 })
    let all = (usual.reduce(0) { $0 + $1 * $1 } / Double(max(usual.count, 1))).squareRoot()
    return noise.indices.map { index in
      let least = max(
        rounding.unitRoundoff * abs(values[index]), min(all, 4 * rounding.unitRoundoff * scales[index]))
      return max(usual[features[index]], least, rounding.floor / 16)
    }
  }

  /// The root of each feature's mean.
  private func usual(_ squares: [Double]) -> [Double] {
    let count = (features.max() ?? 0) + 1
    var sums = [Double](repeating: 0, count: count)
    var counts = [Double](repeating: 0, count: count)
    for (square, feature) in zip(squares, features) where square.isFinite {
      sums[feature] += square
      counts[feature] += 1
    }
    return zip(sums, counts).map { $1 == 0 ? 0 : ($0 / $1).squareRoot() }
  }

  /// Noise that a few passes estimated, made steady: each element's with those of the steps around it, and none far below what
  /// is usual in its feature, nor below a rounding of the number itself.
  func steadied(_ noise: [Double], _ values: [Double], _ rounding: RoundingModel) -> [Double] {
    var squares = noise.map { $0 * $0 }
    if let time, time.steps > 1 {
      let raw = squares
      // Windows of nine steps, by running sums along each line.
      for start in raw.indices where start / time.stride % time.steps == 0 {
        for t in 0..<time.steps {
          let window = max(0, t - 4)...min(time.steps - 1, t + 4)
          let mean = window.reduce(0) { $0 + raw[start + $1 * time.stride] } / Double(window.count)
          // What grows along the sequence must not reach back.
          let index = start + t * time.stride
          squares[index] = min(
            max(mean, raw[index]), 16 * max(raw[index], raw[start + max(0, t - 1) * time.stride]))
        }
      }
    }
    let usual = usual(squares)
    let median = usual.sorted()[usual.count / 2]
    let unit = rounding.unitRoundoff
    return squares.indices.map { index in
      // Where a rectifier cuts a feature off in every pass, a rounding may still leave some of it.
      let least = max(
        unit * abs(values[index]) / 4,
        min(max(usual[features[index]] / 8, median / 16), 4 * unit * scales[index]))
      return max(squares[index].squareRoot(), least, rounding.floor / 16)
    }
  }
}

extension PortAxis {
  /// The feature that each index along the axis adds.
  fileprivate func features(_ size: Int) -> [Int] {
    (0..<size).map { digit in
      var (rest, feature) = (digit, 0)
      for factor in factors.reversed() {
        if case .features(let stride, let count) = factor {
          feature += rest % max(count, 1) * stride
          rest /= max(count, 1)
        }
      }
      return feature
    }
  }
}
