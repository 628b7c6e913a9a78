internal import ReferenceMath
internal import Tensors

/// Sequences of tensors of one element type. They live between the nodes of a graph: its inputs and outputs are tensors.
extension Evaluation {
  static var sequenceOperators: [String: (Call<S>) throws(ONNXError) -> Entry<S>] {
    [
      "SequenceEmpty": { call throws(ONNXError) in
        .sequence(
          ValueSequence(type: call.int("dtype") == nil ? .float32 : try call.elementType("dtype"), values: [])
        )
      },
      "SequenceConstruct": { call throws(ONNXError) in
        let values = try call.variadic()
        return .sequence(ValueSequence(type: values[0].elementType, values: values))
      },
      "SequenceInsert": { call throws(ONNXError) in
        var (sequence, value) = (try call.sequence(0), try call.value(1))
        guard value.elementType == sequence.type else { throw call.wrongType(1, value.elementType) }
        let count = sequence.values.count
        let position = call.has(2) ? try call.position(2, from: -count, through: count) : count
        sequence.values.insert(value, at: position < 0 ? position + count : position)
        return .sequence(sequence)
      },
      "SequenceErase": { call throws(ONNXError) in
        var sequence = try call.sequence(0)
        sequence.values.remove(at: try call.index(1, of: sequence))
        return .sequence(sequence)
      },
      "SequenceAt": { call throws(ONNXError) in
        let sequence = try call.sequence(0)
        return .tensor(.value(sequence.values[try call.index(1, of: sequence)]))
      },
      "SequenceLength": { call throws(ONNXError) in
        .tensor(.value(.int64([try call.sequence(0).values.count], shape: [])))
      },
      "SplitToSequence": splitToSequence,
      "ConcatFromSequence": concatFromSequence,
    ]
  }

  /// Parts along an axis: of the sizes given, or all of one size (the last may be smaller). Without sizes they are 1, and
  /// `keepdims` 0 drops the axis.
  private static func splitToSequence(_ call: Call<S>) throws(ONNXError) -> Entry<S> {
    let value = try call.value(0)
    let axis = try call.axisAttribute(rank: value.rank)
    let size = value.shape[axis]
    var sizes: [Int]
    if call.has(1), try call.integer(1).array.rank == 1 {
      sizes = try call.list(1)
      var left = size
      for part in sizes {
        guard part >= 0, part <= left else { throw call.invalid("parts \(sizes) of an axis of size \(size)") }
        left -= part
      }
      guard left == 0 else { throw call.invalid("parts \(sizes) of an axis of size \(size)") }
    } else {
      let part = call.has(1) ? try call.scalar(1) : 1
      guard part > 0 else { throw call.invalid("parts of size \(part)") }
      sizes = stride(from: 0, to: size, by: part).map { min(part, size - $0) }
    }
    // Each part is a value of its own, with its shape.
    try call.evaluation.spend([sizes.count, 256], call.step.label)
    let drops = call.has(1) ? false : try !call.flag("keepdims")
    var (start, parts) = (0, [Value<S>]())
    for count in sizes {
      let part = value.sliced(axis: axis, start: start, count: count)
      var shape = part.shape
      if drops { shape.remove(at: axis) }
      parts.append(part.reshaped(shape))
      start += count
    }
    return .sequence(ValueSequence(type: value.elementType, values: parts))
  }

  private static func concatFromSequence(_ call: Call<S>) throws(ONNXError) -> Entry<S> {
    let values = try call.sequence(0).values
    guard let first = values.first else { throw call.invalid("the sequence is empty") }
    let isNew = try call.flag("new_axis")
    let axis = try call.axis(call.int("axis") ?? 0, rank: first.rank + (isNew ? 1 : 0))
    if isNew { return .tensor(.value(try call.stacked(values, like: first, axis: axis))) }
    return .tensor(.value(try call.joined(values, axis: axis)))
  }
}

/// Tensors of one element type, one after another.
struct ValueSequence<S: ReferenceScalar> {
  let type: ElementType
  var values: [Value<S>]
}

extension Call {
  fileprivate func sequence(_ position: Int) throws(ONNXError) -> ValueSequence<S> {
    guard case .sequence(let sequence) = try entry(position) else {
      throw invalid("its input '\(signature.inputName(position))' is a tensor, not a sequence")
    }
    return sequence
  }

  /// A position within bounds, which may count from the end.
  fileprivate func position(_ input: Int, from low: Int, through high: Int) throws(ONNXError) -> Int {
    let position = try scalar(input)
    guard position >= low, position <= high else {
      throw invalid("position \(position) is not from \(low) to \(high)")
    }
    return position
  }

  /// That of an element; the last where the node names none.
  fileprivate func index(_ input: Int, of sequence: ValueSequence<S>) throws(ONNXError) -> Int {
    let count = sequence.values.count
    let position = has(input) ? try position(input, from: -count, through: count - 1) : count - 1
    guard count > 0 else { throw invalid("the sequence is empty") }
    return position < 0 ? position + count : position
  }
}
