/// How the tensors of recurrent modules are named: PyTorch's own names, and the shorter ones of exported arrays.
package enum TorchNames {
  /// The kinds of tensors, each with the endings that mean it. Longest first: `weight_ih` ends in `w_ih` nowhere.
  static let endings: [(kind: Kind, texts: [String])] = [
    (.inputWeight, ["weight_ih", "w_ih"]), (.hiddenWeight, ["weight_hh", "w_hh"]),
    (.inputBias, ["bias_ih", "b_ih"]), (.hiddenBias, ["bias_hh", "b_hh"]),
    (.projection, ["weight_hr", "w_hr"]),
  ]

  enum Kind: Sendable, Hashable {
    case inputWeight, hiddenWeight, inputBias, hiddenBias, projection
  }

  /// What a name says: `encoder.rnn.weight_ih_l1_reverse` is the input weight of layer 1, backward, of `encoder.rnn`.
  struct Parsed: Equatable {
    /// Without the separator behind it.
    var module: String
    var kind: Kind
    /// Nil for a cell, whose names have no layer.
    var layer: Int?
    var isReverse: Bool
  }

  static func parse(_ name: String) -> Parsed? {
    var rest = name[...]
    let isReverse = rest.hasSuffix("_reverse")
    if isReverse { rest = rest.dropLast("_reverse".count) }
    var layer: Int?
    if let mark = rest.lastRange(of: "_l"), let number = Int(rest[mark.upperBound...]),
      String(number) == rest[mark.upperBound...], (0..<1_000_000).contains(number)
    {
      layer = number
      rest = rest[..<mark.lowerBound]
    }
    if isReverse, layer == nil { return nil }
    for (kind, texts) in endings {
      for text in texts where rest.hasSuffix(text) {
        let module = rest.dropLast(text.count)
        guard module.isEmpty || module.hasSuffix(".") || module.hasSuffix("_") || module.hasSuffix("/") else {
          continue
        }
        return Parsed(module: String(module.dropLast()), kind: kind, layer: layer, isReverse: isReverse)
      }
    }
    return nil
  }

  /// Whether a name is that of a recurrent module's hidden-to-hidden weight.
  package static func isRecurrentWeight(_ name: String) -> Bool {
    let weight = ["_orig", "_raw", "_g"].first { name.hasSuffix($0) }.map { String(name.dropLast($0.count)) }
    return parse(weight ?? name)?.kind == .hiddenWeight
  }
}

extension Substring {
  /// The last occurrence of `text`.
  fileprivate func lastRange(of text: String) -> Range<Index>? {
    var end = endIndex
    while let start = index(end, offsetBy: -text.count, limitedBy: startIndex) {
      if self[start..<end] == text { return start..<end }
      guard end > startIndex else { return nil }
      end = index(before: end)
    }
    return nil
  }
}
