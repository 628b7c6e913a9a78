/// The product of the factors, or nil where a factor is negative or the factors other than zero overflow.
///
/// A zero does not hide an overflow beside it: code that multiplies some of the factors (strides) stays safe.
public func checkedProduct(_ factors: some Sequence<Int>) -> Int? {
  var product = 1
  var empty = false
  for factor in factors {
    guard factor >= 0 else { return nil }
    if factor == 0 {
      empty = true
      continue
    }
    let (next, overflow) = product.multipliedReportingOverflow(by: factor)
    if overflow { return nil }
    product = next
  }
  return empty ? 0 : product
}
