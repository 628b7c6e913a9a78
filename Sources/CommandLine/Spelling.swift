extension String {
  /// The word that this one was probably meant to be; nil where none is close.
  func nearest(in words: [String]) -> String? {
    let closest = words.map { (word: $0, distance: distance(to: $0)) }.min { $0.distance < $1.distance }
    return closest.flatMap {
      $0.distance <= max(1, $0.word.count / 3) || $0.word.hasPrefix(self) ? $0.word : nil
    }
  }

  /// How many characters have to be put in, left out or replaced (Levenshtein 1966).
  private func distance(to other: String) -> Int {
    let other = Array(other)
    var row = Array(0...other.count)
    for (i, character) in self.enumerated() {
      var diagonal = row[0]
      row[0] = i + 1
      for j in other.indices {
        let replaced = diagonal + (character == other[j] ? 0 : 1)
        diagonal = row[j + 1]
        row[j + 1] = Swift.min(replaced, diagonal + 1, row[j] + 1)
      }
    }
    return row[other.count]
  }
}
