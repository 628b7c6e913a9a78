internal import ByteIO
internal import Crypto
internal import Tensors

/// SHA-256 over what a model computes: the same for one model in any format.
///
/// Names of layers, values and ports and the metadata do not count; structure, attributes and tensor bits do.
public struct Fingerprint: Sendable, Hashable, CustomStringConvertible {
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
    var numbers: [String: Int] = [:]
    func number(_ value: String?) -> Int {
      guard let value else { return -1 }
      if let known = numbers[value] { return known }
      numbers[value] = numbers.count
      return numbers.count - 1
    }
    digest.add("rnnconv-fingerprint-1")
    digest.add(inputs.count)
    for port in inputs { digest.add(port, number(port.value)) }
    digest.add(layers.count)
    for layer in layers {
      digest.add(layer.operation)
      // A value left out at the end of a list is the same as none.
      for list in [layer.inputs, layer.outputs] {
        let given = list.prefix((list.lastIndex { $0 != nil } ?? -1) + 1)
        digest.add(given.count)
        for value in given { digest.add(number(value)) }
      }
    }
    digest.add(outputs.count)
    for port in outputs { digest.add(port, number(port.value)) }
    return Fingerprint(bytes: Array(digest.hash.finalize()))
  }
}

/// Feeds a hash with self-delimiting items, so that no two models give it the same bytes.
private struct Digest {
  var hash = SHA256()

  mutating func add(_ number: Int) {
    withUnsafeBytes(of: Int64(number).littleEndian) { hash.update(bufferPointer: $0) }
  }

  mutating func add(_ number: Double) {
    withUnsafeBytes(of: number.bitPattern.littleEndian) { hash.update(bufferPointer: $0) }
  }

  mutating func add(_ text: String) {
    let bytes = Array(text.utf8)
    add(bytes.count)
    hash.update(data: bytes)
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
    tensor.bytes.withUnsafeBytes { hash.update(bufferPointer: $0) }
  }

  mutating func add(_ activation: Activation) {
    add(activation.kind.rawValue)
    add(activation.alpha)
    add(activation.beta)
  }

  mutating func add(_ port: Port, _ value: Int) {
    add(value)
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
    }
  }

  mutating func add(_ operation: Operation) {
    add(operation.name)
    switch operation {
    case .recurrent(let layer):
      if case .gru(let resetAfter) = layer.cell { add(resetAfter ? 1 : 0) }
      add(layer.direction.rawValue)
      add(layer.inputSize)
      add(layer.hiddenSize)
      add(layer.clip ?? 0)
      add(layer.inputForget ? 1 : 0)
      for direction in layer.directions {
        add(direction.inputWeight)
        add(direction.recurrentWeight)
        add(direction.inputBias)
        add(direction.recurrentBias)
        add(direction.peepholes)
        add(direction.projection)
        if layer.cell != .rnn { add(direction.gateActivation) }
        add(direction.candidateActivation)
        if layer.cell == .lstm { add(direction.outputActivation) }
      }
    case .embedding(let table): add(table)
    case .dense(let weight, let bias):
      add(weight)
      add(bias)
    case .activation(let activation): add(activation)
    case .select(let selection):
      switch selection {
      case .step(let step):
        add("step")
        add(step)
      case .lastValid: add("lastValid")
      case .mean: add("mean")
      case .max: add("max")
      }
    case .slice(let start, let count):
      add(start)
      add(count)
    case .arithmetic(let arithmetic, let constant, let constantFirst):
      add(arithmetic.rawValue)
      add(constant)
      add(constantFirst ? 1 : 0)
    case .constant(let tensor): add(tensor)
    case .dropout(let ratio): add(ratio)
    case .softmax, .logSoftmax, .concat, .reverse, .argMax: break
    }
  }
}
