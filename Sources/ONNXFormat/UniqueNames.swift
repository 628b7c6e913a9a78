/// Names that nothing else has, in time that does not grow with how often one is wanted.
struct UniqueNames {
  private var taken: Set<String>
  /// The number that a name gets when it is wanted again.
  private var next: [String: Int] = [:]
  private let first: Int

  /// - Parameter first: the number of the second one of a name.
  init(_ taken: Set<String> = [], countingFrom first: Int) {
    self.taken = taken
    self.first = first
  }

  mutating func reserve(_ name: String) { taken.insert(name) }

  mutating func claim(_ wanted: String) -> String {
    var name = wanted
    while !taken.insert(name).inserted {
      let number = next[wanted, default: first]
      next[wanted] = number + 1
      name = "\(wanted)_\(number)"
    }
    return name
  }
}
