/// How a kernel moves over the spatial axes of an image, those behind N and C: what convolutions and pools share.
///
/// All numbers are at most 2³¹, so that no product of two of them overflows.
struct Windows {
  /// Sizes of the axes that the kernel moves over.
  let image: [Int]
  let kernel: [Int]
  let strides: [Int]
  let dilations: [Int]
  /// Elements in front of each axis and behind it, which are not there.
  let begin: [Int]
  let end: [Int]
  /// How many places the kernel takes along each axis.
  let places: [Int]

  /// What the kernel lies on at one place, in row-major order: positions in the image (those outside left out).
  func covered(at place: [Int]) -> [Int] {
    var positions = [0]
    for axis in image.indices {
      let (start, step) = (place[axis] * strides[axis] - begin[axis], dilations[axis])
      let first = start < 0 ? (step - 1 - start) / step : 0
      let last = min(kernel[axis], Self.steps(from: start, to: image[axis], by: step))
      let inside = first < last ? first..<last : 0..<0
      positions = positions.flatMap { row in inside.map { row * image[axis] + start + $0 * step } }
    }
    return positions
  }

  /// How many elements the kernel lies on at one place, those of the padding counted.
  func coveredWithPadding(at place: [Int]) -> Double {
    image.indices.reduce(1) { count, axis in
      let start = place[axis] * strides[axis] - begin[axis]
      // A window that was added by rounding up reaches even beyond the padding.
      let steps = Self.steps(from: start, to: image[axis] + end[axis], by: dilations[axis])
      return count * Double(min(kernel[axis], steps))
    }
  }

  private static func steps(from start: Int, to end: Int, by step: Int) -> Int {
    start < end ? (end - start - 1) / step + 1 : 0
  }

  /// For each element of the kernel (rows) the position in the image that it lies on at some of the places (columns), −1
  /// where that is outside.
  func positions(at some: Range<Int>) -> [Int] {
    var starts: [[Int]] = image.map { _ in [] }
    for place in some {
      for (axis, index) in Self.index(place, in: places).enumerated() {
        starts[axis].append(index * strides[axis] - begin[axis])
      }
    }
    var table: [Int] = []
    let elements = kernel.reduce(1, *)
    table.reserveCapacity(elements * some.count)
    for element in 0..<elements {
      let offsets = zip(Self.index(element, in: kernel), dilations).map { $0 * $1 }
      for column in 0..<some.count {
        var position = 0
        for axis in image.indices {
          let index = starts[axis][column] + offsets[axis]
          guard index >= 0, index < image[axis] else {
            position = -1
            break
          }
          position = position * image[axis] + index
        }
        table.append(position)
      }
    }
    return table
  }

  /// The index of the element at a position of a row-major array.
  static func index(_ position: Int, in shape: [Int]) -> [Int] {
    var (index, rest) = (shape, position)
    for axis in shape.indices.reversed() {
      (rest, index[axis]) = rest.quotientAndRemainder(dividingBy: shape[axis])
    }
    return index
  }
}

extension Windows {
  /// By the attributes `strides`, `dilations`, `pads`, `auto_pad` and `ceil_mode` of a node.
  init<S>(_ call: Call<S>, image: [Int], kernel: [Int]) throws(ONNXError) {
    let count = image.count
    let strides = try call.sizes("strides", count: count, standard: 1, atLeast: 1)
    let dilations = try call.sizes("dilations", count: count, standard: 1, atLeast: 1)
    let padding = try Padding(call, count: count)
    let roundsUp = try call.flag("ceil_mode")
    var (begin, end, places) = ([Int](), [Int](), [Int]())
    for axis in image.indices {
      let (size, stride) = (image[axis], strides[axis])
      let reach = (kernel[axis] - 1) * dilations[axis] + 1
      switch padding {
      case .given(let pads):
        let (before, behind) = (pads[axis], pads[count + axis])
        let span = size + before + behind - reach
        // Rounded towards −∞: a kernel that is longer by less than a stride takes no place, or one where rounded up.
        var number = (span >= 0 ? span / stride : -((stride - 1 - span) / stride)) + 1
        // A window that would start behind the image, in the padding, is none.
        if roundsUp, span % stride != 0, number * stride < size + before { number += 1 }
        guard number >= 0 else {
          throw call.invalid("a kernel that reaches over \(reach) does not fit an axis of \(size)")
        }
        begin.append(before)
        end.append(behind)
        places.append(number)
      case .same(let upper):
        let number = size == 0 ? 0 : (size - 1) / stride + 1
        let (less, more) = Padding.halves(max(0, (number - 1) * stride + reach - size))
        begin.append(upper ? less : more)
        end.append(upper ? more : less)
        places.append(number)
      }
    }
    self.init(
      image: image, kernel: kernel, strides: strides, dilations: dilations, begin: begin, end: end,
      places: places)
  }

  /// What `auto_pad` and `pads` say.
  enum Padding {
    /// Begin of each axis, then end of each axis.
    case given([Int])
    /// As much as the output needs; the odd element behind (`SAME_UPPER`) or in front (`SAME_LOWER`).
    case same(upper: Bool)

    init<S>(_ call: Call<S>, count: Int) throws(ONNXError) {
      let pads = try call.sizes("pads", count: 2 * count, standard: 0, atLeast: 0)
      let mode = call.string("auto_pad") ?? "NOTSET"
      guard mode == "NOTSET" || pads.allSatisfy({ $0 == 0 }) else {
        throw call.unsupported("pads", "auto_pad is \(mode), which excludes them")
      }
      switch mode {
      case "NOTSET", "VALID": self = .given(pads)
      case "SAME_UPPER": self = .same(upper: true)
      case "SAME_LOWER": self = .same(upper: false)
      default:
        throw call.unsupported("auto_pad", "'\(mode)' is not NOTSET, SAME_UPPER, SAME_LOWER or VALID")
      }
    }

    static func halves(_ total: Int) -> (less: Int, more: Int) { (total / 2, total - total / 2) }
  }
}

extension Call {
  /// An attribute of `count` numbers from `least` to 2³¹ − 1; the standard where the node does not state it.
  func sizes(_ name: String, count: Int, standard: Int, atLeast least: Int) throws(ONNXError) -> [Int] {
    guard let given = ints(name), !given.isEmpty else { return [Int](repeating: standard, count: count) }
    guard given.count == count, given.allSatisfy({ $0 >= least && $0 <= Int(Int32.max) }) else {
      throw unsupported(name, "\(given.prefix(8)) are not \(count) numbers from \(least) to 2³¹ − 1")
    }
    return given
  }

  /// The spatial axes of an input `[N, C, D1, …]`, of which there must be some.
  func spatial(_ shape: [Int]) throws(ONNXError) -> [Int] {
    guard shape.count > 2, shape.allSatisfy({ $0 <= Int(Int32.max) }) else {
      throw mismatch(0, expected: "[N, C, D1, ...]", found: shape)
    }
    return Array(shape.dropFirst(2))
  }
}
