internal import ReferenceMath
internal import Tensors

/// Reductions along axes, in plain order: the first element first.
extension Evaluation {
  static var reductionOperators: [String: Operation] {
    [
      "ReduceSum": reduction({ $0.reduce(0, +) }, { try? $0.reduce(into: 0) { try add(&$0, $1) } }),
      "ReduceMean": reduction({ $0.reduce(0, +) / S($0.count) }),
      "ReduceProd": reduction(
        { $0.reduce(1, *) },
        {
          $0.reduce(1 as Int64?) { total, x in total.flatMap { exact($0.multipliedReportingOverflow(by: x)) }
          }
        }),
      "ReduceMax": reduction(
        { $0.reduce(-.infinity, S.larger) }, { $0.max() }, bools: true),
      "ReduceMin": reduction(
        { $0.reduce(.infinity, S.smaller) }, { $0.min() }, bools: true),
      "ReduceL1": reduction({ $0.reduce(0) { $0 + abs($1) } }),
      "ReduceL2": reduction({ S.norm($0) }),
      "ReduceSumSquare": reduction({ $0.reduce(0) { $0 + $1 * $1 } }),
      "ReduceLogSum": reduction({ S.log($0.reduce(0, +)) }),
      "ReduceLogSumExp": reduction({ S.logSumExp($0) }),
      "ArgMax": argument { $0 > $1 },
      "ArgMin": argument { $0 < $1 },
      "CumSum": cumulativeSum,
      "TopK": topK,
    ]
  }

  private struct Overflow: Error {}

  private static func add(_ total: inout Int64, _ x: Int64) throws {
    guard let next = sum(total, x) else { throw Overflow() }
    total = next
  }

  /// A reduction of each lane; without `integer`, of floats alone. Nil from `integer` stands for an overflow.
  private static func reduction(
    _ float: @escaping (ArraySlice<S>) -> S, _ integer: ((ArraySlice<Int64>) -> Int64?)? = nil,
    bools: Bool = false
  ) -> Operation {
    { call throws(ONNXError) in
      let value = try call.value(0)
      var axes =
        try call.axesArgument().map { (axes) throws(ONNXError) in
          try call.axes(axes, rank: value.rank).sorted()
        } ?? []
      // No axes mean all of them, unless the node says none. Each element is then a lane of its own.
      if axes.isEmpty, try !call.flag("noop_with_empty_axes") { axes = Array(value.shape.indices) }
      let keeps = try call.flag("keepdims")
      func finished(_ result: Value<S>) -> Value<S> {
        keeps
          ? result
          : result.reshaped(result.shape.indices.filter { !axes.contains($0) }.map { result.shape[$0] })
      }
      switch value {
      case .float(let array, let type): return [finished(.float(array.reduced(axes: axes, float), type))]
      case .integer(let array, let type):
        guard let integer, type != .bool || bools && call.opset >= 20 else { throw call.wrongType(0, type) }
        let result = try array.reduced(axes: axes) { (lane) throws(ONNXError) in
          guard let result = integer(lane) else {
            throw call.invalid("an integer reduction overflows, or is of nothing")
          }
          return result
        }
        return [finished(try call.fitted(result, type))]
      }
    }
  }

  /// The index of the element that is ahead of all others: of equal ones the first, or the last if so wished.
  private static func argument(_ isAhead: @escaping (Order, Order) -> Bool) -> Operation {
    { call throws(ONNXError) in
      let value = try call.value(0)
      let axis = try call.axisAttribute(rank: value.rank)
      guard value.shape[axis] > 0 else {
        throw call.mismatch(0, expected: "elements on axis \(axis)", found: value.shape)
      }
      let last = try call.flag("select_last_index")
      func position(_ lane: some RandomAccessCollection<Order>) -> Int64 {
        var best: (index: Int64, element: Order)?
        for (index, element) in lane.enumerated() {
          guard let held = best else {
            best = (Int64(index), element)
            continue
          }
          if isAhead(element, held.element) || last && element == held.element {
            best = (Int64(index), element)
          }
        }
        return best?.index ?? 0
      }
      let result: NDArray<Int64> =
        switch value {
        case .float(let array, _):
          array.reduced(axes: [axis]) { lane in
            let best = position(lane.map { Order.float($0.estimate) })
            let place = lane.startIndex + Int(best)
            S.noteOrder([lane[place]] + lane[..<place] + lane[(place + 1)...], first: 1)
            return best
          }
        case .integer(let array, _): array.reduced(axes: [axis]) { position($0.map { Order.integer($0) }) }
        }
      if try call.flag("keepdims") { return [.integer(result, .int64)] }
      var shape = value.shape
      shape.remove(at: axis)
      return [.integer(result.reshaped(shape), .int64)]
    }
  }

  /// The k largest (or smallest) elements of each lane and their indices, those ahead first; of equal ones the first. They
  /// are put in order even where the node does not ask for it. A NaN is larger than all numbers.
  private static func topK(_ call: Call<S>) throws(ONNXError) -> [Value<S>?] {
    let value = try call.value(0)
    let axis = try call.axisAttribute(rank: value.rank)
    let k = if let stated = call.int("k") { stated } else { try call.scalar(1) }
    guard k >= 0, k <= value.shape[axis] else {
      throw call.invalid("the \(k) largest of \(value.shape[axis]) elements")
    }
    let largest = call.opset < 11 ? true : try call.flag("largest")
    // Checked, like every flag, though it makes no difference.
    _ = try call.flag("sorted")
    try call.evaluation.spend([value.count, 64], call.step.label)
    // The axis goes last, and back.
    var order = Array(value.shape.indices)
    order.swapAt(axis, value.rank - 1)
    let moved = value.transposed(order)
    let shape = moved.shape.dropLast() + [k]
    func best<E: Comparable>(_ elements: [E], _ note: ([Int]) -> Void = { _ in }) -> [Int] {
      let size = value.shape[axis]
      if size == 0 { return [] }
      func isAhead(_ a: Int, _ b: Int) -> Bool {
        let (x, y) = (elements[a], elements[b])
        let (isNaN, isOtherNaN) = (x != x, y != y)
        if isNaN != isOtherNaN { return isNaN == largest }
        return x == y || isNaN ? a < b : (x > y) == largest
      }
      return stride(from: 0, to: elements.count, by: size).flatMap { lane in
        let order = (lane..<(lane + size)).sorted(by: isAhead)
        note(order)
        return order.prefix(k)
      }
    }
    let positions: [Int]
    switch moved {
    case .float(let array, _):
      positions = best(array.elements.map(\.estimate)) { order in
        S.noteOrder(order.lazy.map { array.elements[$0] }, first: k)
      }
    case .integer(let array, let type):
      guard type != .bool else { throw call.wrongType(0, type) }
      positions = best(array.elements)
    }
    let values = moved.picked(positions, shape: Array(shape)).transposed(order)
    let indices = Value<S>.int64(positions.map { $0 % value.shape[axis] }, shape: Array(shape))
    return [values, indices.transposed(order)]
  }

  /// Numbers of either kind, compared among their own.
  private enum Order: Comparable {
    case float(Double)
    case integer(Int64)

    static func < (a: Order, b: Order) -> Bool {
      switch (a, b) {
      case (.float(let x), .float(let y)): x < y
      case (.integer(let x), .integer(let y)): x < y
      default: false
      }
    }
  }

  private static func cumulativeSum(_ call: Call<S>) throws(ONNXError) -> [Value<S>?] {
    let value = try call.value(0)
    let axis = try call.axis(call.scalar(1), rank: value.rank)
    let (exclusive, reverse) = (try call.flag("exclusive"), try call.flag("reverse"))
    let (size, stride) = (value.shape[axis], rowMajorStrides(value.shape)[axis])
    func run<E>(_ array: NDArray<E>, _ zero: E, _ add: (E, E) -> E?) throws(ONNXError) -> NDArray<E> {
      var result = array
      for lane in array.elements.indices where lane / stride % size == 0 {
        var total = zero
        for k in 0..<size {
          let position = lane + (reverse ? size - 1 - k : k) * stride
          guard let next = add(total, array.elements[position]) else {
            throw call.invalid("the sum overflows 64 bits")
          }
          result.elements[position] = exclusive ? total : next
          total = next
        }
      }
      return result
    }
    switch value {
    case .float(let array, let type): return [.float(try run(array, 0) { $0 + $1 }, type)]
    case .integer(let array, let type):
      guard type != .bool else { throw call.wrongType(0, type) }
      return [try call.fitted(run(array, 0, sum), type)]
    }
  }
}
