/// What PUT keeps for GET. Picklers count from 0, so most of it is an array.
struct PickleMemo {
  private var dense: [PickleValue] = []
  private var sparse: [Int: PickleValue] = [:]

  var count: Int { dense.count + sparse.count }

  subscript(index: Int) -> PickleValue? { index < dense.count ? dense[index] : sparse[index] }

  mutating func put(_ value: PickleValue, at index: Int) {
    if index < dense.count {
      dense[index] = value
    } else if index == dense.count, sparse.isEmpty {
      dense.append(value)
    } else {
      sparse[index] = value
    }
  }
}
