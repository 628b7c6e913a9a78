internal import ReferenceMath
internal import Tensors

/// MatMul, Gemm and Einsum.
extension Evaluation {
  static var matrixOperators: [String: Operation] {
    ["MatMul": matMul, "Gemm": gemm, "Einsum": einsum]
  }

  /// numpy.matmul: the last two axes are matrices, those before are broadcast; a vector is a row or a column.
  static func matMul(_ call: Call<S>) throws(ONNXError) -> [Value<S>?] {
    let (a, type) = try call.float(0)
    if let weight = try call.stored(1), weight.elementType == type, weight.shape.count == 2, a.rank > 0,
      a.shape.last == weight.shape[0]
    {
      let shape = try call.checked(a.shape.dropLast() + [weight.shape[1]])
      try call.evaluation.spend(shape + [weight.shape[0]], call.step.label)
      let rows = Matrix(rows: shape.dropLast().reduce(1, *), columns: weight.shape[0], elements: a.elements)
      let product = rows • Weight(weight, transposed: false, products: 1)
      return [.float(NDArray(shape: shape, elements: product.elements), type)]
    }
    let (b, typeB) = try call.float(1)
    guard type == typeB else { throw call.wrongType(1, typeB) }
    guard a.rank > 0 else { throw call.mismatch(0, expected: "rank 1 or more", found: []) }
    guard b.rank > 0 else { throw call.mismatch(1, expected: "rank 1 or more", found: []) }
    let left = a.rank == 1 ? [1] + a.shape : a.shape
    let right = b.rank == 1 ? b.shape + [1] : b.shape
    let (m, k, n) = (left[left.count - 2], left[left.count - 1], right[right.count - 1])
    guard right[right.count - 2] == k else {
      throw call.mismatch(
        1, expected: "\(k) rows, as the first input has columns (\(a.shape))", found: b.shape)
    }
    let batch = try call.broadcastShape(Array(left.dropLast(2)), Array(right.dropLast(2)))
    try call.checked(batch + [m, n])
    try call.evaluation.spend(batch + [m, n, k], call.step.label)
    // Where each matrix of the batch starts, counted in matrices.
    let blocks = batch.reduce(1, *)
    func starts(_ shape: ArraySlice<Int>) -> [Int] {
      let numbers = NDArray(shape: Array(shape), elements: Array(0..<shape.reduce(1, *)))
      return numbers.strided(shape: batch, strides: broadcastStrides(Array(shape), to: batch)).elements
    }
    let (startsA, startsB) = (starts(left.dropLast(2)), starts(right.dropLast(2)))
    var elements = [S](repeating: 0, count: blocks * m * n)
    for block in 0..<blocks {
      product(
        a.elements[(startsA[block] * m * k)..<((startsA[block] + 1) * m * k)],
        b.elements[(startsB[block] * k * n)..<((startsB[block] + 1) * k * n)],
        into: &elements[(block * m * n)..<((block + 1) * m * n)], rows: m, inner: k, columns: n)
    }
    let shape = batch + (a.rank == 1 ? [] : [m]) + (b.rank == 1 ? [] : [n])
    return [.float(NDArray(shape: shape, elements: elements), type)]
  }

  private static func product(
    _ a: ArraySlice<S>, _ b: ArraySlice<S>, into c: inout ArraySlice<S>, rows: Int, inner: Int, columns: Int
  ) {
    c.withUnsafeMutableBufferPointer { c in
      a.withUnsafeBufferPointer { a in
        b.withUnsafeBufferPointer { b in
          accumulateProduct(a, b, into: c, rows: rows, inner: inner, columns: columns)
        }
      }
    }
  }

  /// Y = alpha · A′ · B′ + beta · C, with A′ and B′ transposed where the attributes say so; C is broadcast.
  static func gemm(_ call: Call<S>) throws(ONNXError) -> [Value<S>?] {
    let (a, type) = try call.float(0)
    let b = try call.floatOperand(1)
    guard type == b.elementType else { throw call.wrongType(1, b.elementType) }
    guard a.rank == 2 else { throw call.mismatch(0, expected: "a matrix", found: a.shape) }
    guard b.shape.count == 2 else { throw call.mismatch(1, expected: "a matrix", found: b.shape) }
    // Any number but 0 transposes, as the specification says.
    let left = call.int("transA") == 0 ? a : a.transposed([1, 0])
    let isTransposed = call.int("transB") != 0
    let right: Weight<S>
    if let weight = try call.stored(1) {
      right = Weight(weight, transposed: isTransposed, products: 1)
    } else {
      let b = try call.float(1).array
      let matrix = Matrix(rows: b.shape[0], columns: b.shape[1], elements: b.elements)
      right = Weight(isTransposed ? matrix.transposed : matrix)
    }
    let (m, k, n) = (left.shape[0], left.shape[1], right.columns)
    guard right.rows == k else {
      throw call.mismatch(
        1, expected: "an inner size of \(k), as the first input has (\(a.shape))", found: b.shape)
    }
    try call.checked([m, n])
    try call.evaluation.spend([m, n, k], call.step.label)
    let alpha = call.real("alpha") ?? 1
    let product = Matrix(rows: m, columns: k, elements: left.elements) • right
    let scaled = NDArray(shape: [m, n], elements: product.elements.map { alpha * $0 })
    guard call.has(2) else { return [.float(scaled, type)] }
    let (c, typeC) = try call.float(2)
    guard typeC == type else { throw call.wrongType(2, typeC) }
    guard broadcast(c.shape, [m, n]) == [m, n] else {
      throw call.mismatch(2, expected: "one that broadcasts to [\(m), \(n)]", found: c.shape)
    }
    let beta = call.real("beta") ?? 1
    return [.float(NDArray(scaled, c, shape: [m, n]) { $0 + beta * $1 }, type)]
  }

  /// Sums of products over named axes: `bij,bjk->bik`. An ellipsis stands for axes that broadcast.
  private static func einsum(_ call: Call<S>) throws(ONNXError) -> [Value<S>?] {
    let values = try call.variadic()
    let equation = (call.string("equation") ?? "").filter { $0 != " " }
    func refuse(_ reason: String) -> ONNXError { call.unsupported("equation", "'\(equation)': \(reason)") }
    let sides = equation.split(separator: "->", omittingEmptySubsequences: false)
    guard sides.count <= 2, let first = sides.first else { throw refuse("more than one arrow") }
    let terms = first.split(separator: ",", omittingEmptySubsequences: false)
    guard terms.count == values.count else { throw refuse("\(terms.count) terms for \(values.count) inputs") }

    // Axes of the ellipsis are named by digits, counted from the last.
    func axes(_ term: Substring, _ hidden: Int) throws(ONNXError) -> [Character] {
      var names: [Character] = []
      var rest = term
      while let character = rest.first {
        if rest.hasPrefix("...") {
          guard hidden < 10 else { throw refuse("an ellipsis of \(hidden) axes") }
          names += (0..<hidden).reversed().map { Character("\($0)") }
          rest = rest.dropFirst(3)
        } else {
          guard character.isASCII, character.isLetter else { throw refuse("'\(character)' names no axis") }
          names.append(character)
          rest = rest.dropFirst()
        }
      }
      return names
    }
    var sizes: [Character: Int] = [:]
    var operands: [(names: [Character], array: NDArray<S>)] = []
    var hiddenAxes: Int?
    for (position, term) in terms.enumerated() {
      let array = try call.float(position).array
      let named = term.filter(\.isLetter).count
      let hidden = term.contains("...") ? array.rank - named : 0
      guard hidden >= 0 else {
        throw call.mismatch(position, expected: "rank \(named) or more", found: array.shape)
      }
      if term.contains("...") {
        guard hiddenAxes ?? hidden == hidden else {
          throw refuse("its ellipses stand for different numbers of axes")
        }
        hiddenAxes = hidden
      }
      let names = try axes(term, hidden)
      guard names.count == array.rank else {
        throw call.mismatch(position, expected: "rank \(names.count)", found: array.shape)
      }
      for (name, size) in zip(names, array.shape) {
        let known = sizes[name] ?? 1
        guard known == size || known == 1 || size == 1 else {
          throw refuse("axis \(name) is \(known) and \(size)")
        }
        sizes[name] = max(known, size) == 1 ? size : known == 1 ? size : known
      }
      operands.append((names, array))
    }
    let output: [Character]
    if sides.count == 2 {
      output = try axes(sides[1], hiddenAxes ?? 0)
    } else {
      let letters = first.filter(\.isLetter)
      let once = Set(letters).filter { letter in letters.filter { $0 == letter }.count == 1 }
      output = (0..<(hiddenAxes ?? 0)).reversed().map { Character("\($0)") } + once.sorted()
    }
    guard Set(output).count == output.count, output.allSatisfy({ sizes[$0] != nil }) else {
      throw refuse("its output names an axis twice, or one that no input has")
    }
    let summed = sizes.keys.filter { !output.contains($0) }.sorted()
    let shape = (output + summed).map { sizes[$0]! }
    let made = try call.checked(Array(shape.prefix(output.count)))
    try call.evaluation.spend(shape + [operands.count], call.step.label)
    let strides = operands.map { operand in
      (output + summed).map { name in
        // An axis that a term names twice is its diagonal.
        zip(operand.names, zip(rowMajorStrides(operand.array.shape), operand.array.shape)).reduce(0) {
          total, axis in
          total + (axis.0 == name && axis.1.1 != 1 ? axis.1.0 : 0)
        }
      }
    }
    // The axes that are summed over are the last: what one result sums lies together.
    let each = shape.dropFirst(output.count).reduce(1, *)
    var sums = [S](repeating: 0, count: made.reduce(1, *))
    if !shape.contains(0) {
      var walk = RowWalk(shape: shape, strides: strides)
      var index = 0
      for _ in 0..<walk.rows {
        for column in 0..<walk.width {
          var product: S = 1
          for (position, operand) in operands.enumerated() {
            product *= operand.array.elements[walk.offsets[position] + column * walk.steps[position]]
          }
          sums[index / each] = sums[index / each] + product
          index += 1
        }
        walk.advance()
      }
    }
    return [.float(NDArray(shape: made, elements: sums), try call.float(0).type)]
  }
}
