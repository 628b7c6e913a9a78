// What a file says is text. Shown as it is, it could be commands: to a terminal, which clears or colours; to a runner of
// workflows, which reads lines; to the eye, which reads letters in the order that they are told to stand in.

extension Unicode.Scalar {
  /// Whether it does something instead of showing something: controls of ASCII and ISO 6429, separators of lines, marks of
  /// direction (UAX 9), and what is no character.
  package var isControl: Bool {
    switch value {
    case 0..<0x20, 0x7F..<0xA0, 0x61C, 0x200E, 0x200F, 0x2028...0x202E, 0x2066...0x2069, 0xFEFF,
      0xFDD0...0xFDEF, 0xFFF9...0xFFFB:
      true
    default: value & 0xFFFE == 0xFFFE
    }
  }

  /// As Swift and Rust write it in a text.
  fileprivate var escape: String {
    switch self {
    case "\n": "\\n"
    case "\r": "\\r"
    case "\t": "\\t"
    default: "\\u{\(String(value, radix: 16, uppercase: true))}"
    }
  }
}

extension String {
  /// On one line, with every control shown: `\n`, `\u{1B}`.
  package var printable: String {
    guard unicodeScalars.contains(where: \.isControl) else { return self }
    var text = ""
    for scalar in unicodeScalars {
      if scalar.isControl { text += scalar.escape } else { text.unicodeScalars.append(scalar) }
    }
    return text
  }
}
