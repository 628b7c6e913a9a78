internal import CKernels
internal import Recurrent
internal import Tensors

/// A convolution as packed products: what its windows read is copied side by side, as much as the second cache holds at a time.
///
/// Each result is the bias and then one fused multiply-add after another, in an order that the layer alone decides: never the
/// batch, the steps, the threads or the instructions.
struct PackedConvolution<Number: Panelled>: ConvolutionLayer {
  private let layer: ConvolutionShape
  private let execution: Execution
  private let road: Road

  /// What the panels of the products hold.
  private enum Road: Sendable {
    /// The weights of each group: the results of a step and row are few places, whose channels lie side by side.
    case units([PackedMatrix<Number>])
    /// Windows: results are many places. Of each output channel its bias and its weights.
    case places([Number])
    /// Nothing is multiplied but each channel by its own: w `[k, C]` and the bias.
    case channels([Number], bias: [Number])
  }

  init(_ convolution: Convolution, _ rules: Execution) {
    let layer = ConvolutionShape(convolution)
    self.layer = layer
    execution = rules
    let weight = Number.weights(convolution.weight)
    let bias =
      convolution.bias.map { Number.stored($0, rules) } ?? [Number](repeating: 0, count: layer.outputs)
    let (kernel, channels) = (layer.kernel, layer.groupChannels)
    if convolution.axes.results() >= Number.panelWidth / 2 {
      let depth = layer.depth
      road = .places((0..<layer.outputs).flatMap { [bias[$0]] + weight[($0 * depth)..<(($0 + 1) * depth)] })
    } else if channels == 1, layer.groupOutputs == 1, convolution.axes.places == 1 {
      road = .channels(
        (0..<kernel).flatMap { part in (0..<layer.outputs).map { weight[$0 * kernel + part] } }, bias: bias)
    } else {
      // Parts of the kernel first: what one of them reads of all channels lies side by side.
      let turned = (0..<layer.outputs).flatMap { unit in
        (0..<kernel).flatMap { part in
          (0..<channels).map { weight[(unit * channels + $0) * kernel + part] }
        }
      }
      let (units, depth) = (layer.groupOutputs, layer.depth)
      road = .units(
        (0..<layer.groups).map { group in
          PackedMatrix(
            .numbers(Array(turned[(group * units * depth)..<((group + 1) * units * depth)])), outputs: units,
            depth: depth, bias: Array(bias[(group * units)..<((group + 1) * units)]))
        })
    }
  }

  /// x `[T, B, C·n…]`; returns `[T′, B, O·m…]`.
  func run(_ x: Numbers<Number>) -> Numbers<Number> {
    let windows = Windows(layer.axes, x)
    // What the pointers below rely on.
    precondition(x.features == layer.channels * windows.inner)
    precondition(x.elements.count == x.groups * x.features)
    let (batch, features) = (x.batch, layer.outputs * windows.places)
    let groups = (windows.steps ?? 1) * batch
    let count = groups * features
    let elements = [Number](unsafeUninitializedCapacity: count) { y, filled in
      filled = count
      guard count > 0, let y = y.baseAddress else { return }
      x.elements.withUnsafeBufferPointer { x in
        guard let x = x.baseAddress else { return }
        let pass = ConvolutionRun(
          layer: layer, windows: windows, execution: execution, x: x, y: y, features: features)
        switch road {
        case .units(let matrices): pass.run(matrices, columns: groups * windows.places)
        case .places(let weight):
          weight.withUnsafeBufferPointer { pass.run($0.baseAddress!, columns: groups * windows.places) }
        case .channels(let weight, let bias): pass.run(weight, bias: bias, columns: groups)
        }
      }
    }
    return Numbers(steps: windows.steps, batch: batch, features: features, elements: elements)
  }
}

/// The sizes of a convolution.
struct ConvolutionShape: Sendable {
  let axes: [WindowAxis]
  /// G
  let groups: Int
  /// C
  let channels: Int
  /// O
  let outputs: Int
  /// k…
  let kernel: Int

  init(_ layer: Convolution) {
    axes = layer.axes
    groups = layer.groups
    channels = layer.weight.shape[1] * layer.groups
    outputs = layer.weight.shape[0]
    kernel = layer.axes.reduce(1) { $0 * $1.kernel }
  }

  var groupChannels: Int { channels / groups }
  var groupOutputs: Int { outputs / groups }
  /// How many products a result sums.
  var depth: Int { groupChannels * kernel }
}

/// One pass of a convolution. Columns are its results' places, t·B + b major.
private struct ConvolutionRun<Number: Panelled> {
  let layer: ConvolutionShape
  let windows: Windows
  let execution: Execution
  let x: UnsafePointer<Number>
  let y: UnsafeMutablePointer<Number>
  /// O·m…
  let features: Int

  private var kernels: ck_kernels { execution.instructions.kernels }

  /// How many numbers of windows lie side by side at a time: half of a second cache of a MiB.
  private static var most: Int { (1 << 19) / MemoryLayout<Number>.stride }

  /// Calls `body` with parts of `0 ..< count` at once, each a multiple of `unit` long but the last.
  private func share(_ count: Int, unit: Int, work: Int, _ body: @escaping (Range<Int>) -> Void) {
    let units = (count + unit - 1) / unit
    let wanted = min(execution.threads, max(1, work / 500_000), units)
    withThreads(wanted) { parts in
      concurrently(parts) { part in
        let first = units * part / parts * unit
        let last = min(count, units * (part + 1) / parts * unit)
        if first < last { body(first..<last) }
      }
    }
  }

  // MARK: Weights in panels

  func run(_ matrices: [PackedMatrix<Number>], columns: Int) {
    share(columns, unit: 6, work: columns * layer.outputs * layer.depth) { range in
      let (kernels, depth, places) = (kernels, layer.depth, windows.places)
      let (channels, units) = (layer.groupChannels, layer.groupOutputs)
      let block = min(range.count, max(6, Self.most / depth))
      let width = matrices[0].panels * Number.panelWidth
      let patches = Workspace<Number>(block * depth)
      let scratch = Workspace<Number>(block * width)
      for first in stride(from: range.lowerBound, to: range.upperBound, by: block) {
        let some = first..<min(first + block, range.upperBound)
        for (group, matrix) in matrices.enumerated() {
          let offset = group * channels * windows.inner
          for column in some {
            let (output, place) = column.quotientAndRemainder(dividingBy: places)
            let patch = patches.start + (column - first) * depth
            var next = 0
            windows.forEachSource(output, place) { source, part in
              // What lies outside is 0.
              (patch + next * channels).update(repeating: 0, count: (part - next) * channels)
              next = part + 1
              let target = patch + part * channels
              if windows.inner == 1 {
                target.update(from: x + source + offset, count: channels)
              } else {
                for channel in 0..<channels {
                  target[channel] = x[source + offset + channel * windows.inner]
                }
              }
            }
            (patch + next * channels).update(repeating: 0, count: (layer.kernel - next) * channels)
          }
          matrix.product(
            kernels, 0..<matrix.panels, rows: some.count, patches.start, lda: depth, scratch.start, ldc: width
          )
          for column in some {
            let (output, place) = column.quotientAndRemainder(dividingBy: places)
            let target = y + output * features + group * units * places + place
            let source = scratch.start + (column - first) * width
            if places == 1 {
              target.update(from: source, count: units)
            } else {
              for unit in 0..<units { target[unit * places] = source[unit] }
            }
          }
        }
      }
    }
  }

  // MARK: Windows in panels

  /// weight: O rows of a bias and the weights.
  func run(_ weight: UnsafePointer<Number>, columns: Int) {
    let width = Number.panelWidth
    share(columns, unit: width, work: columns * layer.outputs * layer.depth) { range in
      let (kernels, depth, kernel) = (kernels, layer.depth, layer.kernel)
      let (channels, units) = (layer.groupChannels, layer.groupOutputs)
      // As many panels as a tile is wide, at least.
      let most = max(4, Self.most / (depth + 1) / width)
      let panels = min(most, (range.count + width - 1) / width)
      let patches = Workspace<Number>(panels * (depth + 1) * width)
      let scratch = Workspace<Number>(units * panels * width)
      let zeros = Workspace<Number>(panels * width)
      var sources = WindowSources(kernel: kernel, columns: panels * width, width: width)
      for first in stride(from: range.lowerBound, to: range.upperBound, by: panels * width) {
        let some = first..<min(first + panels * width, range.upperBound)
        let panels = (some.count + width - 1) / width
        sources.find(windows, some)
        for panel in 0..<panels {
          // Each sum begins with 1 · the bias, which is exact.
          (patches.start + panel * (depth + 1) * width).update(repeating: 1, count: width)
        }
        for group in 0..<layer.groups {
          for panel in 0..<panels {
            let target = patches.start + (panel * (depth + 1) + 1) * width
            for part in 0..<kernel {
              sources.copy(
                part, panel, x + group * channels * windows.inner, apart: windows.inner, channels: channels,
                to: target + part * width, kernel: kernel)
            }
          }
          let row = panels * width
          Number.product(
            kernels, rows: units, panels: panels, depth: depth + 1,
            weight + group * units * (depth + 1), lda: depth + 1, patches.start, zeros.start, scratch.start,
            ldc: row, backwards: false)
          store(scratch.start, some, row: row, firstUnit: group * units)
        }
      }
    }
  }

  /// Puts what `row` apart was made for some columns where it belongs.
  private func store(_ results: UnsafePointer<Number>, _ columns: Range<Int>, row: Int, firstUnit: Int) {
    let places = windows.places
    var column = columns.lowerBound
    while column < columns.upperBound {
      let (output, place) = column.quotientAndRemainder(dividingBy: places)
      let count = min(places - place, columns.upperBound - column)
      let target = y + output * features + firstUnit * places + place
      let source = results + (column - columns.lowerBound)
      for unit in 0..<layer.groupOutputs {
        (target + unit * places).update(from: source + unit * row, count: count)
      }
      column += count
    }
  }

  // MARK: Each channel by itself

  func run(_ weight: [Number], bias: [Number], columns: Int) {
    let channels = layer.channels
    share(columns, unit: 1, work: columns * channels * layer.kernel) { range in
      let kernels = kernels
      weight.withUnsafeBufferPointer { weight in
        bias.withUnsafeBufferPointer { bias in
          guard let weight = weight.baseAddress, let bias = bias.baseAddress else { return }
          for output in range {
            let target = y + output * channels
            target.update(from: bias, count: channels)
            windows.forEachSource(output, 0) { source, part in
              Number.multiplyAdd(kernels, channels, weight + part * channels, x + source, target)
            }
          }
        }
      }
    }
  }
}

/// Where the parts of a kernel look for some columns, and how to copy that to panels.
private struct WindowSources {
  let width: Int
  let columns: Int
  /// Of part and column the element of channel 0; −1 outside.
  private var elements: [Int]
  /// Of part and panel: whether all of its elements follow one another.
  private var isRun: [Bool]
  private let kernel: Int

  init(kernel: Int, columns: Int, width: Int) {
    self.width = width
    self.columns = columns
    self.kernel = kernel
    elements = [Int](repeating: -1, count: kernel * columns)
    isRun = [Bool](repeating: false, count: kernel * (columns / width))
  }

  mutating func find(_ windows: Windows, _ some: Range<Int>) {
    for index in elements.indices { elements[index] = -1 }
    for column in some {
      let (output, place) = column.quotientAndRemainder(dividingBy: windows.places)
      windows.forEachSource(output, place) { source, part in
        elements[part * columns + column - some.lowerBound] = source
      }
    }
    let panels = columns / width
    for part in 0..<kernel {
      for panel in 0..<panels {
        let first = part * columns + panel * width
        let start = elements[first]
        isRun[part * panels + panel] =
          start >= 0 && (1..<width).allSatisfy { elements[first + $0] == start + $0 }
      }
    }
  }

  /// What a part reads of each channel, of one panel's columns: `target` has rows of `width`, `kernel` rows from channel to channel.
  @inline(__always)
  func copy<Number: Panelled>(
    _ part: Int, _ panel: Int, _ x: UnsafePointer<Number>, apart: Int, channels: Int,
    to target: UnsafeMutablePointer<Number>, kernel: Int
  ) {
    let first = part * columns + panel * width
    if isRun[part * (columns / width) + panel] {
      let source = x + elements[first]
      for channel in 0..<channels {
        (target + channel * kernel * width).update(from: source + channel * apart, count: Number.panelWidth)
      }
      return
    }
    elements.withUnsafeBufferPointer { elements in
      for channel in 0..<channels {
        let (source, row) = (x + channel * apart, target + channel * kernel * width)
        for lane in 0..<width {
          let element = elements[first + lane]
          row[lane] = element < 0 ? 0 : source[element]
        }
      }
    }
  }
}
