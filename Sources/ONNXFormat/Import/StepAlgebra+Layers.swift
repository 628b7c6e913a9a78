internal import Recurrent
internal import Tensors

extension StepAlgebra {
  /// What a layer makes of features that are sums, one after another; nil where these are no words for it.
  mutating func output(of operation: Layer.Operation, _ inputs: [[Sum]]) -> [Sum]? {
    switch operation {
    case .dense(let dense): return self.dense(dense, inputs[0]).map { [$0] }
    case .activation(let activation): return inputs[0].map { activated(activation, $0) }
    case .dropout: return inputs[0]
    case .concat: return Array(inputs.joined())
    case .slice(let slice): return cut(inputs[0], slice.start..<(slice.start + slice.count))
    case .gather(let gather) where gather.isRun:
      return cut(inputs[0], gather.start..<(gather.start + gather.sources.count))
    case .gather(let gather)
    where gather.factors.count == 1 && gather.factors[0].stride == 0 && inputs[0].map(\.width) == [1]:
      return spread(inputs[0][0], gather.factors[0].count).map { [$0] }
    case .constant(let constant) where constant.value.elementType.isFloat && constant.value.shape[0] == 1:
      guard constant.value.isZero else { return nil }
      return [Sum(width: constant.value.count)]
    case .arithmetic(let arithmetic):
      if arithmetic.constant != nil { return output(of: arithmetic, inputs[0]) }
      return output(of: arithmetic.operator, inputs[0], inputs[1])
    case .recurrent, .embedding, .softmax, .logSoftmax, .layerNormalization, .select, .reverse, .constant,
      .argMax, .generate, .convolution, .pool, .padding, .gather, .unfold, .fold, .reduce, .timeSoftmax,
      .stepPacking, .repeated,
      .batchNormalization, .normalization, .transposedConvolution, .resize, .cumulativeSum, .attention,
      .choice:
      return nil
    }
  }

  /// One feature repeated.
  private func spread(_ sum: Sum, _ count: Int) -> Sum? {
    guard sum.isPolynomial else { return nil }
    var result = Sum(width: count, number: sum.number)
    for (term, scale) in sum.terms {
      guard term.count == 1, let only = term.first, only.value == 1, case .value(let name, 0) = only.key
      else {
        return nil
      }
      result.terms[[.spread(name): 1]] = scale
    }
    return result
  }

  private mutating func cut(_ parts: [Sum], _ range: Range<Int>) -> [Sum]? {
    var result: [Sum] = []
    var start = 0
    for part in parts {
      let own = range.clamped(to: start..<(start + part.width))
      if !own.isEmpty { result.append(cut(part, own.lowerBound - start, own.count)) }
      start += part.width
    }
    return range.upperBound <= start ? result : nil
  }

  private mutating func output(of arithmetic: Arithmetic, _ parts: [Sum]) -> [Sum]? {
    guard arithmetic.inner == 1, let constant = arithmetic.constant else { return nil }
    let numbers = constant.doubles
    let isNumber = numbers.allSatisfy { $0 == numbers[0] }
    var result: [Sum] = []
    var start = 0
    for part in parts {
      let rows = isNumber ? nil : self.rows(constant).cut(start, part.width)
      start += part.width
      guard let made = output(of: arithmetic, part, numbers[0], rows) else { return nil }
      result.append(made)
    }
    return result
  }

  /// A sum and a number, or as many of them as `rows` holds.
  private mutating func output(
    of arithmetic: Arithmetic, _ sum: Sum, _ number: Double, _ rows: Rows?
  ) -> Sum? {
    let isFirst = arithmetic.constantFirst
    switch (arithmetic.operator, rows) {
    case (.add, let rows?):
      var result = sum
      return result.biases.insert(rows).inserted ? result : nil
    case (.multiply, let rows?):
      return product(sum, Sum(width: sum.width, terms: [[.constant(rows): 1]: 1]))
    case (_, .some): return nil
    case (.add, nil), (.subtract, nil):
      var result = arithmetic.operator == .subtract && isFirst ? scaled(sum, -1) : sum
      result.number += arithmetic.operator == .subtract && !isFirst ? -number : number
      return result
    case (.multiply, nil): return scaled(sum, number)
    case (.divide, nil): return isFirst || number == 0 ? nil : scaled(sum, 1 / number)
    case (.maximum, nil): return clipped(sum, number, .infinity)
    case (.minimum, nil): return clipped(sum, -.infinity, number)
    case (.prelu, nil), (.greater, nil), (.notLess, nil), (.equal, nil): return nil
    }
  }

  private mutating func output(
    of arithmetic: Arithmetic.Operator, _ left: [Sum], _ right: [Sum]
  ) -> [Sum]? {
    let ends = { (parts: [Sum]) in
      parts.reduce(into: [0]) { $0.append($0.last! + $1.width) }
    }
    let all = Set(ends(left) + ends(right)).sorted()
    var result: [Sum] = []
    for (start, end) in zip(all, all.dropFirst()) {
      guard let a = cut(left, start..<end)?.first, let b = cut(right, start..<end)?.first else { return nil }
      let made: Sum? =
        switch arithmetic {
        case .add: sum(a, b)
        case .subtract: sum(a, scaled(b, -1))
        case .multiply: product(a, b)
        case .divide, .maximum, .minimum, .prelu, .greater, .notLess, .equal: nil
        }
      guard let made else { return nil }
      result.append(made)
    }
    return result
  }
}
