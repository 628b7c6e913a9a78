internal import ByteIO
internal import Recurrent
internal import Tensors

extension LayerDifference {
  mutating func compareTensors(_ left: Layer.Operation, _ right: Layer.Operation) {
    let (a, b) = (left.tensors, right.tensors)
    let order = left.gateOrder.flatMap { $0 == right.gateOrder ? $0 : nil }
    for role in a.map(\.role) + b.map(\.role).filter({ role in !a.contains { $0.role == role } }) {
      let (x, y) = (a.first { $0.role == role }?.tensor, b.first { $0.role == role }?.tensor)
      var difference = TensorDifference(role: role, left: x?.form, right: y?.form)
      if let x, let y, x.shape == y.shape {
        let gates = order.flatMap { Self.gates(of: role, $0) } ?? []
        difference.blocks = blocks(x, y, gates)
        if !difference.isSame, gates.count > 1 { noteReordering(role, x, y, gates) }
      }
      tensors.append(difference)
    }
    if case (.recurrent(let one), .recurrent(let other)) = (left, right) { noteMergedBiases(one, other) }
  }

  /// The gates whose rows a tensor of this role stacks; nil where it stacks none.
  private static func gates(of role: String, _ order: GateOrder) -> [Gate]? {
    switch role.split(separator: ".").last {
    case "inputWeight", "recurrentWeight", "inputBias", "recurrentBias": order.gates
    case "peepholes": GateOrder.peepholes.gates
    default: nil
    }
  }

  /// Where the right side's blocks are the left's bit for bit, in another order.
  private mutating func noteReordering(_ role: String, _ left: Tensor, _ right: Tensor, _ gates: [Gate]) {
    guard left.form == right.form, left.bytes.count % gates.count == 0 else { return }
    let size = left.bytes.count / gates.count
    let sources = gates.indices.map { block in
      gates.indices.first {
        left.bytes.slice(offset: $0 * size, count: size)
          == right.bytes.slice(offset: block * size, count: size)
      }
    }
    guard Set(sources.compactMap { $0 }).count == gates.count else { return }
    let found = sources.map { gates[$0!].rawValue }.joined(separator: ",")
    notes.append("\(role): the right side's \(GateOrder.text(gates)) hold the left side's \(found)")
  }

  /// Where only one side keeps two biases: whether the sums are those of the other.
  private mutating func noteMergedBiases(_ left: RecurrentLayer, _ right: RecurrentLayer) {
    guard left.cell == right.cell, left.cell.kind.gatesWithTwoBiases.isEmpty else { return }
    for (name, (a, b)) in zip(left.directionNames, zip(left.directions, right.directions)) {
      guard
        (a.inputBias == nil) != (b.inputBias == nil) || (a.recurrentBias == nil) != (b.recurrentBias == nil)
      else { continue }
      guard let x = a.biasSum, let y = b.biasSum, x.count == y.count else { continue }
      let sums = block(
        Tensor(x.map { Float($0) }, shape: [x.count]), Tensor(y.map { Float($0) }, shape: [y.count]),
        nil, 0..<x.count)
      notes.append(
        sums.differing == 0
          ? "\(name): the sum of the biases is the same in Float32"
          : "\(name): the sums of the biases differ in \(sums.differing) of \(sums.elements) elements, "
            + "by at most \(sums.maxUlps) ulps")
    }
  }
}

extension GateOrder {
  fileprivate static func text(_ gates: [Gate]) -> String { gates.map(\.rawValue).joined(separator: ",") }
}

extension DirectionParameters {
  /// b_W + b_R; nil without both.
  fileprivate var biasSum: [Double]? {
    switch (inputBias?.doubles, recurrentBias?.doubles) {
    case (let a?, let b?): zip(a, b).map { $0 + $1 }
    case (let a?, nil), (nil, let a?): a
    case (nil, nil): nil
    }
  }
}

extension Layer.Operation {
  fileprivate var gateOrder: GateOrder? {
    if case .recurrent(let layer) = self { layer.cell.gateOrder } else { nil }
  }
}

extension Tensor {
  fileprivate var form: TensorDifference.Form {
    TensorDifference.Form(elementType: elementType, shape: shape, quantization: quantization)
  }
}

private func blocks(_ left: Tensor, _ right: Tensor, _ gates: [Gate]) -> [BlockDifference] {
  let size = left.count / max(gates.count, 1)
  if left == right {
    return gates.isEmpty
      ? [BlockDifference(elements: left.count)] : gates.map { BlockDifference(gate: $0, elements: size) }
  }
  if gates.isEmpty { return [block(left, right, nil, 0..<left.count)] }
  let (a, b) = (left.doubles, right.doubles)
  return gates.enumerated().map { index, gate in
    block(left, right, gate, (index * size)..<((index + 1) * size), a, b)
  }
}

private func block(
  _ left: Tensor, _ right: Tensor, _ gate: Gate?, _ range: Range<Int>, _ a: [Double]? = nil,
  _ b: [Double]? = nil
) -> BlockDifference {
  let (a, b) = (a ?? left.doubles, b ?? right.doubles)
  let unit = Unit(left, right)
  let width = left.elementType.size
  let sameForm = left.form == right.form
  var result = BlockDifference(gate: gate, elements: range.count)
  var ulps: [UInt64] = []
  left.bytes.withUnsafeBytes { x in
    right.bytes.withUnsafeBytes { y in
      for index in range {
        let differs =
          sameForm
          ? !(0..<width).allSatisfy { x[index * width + $0] == y[index * width + $0] }
          : a[index] != b[index] && !(a[index].isNaN && b[index].isNaN)
        guard differs else { continue }
        ulps.append(unit.distance(a[index], b[index]))
        if a[index].isNaN || b[index].isNaN {
          if a[index].isNaN != b[index].isNaN { result.maxDifference = .infinity }
        } else if a[index] != b[index] {
          result.maxDifference = max(result.maxDifference, abs(a[index] - b[index]))
        }
      }
    }
  }
  ulps.sort()
  result.differing = ulps.count
  result.maxUlps = ulps.last ?? 0
  result.medianUlps = ulps.isEmpty ? 0 : ulps[ulps.count / 2]
  return result
}

/// What distances are counted in.
private enum Unit {
  case float(ElementType)
  /// Of equally quantised or plain integers.
  case step(Double)

  init(_ left: Tensor, _ right: Tensor) {
    if left.elementType.isFloat, right.elementType.isFloat {
      // The coarser type: a value rounded to it is 0 ulps away.
      self = .float(
        left.elementType.unitRoundoff >= right.elementType.unitRoundoff ? left.elementType : right.elementType
      )
    } else if !left.elementType.isFloat, !right.elementType.isFloat, left.quantization == right.quantization {
      self = .step(left.quantization?.scale ?? 1)
    } else {
      self = .float(.float32)
    }
  }

  func distance(_ a: Double, _ b: Double) -> UInt64 {
    if a.isNaN || b.isNaN { return a.isNaN && b.isNaN ? 0 : .max }
    switch self {
    case .float(let type):
      let (x, y) = (Self.ordinal(a, type), Self.ordinal(b, type))
      return x > y ? UInt64(bitPattern: x &- y) : UInt64(bitPattern: y &- x)
    case .step(let step): return UInt64(exactly: (abs(a - b) / step).rounded()) ?? .max
    }
  }

  /// Neighbouring numbers have neighbouring ordinals; both zeros have 0.
  private static func ordinal(_ value: Double, _ type: ElementType) -> Int64 {
    let magnitude: Int64 =
      switch type {
      case .float64: Int64(value.magnitude.bitPattern)
      case .float16: Int64(Float16(value.magnitude).bitPattern)
      case .bfloat16: Int64(BFloat16.bits(Float(value.magnitude)))
      default: Int64(Float(value.magnitude).bitPattern)
      }
    return value.sign == .minus ? -magnitude : magnitude
  }
}
