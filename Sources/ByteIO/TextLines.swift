/// A place in a text as editors count it: lines and characters from 1.
public struct TextPosition: Sendable, Equatable, CustomStringConvertible {
  public let line: Int
  public let column: Int

  /// As compilers write it behind a file's name.
  public var description: String { "\(line):\(column)" }
}

/// The lines of a text, to tell where a byte of it stands.
public struct TextLines: Sendable {
  private let text: [UInt8]
  /// Of each line's first byte.
  private let starts: [Int]

  public init(_ text: ByteBuffer) {
    self.text = text.array
    starts = [0] + self.text.indices.lazy.filter { [bytes = self.text] in bytes[$0] == 0x0A }.map { $0 + 1 }
  }

  /// Counts the characters before it on its line.
  public func position(of offset: Int) -> TextPosition {
    let line = line(of: offset)
    let start = starts[line - 1]
    // What continues a character of UTF-8 is none of its own.
    let before = text[start..<min(max(offset, start), text.count)]
    return TextPosition(line: line, column: 1 + before.count { $0 & 0xC0 != 0x80 })
  }

  /// The line alone, from 1 on.
  public func line(of offset: Int) -> Int {
    var (low, high) = (0, starts.count)
    while high - low > 1 {
      let middle = (low + high) / 2
      if starts[middle] <= offset { low = middle } else { high = middle }
    }
    return low + 1
  }
}
