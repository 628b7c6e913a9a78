internal import Recurrent
internal import Tensors

/// A convolution ready for passes.
protocol ConvolutionLayer<Number>: Sendable {
  associatedtype Number: Scalar

  init(_ layer: Convolution, _ rules: Number.Rules)
  /// x `[T, B, C·n…]`; returns `[T′, B, O·m…]`.
  func run(_ x: Numbers<Number>) -> Numbers<Number>
}

/// A convolution, or its transpose, ready for passes in any arithmetic: the places that each result reads are gathered, as rows of a dense
/// layer.
struct ConvolutionPass<Number: Scalar>: ConvolutionLayer {
  /// Of each group: weight `[O/G, C/G·k…]`.
  private let groups: [Number.Dense]
  private let reach: Reach
  /// O and C.
  private let outputs: Int
  private let channels: Int

  private enum Reach {
    case windows([WindowAxis])
    case transposed([TransposedAxis])
  }

  init(_ layer: Convolution, _ rules: Number.Rules) {
    let (weight, count) = (layer.weight, layer.groups)
    outputs = weight.shape[0]
    channels = weight.shape[1] * count
    reach = .windows(layer.axes)
    let rows = outputs / count
    let depth = weight.shape.dropFirst().reduce(1, *)
    groups = (0..<count).map { group in
      let range = (group * rows)..<((group + 1) * rows)
      // Validation has seen that there are so many elements.
      return Number.Dense(
        weight: try! weight.rows(range).reshaped([rows, depth]), bias: layer.bias?.rows(range), rules)
    }
  }

  /// A result reads the same channels of the places that are spread over it; parts that none reaches are zeros.
  init(_ layer: TransposedConvolution, _ rules: Number.Rules) {
    let (weight, count) = (layer.weight, layer.groups)
    channels = weight.shape[0]
    outputs = layer.outputs
    reach = .transposed(layer.axes)
    let (rows, inner) = (weight.shape[1], channels / count)
    let kernel = weight.shape.dropFirst(2).reduce(1, *)
    // [C, O/G, K] as [O/G, C, K]; validation has seen that there are so many elements.
    let turned = try! weight.reshaped([channels, rows, kernel]).transposed([1, 0, 2])
      .reshaped([rows * channels, kernel])
    let outer = channels
    groups = (0..<count).map { group in
      let parts = (0..<rows).map { ($0 * outer + group * inner)..<($0 * outer + (group + 1) * inner) }
      return Number.Dense(
        weight: try! turned.rows(parts).reshaped([rows, inner * kernel]),
        bias: layer.bias?.rows((group * rows)..<((group + 1) * rows)), rules)
    }
  }

  /// How many elements are gathered at once.
  private static var most: Int { 1 << 18 }

  /// x `[T, B, C·n…]`; returns `[T′, B, O·m…]`.
  func run(_ x: Numbers<Number>) -> Numbers<Number> {
    let windows =
      switch reach {
      case .windows(let axes): Windows(axes, x)
      case .transposed(let axes): Windows(axes, x)
      }
    let (places, depth) = (windows.places, channels / groups.count * windows.kernel)
    var y = Numbers<Number>(zeros: windows.steps, batch: x.batch, features: outputs * places)
    let rows = y.groups * places
    let block = max(1, Self.most / depth)
    let units = outputs / groups.count
    for first in stride(from: 0, to: rows, by: block) {
      let range = first..<min(first + block, rows)
      for (group, dense) in groups.enumerated() {
        var patches = [Number](repeating: .zero, count: range.count * depth)
        for row in range {
          let (output, place) = row.quotientAndRemainder(dividingBy: places)
          var target = (row - first) * depth
          let base = group * (channels / groups.count)
          windows.forEachSource(output, place) { source, part in
            for channel in 0..<(channels / groups.count) {
              patches[target + channel * windows.kernel + part] =
                x.elements[source + (base + channel) * windows.inner]
            }
          }
          target += depth
        }
        let results = dense.run(
          Numbers(steps: nil, batch: range.count, features: depth, elements: patches))
        for row in range {
          let (output, place) = row.quotientAndRemainder(dividingBy: places)
          let target = output * y.features + group * units * places + place
          for unit in 0..<units {
            y.elements[target + unit * places] = results.elements[(row - first) * units + unit]
          }
        }
      }
    }
    return y
  }
}
