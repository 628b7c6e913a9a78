internal import ByteIO
internal import Tensors

/// SHA-256 over what a model computes: the same for one model in any format.
///
/// Names of layers, values and ports and the metadata do not count; structure, attributes and tensor bits do.
public struct Fingerprint: Sendable, Hashable, CustomStringConvertible {
  /// The 32 bytes of the hash.
  public let bytes: [UInt8]

  /// Lower-case hexadecimal.
  public var description: String {
    bytes.map { byte in
      let text = String(byte, radix: 16)
      return byte < 16 ? "0" + text : text
    }.joined()
  }
}

extension Model {
  /// The model's fingerprint; values are numbered in order of their first appearance.
  public var fingerprint: Fingerprint {
    var digest = Digest()
    var numbers = Numbering(layers)
    digest.add("rnnconv-fingerprint-1")
    digest.add(inputs.count)
    for port in inputs { digest.add(port, &numbers) }
    digest.add(layers, &numbers)
    digest.add(outputs.count)
    for port in outputs { digest.add(port, &numbers) }
    return Fingerprint(bytes: digest.hash.finalize())
  }
}

/// Values by number, in order of their first appearance.
///
/// A constant has no number: it counts with its tensor where it is read, wherever its layer stands.
private struct Numbering {
  private(set) var constants: [String: Tensor] = [:]
  private var numbers: [String: Int] = [:]

  init(_ layers: [Layer]) {
    for layer in layers {
      if case .constant(let constant) = layer.operation, let value = layer.outputs.first ?? nil {
        constants[value] = constant.value
      }
    }
  }

  subscript(_ value: String?) -> Int {
    mutating get {
      guard let value else { return -1 }
      if let known = numbers[value] { return known }
      numbers[value] = numbers.count
      return numbers.count - 1
    }
  }
}

/// Feeds a hash with self-delimiting items, so that no two models give it the same bytes.
private struct Digest {
  var hash = HashInPieces()

  mutating func add(_ number: Int) {
    withUnsafeBytes(of: Int64(number).littleEndian) { hash.update($0) }
  }

  mutating func add(_ number: Double) {
    withUnsafeBytes(of: number.bitPattern.littleEndian) { hash.update($0) }
  }

  mutating func add(_ text: String) {
    let bytes = Array(text.utf8)
    add(bytes.count)
    bytes.withUnsafeBytes { hash.update($0) }
  }

  mutating func add(_ tensor: Tensor?) {
    guard let tensor else { return add("absent") }
    add(tensor.elementType.rawValue)
    add(tensor.shape.count)
    for size in tensor.shape { add(size) }
    if let quantization = tensor.quantization {
      add(quantization.scale)
      add(quantization.zeroPoint)
    }
    hash.update(tensor.bytes)
  }

  mutating func add(_ activation: Activation) {
    add(activation.kind.rawValue)
    add(activation.alpha)
    add(activation.beta)
  }

  mutating func add(_ value: String?, _ numbers: inout Numbering) {
    if let value, let tensor = numbers.constants[value] { return add(tensor) }
    add(numbers[value])
  }

  mutating func add(_ port: Model.Port, _ numbers: inout Numbering) {
    add(port.value, &numbers)
    add(port.elementType.rawValue)
    add(port.axes.count)
    for axis in port.axes {
      add(axis.factors.count)
      for factor in axis.factors {
        switch factor {
        case .time: add("time")
        case .batch: add("batch")
        case .features(let stride, let count):
          add(stride)
          add(count)
        }
      }
      if axis.isDroppedAtOne { add("dropped at one") }
    }
  }

  mutating func add(_ layers: [Layer], _ numbers: inout Numbering) {
    let layers = layers.filter { if case .constant = $0.operation { false } else { true } }
    add(layers.count)
    for layer in layers {
      add(layer.operation)
      // A value left out at the end of a list is the same as none.
      for list in [layer.inputs, layer.outputs] {
        let given = list.prefix((list.lastIndex { $0 != nil } ?? -1) + 1)
        add(given.count)
        for value in given { add(value, &numbers) }
      }
    }
  }

  mutating func add(_ generate: Generate) {
    var numbers = Numbering(generate.body)
    add(generate.maxSteps)
    add(generate.carried.count)
    for carried in generate.carried {
      add(numbers[carried.input])
      add(carried.kind.hasTime ? 1 : 0)
      add(carried.kind.isInteger ? -1 : carried.kind.features)
    }
    add(generate.body, &numbers)
    for carried in generate.carried { add(carried.output, &numbers) }
    add(generate.collected.count)
    for value in generate.collected { add(value, &numbers) }
    guard let stop = generate.stop else { return add("endless") }
    add("stop")
    add(stop.value, &numbers)
    add(Int(stop.token))
    add(Int(stop.padding))
  }

  mutating func add(_ operation: Layer.Operation) {
    add(operation.name)
    operation.kind.identify(to: &self)
  }
}

extension Digest: FieldWriter {
  mutating func integer(_ key: String, _ value: Int) { add(value) }
  mutating func real(_ key: String, _ value: Double?) { add(value ?? 0) }
  mutating func flag(_ key: String, _ value: Bool) { add(value ? 1 : 0) }
  mutating func text(_ key: String, _ value: String) { add(value) }
  mutating func tensor(_ key: String, _ value: Tensor?) { add(value) }
  mutating func activation(_ key: String, _ value: Activation) { add(value) }
  mutating func loop(_ value: Generate) { add(value) }
  func begin(_ key: String, part name: String) {}
  func end() {}
}
