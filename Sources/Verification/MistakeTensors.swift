internal import ByteIO
internal import Recurrent
internal import Tensors

/// The tensors of a direction that stack one block of rows a gate.
enum StackedPart: String, CaseIterable, Sendable {
  case inputWeight, recurrentWeight, inputBias, recurrentBias

  /// Whether a parameter of this role, such as `forward.bias` for the sum of two, is made of it.
  func isPart(of role: String) -> Bool {
    role.hasSuffix(rawValue) || role.hasSuffix(".bias") && (self == .inputBias || self == .recurrentBias)
  }
}

extension DirectionParameters {
  /// Whether any of the parts is there.
  func holds(_ parts: [StackedPart]) -> Bool {
    parts.contains { part in
      switch part {
      case .inputWeight: true
      case .recurrentWeight: recurrentWeight != nil
      case .inputBias: inputBias != nil
      case .recurrentBias: recurrentBias != nil
      }
    }
  }

  mutating func mapStacked(_ parts: [StackedPart] = StackedPart.allCases, _ change: (Tensor) -> Tensor) {
    for part in parts {
      switch part {
      case .inputWeight: inputWeight = change(inputWeight)
      case .recurrentWeight: recurrentWeight = recurrentWeight.map(change)
      case .inputBias: inputBias = inputBias.map(change)
      case .recurrentBias: recurrentBias = recurrentBias.map(change)
      }
    }
  }
}

extension Tensor {
  /// Block k of the result is block `permutation[k]` of this tensor.
  func permutingBlocks(_ permutation: [Int]) -> Tensor {
    let height = shape[0] / permutation.count
    return rows(permutation.map { $0 * height..<($0 + 1) * height })
  }

  /// Each square block of `size` rows transposed.
  func transposingBlocks(_ size: Int) -> Tensor {
    .concatenated(
      stride(from: 0, to: shape[0], by: size).map { rows($0..<$0 + size).transposed([1, 0]) })
  }

  /// The numbers of some rows changed; in this tensor's own element type where it is a float.
  func changing(_ range: Range<Int>, _ change: (Double) -> Double) -> Tensor {
    var values = doubles
    let width = shape[0] == 0 ? 0 : count / shape[0]
    for index in range.lowerBound * width..<range.upperBound * width { values[index] = change(values[index]) }
    let result = Tensor(values, shape: shape)
    return (try? result.converted(to: elementType.isFloat ? elementType : .float32).tensor) ?? result
  }

  /// The bytes of every element the other way round.
  var byteSwapped: Tensor {
    let size = elementType.size
    let swapped = ByteBuffer(byteCount: bytes.count) { target in
      bytes.withUnsafeBytes { source in
        for index in 0..<bytes.count {
          target[index] = source[index - index % size + size - 1 - index % size]
        }
      }
    }
    return (try? Tensor(elementType, shape: shape, bytes: swapped, quantization: quantization)) ?? self
  }
}

/// Every order of `count` things but the first.
func permutations(_ count: Int) -> [[Int]] {
  func all(_ rest: [Int]) -> [[Int]] {
    rest.isEmpty
      ? [[]]
      : rest.flatMap { first in all(rest.filter { $0 != first }).map { [first] + $0 } }
  }
  return Array(all(Array(0..<count)).dropFirst())
}

func inverse(_ permutation: [Int]) -> [Int] {
  permutation.indices.map { permutation.firstIndex(of: $0)! }
}
