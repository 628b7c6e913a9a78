// Names and formulas are those of <https://docs.pytorch.org/docs/stable/nn.html#convolution-layers>, "Pooling layers" and
// "Normalization layers".

internal import ReferenceMath
internal import StateDicts
internal import Tensors

/// What flows, as modules over places see it: `[B, C, places…]`, of which one axis may be time.
private struct Places<S: ReferenceScalar> {
  let steps: [Matrix<S>]
  let channels: Int
  let sizes: [Int]
  /// Which of the axes is time; nil where the steps are apart.
  let time: Int?
  /// Between neighbours along each axis, in the features.
  let strides: [Int]

  /// Nil where the features are not channels × places.
  init?(_ steps: [Matrix<S>], _ axes: [Architecture.Window], channels: Int?) {
    guard let first = steps.first else { return nil }
    time = axes.firstIndex { $0.size == nil }
    sizes = axes.map { $0.size ?? steps.count }
    var stride = 1
    var strides = [Int](repeating: 0, count: axes.count)
    for (axis, window) in axes.enumerated().reversed() {
      guard let size = window.size else { continue }
      strides[axis] = stride
      stride *= size
      guard stride <= first.columns else { return nil }
    }
    guard first.columns % stride == 0, channels == nil || channels == first.columns / stride else {
      return nil
    }
    self.steps = steps
    self.channels = first.columns / stride
    self.strides = strides
    places = stride
  }

  /// Places of one channel in the features.
  private let places: Int

  /// x[b, c, place] at one step of those that are apart; nil outside.
  func element(_ row: Int, _ channel: Int, _ place: [Int], step: Int) -> S? {
    var feature = channel * places
    for axis in place.indices {
      guard (0..<sizes[axis]).contains(place[axis]) else { return nil }
      feature += place[axis] * strides[axis]
    }
    let matrix = steps[time.map { place[$0] } ?? step]
    return matrix.elements[row * matrix.columns + feature]
  }
}

extension Architecture.Window {
  /// ⌊(n + 2·padding − dilation·(kernel − 1) − 1) ÷ stride⌋ + 1, by ⌈ ⌉ where every window still begins inside or in front.
  fileprivate func places(of n: Int, roundsUp: Bool) -> Int {
    let room = n + 2 * padding - dilation * (kernel - 1) - 1
    guard room >= 0 else { return 0 }
    let count = (room + (roundsUp ? stride - 1 : 0)) / stride + 1
    return roundsUp && (count - 1) * stride >= n + padding ? count - 1 : count
  }
}

/// All indices of a shape, the last axis fastest.
private func indices(_ shape: [Int]) -> [[Int]] {
  shape.reduce([[]]) { prefixes, size in prefixes.flatMap { prefix in (0..<size).map { prefix + [$0] } } }
}

extension TorchRun {
  /// Puts what is made of each place in place of what flows: `make` gives a matrix `[B, channels]` for a place and a step.
  private mutating func windowed(
    _ name: String, _ axes: [Architecture.Window], channels wanted: Int?, made: Int?, roundsUp: Bool = false,
    _ make: (Places<S>, _ place: [Int], _ step: Int) -> Matrix<S>
  ) throws(TorchEvaluatorError) {
    guard case .sequence(let steps)? = current, let first = steps.first else {
      throw .badStep(name, reason: "it takes a sequence of at least one step")
    }
    guard let x = Places(steps, axes, channels: wanted) else {
      throw .badStep(
        name,
        reason:
          "\(first.columns) features are not \(wanted.map { "\($0) " } ?? "")channels × \(axes.map { $0.size ?? 1 })"
      )
    }
    let results = zip(axes, x.sizes).map { $0.places(of: $1, roundsUp: roundsUp) }
    guard results.allSatisfy({ $0 > 0 }) else { throw .badStep(name, reason: "its window does not fit") }
    let time = x.time.map { results[$0] } ?? steps.count
    let channels = made ?? x.channels
    let inner = results.enumerated().filter { $0.offset != x.time }.map(\.element)
    guard let features = product(inner + [channels]), let count = product([features, time, first.rows]),
      let patches = product(axes.map(\.kernel) + [x.channels, first.rows]),
      max(count, patches) <= evaluator.limit
    else { throw .tooManyElements(steps.count * first.rows, limit: evaluator.limit) }
    let all = indices(inner)
    current = .sequence(
      (0..<time).map { step in
        var y = Matrix<S>(zeros: first.rows, features)
        for (position, index) in all.enumerated() {
          var place = index
          if let axis = x.time { place.insert(step, at: axis) }
          let part = make(x, place, step)
          for row in 0..<first.rows {
            for channel in 0..<channels {
              y.elements[row * features + channel * all.count + position] =
                part.elements[row * channels + channel]
            }
          }
        }
        return y
      })
  }

  /// y(o, m) = bias(o) + Σ over c and k of weight(o, c, k) ⋆ x(c, m·stride + k·dilation − padding), the channels of each group by
  /// themselves.
  mutating func convolve(_ module: Architecture.Convolution) throws(TorchEvaluatorError) {
    let name = module.names.name
    let weight = try tensor(module.names.weight)
    let kernel = module.axes.map(\.kernel)
    let groups = module.groups
    guard weight.shape.count == kernel.count + 2, Array(weight.shape.dropFirst(2)) == kernel,
      weight.count > 0,
      weight.shape[0] % groups == 0
    else {
      throw .wrongShape(module.names.weight, expected: "[\(groups)·n, C, \(kernel)]", found: weight.shape)
    }
    let (made, read) = (weight.shape[0] / groups, weight.shape[1])
    guard let channels = product([read, groups]) else {
      throw .badStep(name, reason: "\(groups) groups are too many")
    }
    let bias = try module.names.bias.map { (name) throws(TorchEvaluatorError) in
      try row(name, columns: weight.shape[0])
    }
    let taps = indices(kernel)
    let flat = Matrix<S>(
      rows: weight.shape[0], columns: read * taps.count, elements: S.values(of: weight))
    let parts = (0..<groups).map { flat.rows(($0 * made)..<(($0 + 1) * made)).transposed }
    try windowed(name, module.axes, channels: channels, made: weight.shape[0]) { x, place, step in
      let sums = parts.enumerated().map { group, part in
        var patch = Matrix<S>(zeros: x.steps[0].rows, read * taps.count)
        for row in 0..<patch.rows {
          for channel in 0..<read {
            for (tap, k) in taps.enumerated() {
              let source = module.axes.indices.map { axis in
                place[axis] * module.axes[axis].stride + k[axis] * module.axes[axis].dilation
                  - module.axes[axis].padding
              }
              if let value = x.element(row, group * read + channel, source, step: step) {
                patch.elements[row * patch.columns + channel * taps.count + tap] = value
              }
            }
          }
        }
        return patch • part
      }
      let y = Self.sideBySide(sums)
      return bias.map { y + $0 } ?? y
    }
  }

  /// The maximum of what a window sees (padding counts as −∞), or the mean of it: by how many places it has inside the padded axes
  /// where padding counts.
  mutating func pool(_ module: Architecture.Pool) throws(TorchEvaluatorError) {
    let name = "\(module.function.rawValue) pool"
    let taps = indices(module.axes.map(\.kernel))
    try windowed(name, module.axes, channels: nil, made: nil, roundsUp: module.roundsUp) { x, place, step in
      var y = Matrix<S>(zeros: x.steps[0].rows, x.channels)
      for row in 0..<y.rows {
        for channel in 0..<x.channels {
          var (seen, counted) = ([S](), 0)
          for k in taps {
            let source = module.axes.indices.map { axis in
              place[axis] * module.axes[axis].stride + k[axis] * module.axes[axis].dilation
                - module.axes[axis].padding
            }
            if source.indices.allSatisfy({ source[$0] < x.sizes[$0] + module.axes[$0].padding }) {
              counted += 1
            }
            if let value = x.element(row, channel, source, step: step) { seen.append(value) }
          }
          let result: S =
            switch module.function {
            case .max: seen.dropFirst().reduce(seen.first ?? -.infinity) { $0.isNaN || $0 >= $1 ? $0 : $1 }
            case .mean: seen.reduce(0, +) / S(seen.count)
            case .paddedMean: seen.reduce(0, +) / S(counted)
            }
          y.elements[row * x.channels + channel] = result
        }
      }
      return y
    }
  }

  /// y = (x − running_mean) / √(running_var + ε) · γ + β of each channel; ε is a number of Float32, as the module's weights are.
  mutating func normalise(_ module: Architecture.BatchNorm) throws(TorchEvaluatorError) {
    let mean = try row(module.mean)
    let count = mean.columns
    let variance = try row(module.variance, columns: count)
    let scale = try module.weight.map { (name) throws(TorchEvaluatorError) in try row(name, columns: count) }
    let shift = try module.bias.map { (name) throws(TorchEvaluatorError) in try row(name, columns: count) }
    let epsilon = S(Float(module.epsilon))
    let roots = variance.map { ($0 + epsilon).squareRoot() }
    try map(module.name) { (x) throws(TorchEvaluatorError) in
      guard count > 0, x.columns % count == 0 else {
        throw .badStep(module.name, reason: "\(x.columns) features are not \(count) channels")
      }
      let places = x.columns / count
      var y = x
      for position in y.elements.indices {
        let channel = position % x.columns / places
        let normal = (x.elements[position] - mean.elements[channel]) / roots.elements[channel]
        y.elements[position] =
          normal * (scale?.elements[channel] ?? 1) + (shift?.elements[channel] ?? 0)
      }
      return y
    }
  }
}
