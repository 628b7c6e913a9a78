public import Tensors

extension BoundedNumber {
  /// Four products of matrices of Float64: the values, how far they move with each side, and the magnitudes.
  public static func accumulateProduct(
    _ a: UnsafePointer<BoundedNumber>, _ b: UnsafePointer<BoundedNumber>,
    into c: UnsafeMutablePointer<BoundedNumber>, rows: Int, inner: Int, columns: Int
  ) {
    // Inside: the caller has as many elements behind the pointers.
    let left = UnsafeBufferPointer(start: a, count: rows * inner)
    let right = UnsafeBufferPointer(start: b, count: inner * columns)
    func product(_ x: [Double], _ y: [Double]) -> [Double] {
      var sums = [Double](repeating: 0, count: rows * columns)
      x.withUnsafeBufferPointer { x in
        y.withUnsafeBufferPointer { y in
          sums.withUnsafeMutableBufferPointer {
            ReferenceMath.accumulateProduct(x, y, into: $0, rows: rows, inner: inner, columns: columns)
          }
        }
      }
      return sums
    }
    let (leftRadii, rightRadii) = (left.map(\.radius), right.map(\.radius))
    let rightMost = right.map(\.most)
    let values = product(left.map(\.value), right.map(\.value))
    let masses = product(left.map(\.most), rightMost)
    var moved = [Double](repeating: 0, count: rows * columns)
    if leftRadii.contains(where: { $0 > 0 }) { moved = product(leftRadii, rightMost) }
    if rightRadii.contains(where: { $0 > 0 }) {
      let further = product(left.map { Swift.abs($0.value) }, rightRadii)
      for index in moved.indices { moved[index] += further[index] }
    }
    // These sums, too, are rounded in Float64; the format's unit holds that of the values.
    let share = 1 + 2 * Double(inner + 4) * 0x1p-53
    // To spare: a scale, a bias that sums start with, weights that were scaled beforehand.
    let terms = Int32(clamping: inner + 4)
    let flushed = Double(inner + 2) * tiny
    for index in values.indices {
      let old = c[index]
      let inherited = (old.inherited + moved[index] * share + flushed) * outwards
      let mass = (old.mass + masses[index] * share) * outwards
      let value = old.value + values[index]
      // A NaN, such as 0 · ∞ of a radius, is not less either.
      guard inner > 0 else { continue }
      c[index] =
        value.isFinite && mass + inherited <= largest
        ? BoundedNumber(value: value, inherited: inherited, mass: mass, terms: counted(old.terms, terms))
        : unknown(value)
    }
  }

  public static var elementType: ElementType { .float64 }

  public static func values(of tensor: Tensor) -> [BoundedNumber] {
    tensor.doubles.map { BoundedNumber(stored: $0) }
  }

  public static func copy(
    _ elements: Range<Int>, of tensor: Tensor, to target: UnsafeMutablePointer<BoundedNumber>
  ) {
    var numbers = [Double](repeating: 0, count: elements.count)
    numbers.withUnsafeMutableBufferPointer { numbers in
      if let start = numbers.baseAddress { tensor.copy(elements, to: start) }
    }
    for (index, number) in numbers.enumerated() {
      (target + index).initialize(to: BoundedNumber(stored: number))
    }
  }

  public static func tensor(_ values: [BoundedNumber], shape: [Int]) -> Tensor {
    Tensor(values.map(\.value), shape: shape)
  }

  public static func held(_ values: [BoundedNumber], as type: ElementType) -> [BoundedNumber]? {
    let unit = type.unitRoundoff
    guard unit > Self.unit else { return nil }
    let least = type == .float16 ? 0x1p-14 : 0x1p-126
    return values.map { value in
      let isNumber = value.isExact && (try? narrowed([value], to: type))?[0].value == value.value
      return isNumber
        ? value : BoundedNumber(value.value, value.radius, own: 1.01 * unit * Swift.max(value.most, least))
    }
  }

  /// Numbers that are close to each other may be rounded to different neighbours.
  public static func narrowed(
    _ values: [BoundedNumber], to type: ElementType
  ) throws(TensorError) -> [BoundedNumber] {
    let rounded = try tensor(values, shape: [values.count]).converted(to: type).tensor.doubles
    let unit = type.unitRoundoff
    // Below the smallest normal number the spacing is fixed.
    let least = type == .float16 ? 0x1p-14 : 0x1p-126
    return zip(values, rounded).map { value, rounded in
      if value.isExact { return BoundedNumber(stored: rounded) }
      let spacing = 2 * unit * Swift.max(value.most, least)
      return BoundedNumber(rounded, value.radius, own: spacing * (1 + 4 * unit))
    }
  }
}
