internal import ByteIO
internal import Recurrent
internal import Tensors

/// A number of a weight that is NaN or ∞, and where it is.
public struct NotFinite: Sendable, Equatable, CustomStringConvertible {
  /// The layer's name.
  public let layer: String
  /// The tensor's role, such as `forward.inputWeight`.
  public let role: String
  /// In the tensor, a number for each axis.
  public let index: [Int]
  /// NaN, ∞ or −∞.
  public let value: Double

  public var description: String {
    "layer '\(layer)', \(role) holds \(value) at \(index): no output of it can be compared; was it saved from a training "
      + "that diverged?"
  }
}

extension Model {
  /// The first number of a weight that is NaN or ∞. A constant that is added or compared may well be ∞, such as a mask.
  var firstNotFinite: NotFinite? {
    for layer in layers {
      let allowsInfinity =
        switch layer.operation {
        case .arithmetic, .constant, .choice: true
        case .recurrent, .embedding, .dense, .activation, .softmax, .logSoftmax, .layerNormalization, .select,
          .concat, .slice,
          .reverse,
          .dropout, .argMax, .generate, .convolution, .pool, .padding, .gather, .unfold, .fold, .reduce,
          .timeSoftmax, .repeated, .stepPacking, .batchNormalization, .normalization, .transposedConvolution,
          .resize, .cumulativeSum, .attention:
          false
        }
      for (role, tensor) in layer.operation.tensors {
        guard let (flat, value) = tensor.firstNotFinite(allowsInfinity: allowsInfinity) else { continue }
        return NotFinite(layer: layer.name, role: role, index: tensor.shape.index(at: flat), value: value)
      }
    }
    return nil
  }
}

extension Tensor {
  /// Looked for in pieces, by their bits: an exponent of ones.
  fileprivate func firstNotFinite(allowsInfinity: Bool) -> (index: Int, value: Double)? {
    guard elementType.isFloat else { return nil }
    var first = 0
    for piece in bytes.pieces(of: 1 << 20) {
      let count = piece.count / elementType.size
      let hasAny =
        switch elementType {
        case .float64: piece.holds(0x7FF0_0000_0000_0000 as UInt64)
        case .float32: piece.holds(0x7F80_0000 as UInt32)
        case .float16: piece.holds(0x7C00 as UInt16)
        default: piece.holds(0x7F80 as UInt16)
        }
      if hasAny, let numbers = try? Tensor(elementType, shape: [count], bytes: piece).doubles,
        let offset = numbers.firstIndex(where: { $0.isNaN || $0.isInfinite && !allowsInfinity })
      {
        return (first + offset, numbers[offset])
      }
      first += count
      if bytes.isLarge { piece.releasePages() }
    }
    return nil
  }
}

extension ByteBuffer {
  /// Whether any of the words has all bits of the mask.
  fileprivate func holds<Word: FixedWidthInteger>(_ mask: Word) -> Bool {
    withUnsafeBytes { raw in
      guard let base = raw.baseAddress else { return false }
      var found = false
      // Without a way out: a loop that vectors take.
      for index in 0..<(raw.count / MemoryLayout<Word>.size) {
        let word = base.loadUnaligned(fromByteOffset: index * MemoryLayout<Word>.size, as: Word.self)
        found = found || word & mask == mask
      }
      return found
    }
  }
}
