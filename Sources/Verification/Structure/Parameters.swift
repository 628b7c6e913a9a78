internal import ByteIO
internal import Forward
internal import Recurrent
internal import Tensors

// The tensors of two corresponding layers, number by number. Tensors are read in pieces, so that comparing two files takes no
// more memory than a piece of each.

extension Structure {
  /// Lays two models side by side.
  ///
  /// - Parameters:
  ///   - inputs: which input of the right model is which of the left one, by name.
  ///   - outputs: the same for outputs.
  ///   - storage: what the right side may have rounded the left one's weights to, whatever its own element types.
  init(
    _ left: Model, _ right: Model, inputs: [String: String], outputs: [String: String],
    storage: WeightStorage? = nil
  ) {
    let alignment = Alignment(left, right, inputs: inputs, outputs: outputs)
    unaligned = alignment.failure
    attributes = alignment.attributes
    if unaligned != nil { return }
    for pair in alignment.pairs.flatMap({ ParameterPair.all($0.left, $0.right, storage) }) {
      add(pair, storage)
    }
  }

  private mutating func add(_ pair: ParameterPair, _ storage: WeightStorage?) {
    tensors += 1
    parameters += pair.count
    if let difference = ParameterDifference(pair, storage) { differences.append(difference) }
  }
}

/// Two corresponding tensors, or two sums of biases, side by side. A side that has none stands for zeros.
struct ParameterPair {
  /// The layer's name on either side.
  let layers: (left: String, right: String)
  /// Such as `forward.recurrentWeight`; `forward.bias` where two biases are added.
  let role: String
  let left: Numbers?
  let right: Numbers?
  /// Whose rows the tensor stacks; none where it stacks none.
  let gates: [Gate]

  var count: Int { max(left?.count ?? 0, right?.count ?? 0) }
  var shape: [Int] { (left?.count ?? -1 >= right?.count ?? 0 ? left : right)?.shape ?? [] }

  /// Those of two corresponding layers, which the alignment has made sure are of one kind.
  static func all(_ a: Layer, _ b: Layer, _ storage: WeightStorage? = nil) -> [ParameterPair] {
    var pairs: [ParameterPair] = []
    func add(_ role: String, _ x: Numbers?, _ y: Numbers?, _ gates: [Gate] = []) {
      pairs.append(ParameterPair(layers: (a.name, b.name), role: role, left: x, right: y, gates: gates))
    }
    if case (.recurrent(let x), .recurrent(let y)) = (a.operation, b.operation) {
      let gates = x.cell.gateOrder.gates
      for (name, (p, q)) in zip(x.directionNames, zip(x.directions, y.directions)) {
        // Coupled gates leave the rows of f unread.
        let read = x.inputForget && y.inputForget ? Array(gates.dropFirst()) : gates
        let skipped = gates.count - read.count
        func rows(_ tensor: Tensor?) -> Numbers? {
          tensor.map { Numbers($0, from: skipped * x.hiddenSize) }
        }
        add("\(name).inputWeight", rows(p.inputWeight), rows(q.inputWeight), read)
        if x.cell.kind.hasRecurrentWeight {
          add("\(name).recurrentWeight", rows(p.recurrentWeight), rows(q.recurrentWeight), read)
        }
        if p.peepholes != nil || q.peepholes != nil {
          let peepholes = GateOrder.peepholes.gates
          add("\(name).peepholes", rows(p.peepholes), rows(q.peepholes), Array(peepholes.dropFirst(skipped)))
        }
        if p.projection != nil || q.projection != nil {
          add("\(name).projection", p.projection.map { Numbers($0) }, q.projection.map { Numbers($0) })
        }
        guard p.hasBias || q.hasBias else { continue }
        // Where each of two biases is the other side's, rounded or not, they need not be added.
        let biases = [
          ("inputBias", p.inputBias, q.inputBias), ("recurrentBias", p.recurrentBias, q.recurrentBias),
        ]
        .map { role, mine, theirs in
          ParameterPair(
            layers: (a.name, b.name), role: "\(name).\(role)", left: rows(mine), right: rows(theirs),
            gates: read)
        }
        if biases.allSatisfy({
          ($0.left == nil) == ($0.right == nil) && ParameterDifference($0, storage)?.relation != .different
        }) {
          pairs += biases.filter { $0.left != nil }
          continue
        }
        // Those of the last gates may do different things, as the candidate's of a GRU that resets afterwards.
        let twofold = x.cell.kind.gatesWithTwoBiases
        let added = (gates.count - twofold.count) * x.hiddenSize
        let all = skipped * x.hiddenSize..<gates.count * x.hiddenSize
        let range = all.clamped(to: 0..<added)
        add(
          "\(name).bias", p.sum(range), q.sum(range),
          read.filter { !twofold.contains($0) })
        guard added < all.upperBound else { continue }
        let apart = added..<all.upperBound
        add(
          "\(name).inputBias", p.inputBias.map { Numbers($0, apart) }, q.inputBias.map { Numbers($0, apart) },
          twofold)
        add(
          "\(name).recurrentBias", p.recurrentBias.map { Numbers($0, apart) },
          q.recurrentBias.map { Numbers($0, apart) }, twofold)
      }
      return pairs
    }
    // The layers of a loop's body are aligned on their own.
    // By their keys: of other fields one side may have more.
    let others = Dictionary(b.operation.fields.map { ($0.key, $0.value) }) { first, _ in first }
    for (key, mine) in a.operation.fields {
      guard case (.tensor(let x), .tensor(let y)?) = (mine, others[key]), x != nil || y != nil else {
        continue
      }
      add(key, x.map { Numbers($0) }, y.map { Numbers($0) })
    }
    return pairs
  }
}

extension DirectionParameters {
  fileprivate var hasBias: Bool { inputBias != nil || recurrentBias != nil }

  /// b_W + b_R of some rows, exactly but for Float64's rounding of the sum.
  fileprivate func sum(_ range: Range<Int>) -> Numbers? {
    guard let a = inputBias ?? recurrentBias else { return nil }
    return Numbers(a, range, plus: inputBias == nil ? nil : recurrentBias)
  }
}

/// The numbers of a tensor, or sums of two, read in pieces.
struct Numbers {
  let shape: [Int]
  /// Of the first one.
  let type: ElementType
  private let tensor: Tensor
  private let addend: Tensor?

  var count: Int { shape.reduce(1, *) }
  var quantization: Tensor.Quantization? { addend == nil ? tensor.quantization : nil }
  /// The one tensor whose numbers they are.
  var single: Tensor? { addend == nil ? tensor : nil }

  /// Rows of axis 0 from `first` on.
  init(_ tensor: Tensor, from first: Int = 0) {
    self.init(tensor, first..<(tensor.shape.first ?? 1))
  }

  init(_ tensor: Tensor, _ rows: Range<Int>, plus addend: Tensor? = nil) {
    func part(_ tensor: Tensor) -> Tensor {
      tensor.shape.isEmpty || rows == 0..<tensor.shape[0] ? tensor : tensor.rows(rows)
    }
    type = tensor.elementType
    self.tensor = part(tensor)
    self.addend = addend.map(part)
    shape = self.tensor.shape
  }

  /// Whether two numbers were added anywhere.
  var isSum: Bool {
    guard let addend else { return false }
    return zip(tensor.doubles, addend.doubles).contains { $0 != 0 && $1 != 0 }
  }

  /// Whether both are read from the very same memory.
  func isShared(with other: Numbers) -> Bool {
    func isSame(_ a: Tensor?, _ b: Tensor?) -> Bool {
      guard let a, let b else { return a == nil && b == nil }
      return a.bytes.isSameMemory(as: b.bytes) && a.elementType == b.elementType
        && a.quantization == b.quantization
    }
    return shape == other.shape && isSame(tensor, other.tensor) && isSame(addend, other.addend)
  }

  /// Whether the tensors hold the same bits: then so do the sums.
  func hasSameBits(_ other: Numbers) -> Bool {
    guard tensor.hasSameBits(other.tensor) else { return false }
    guard let a = addend, let b = other.addend else { return addend == nil && other.addend == nil }
    return a.hasSameBits(b)
  }

  /// The largest magnitude.
  var largest: Double { doubles(0..<count).reduce(0) { max($0, abs($1)) } }

  /// Numbers `range`, counted row-major; one number stands for as many as are asked for.
  func doubles(_ range: Range<Int>) -> [Double] {
    let numbers = Self.doubles(tensor, range)
    guard let addend else { return numbers }
    return zip(numbers, Self.doubles(addend, range)).map { $0 + $1 }
  }

  private static func doubles(_ tensor: Tensor, _ range: Range<Int>) -> [Double] {
    if tensor.count == 1 { return Array(repeating: tensor.doubles[0], count: range.count) }
    let size = tensor.elementType.size
    return tensor.bytes.slice(offset: range.lowerBound * size, count: range.count * size)!.chunks.flatMap {
      chunk in
      // Chunks are whole rows of a tensor.
      (try? Tensor(
        tensor.elementType, shape: [chunk.count / size], bytes: chunk, quantization: tensor.quantization))?
        .doubles ?? []
    }
  }
}

extension Tensor {
  /// Whether both hold the same bits, compared in pieces: what was mapped need not stay in memory.
  func hasSameBits(_ other: Tensor) -> Bool {
    guard elementType == other.elementType, shape == other.shape, quantization == other.quantization else {
      return false
    }
    let piece = 1 << 20
    return stride(from: 0, to: bytes.count, by: piece).allSatisfy { offset in
      let count = min(piece, bytes.count - offset)
      // Within both.
      var mine = bytes.slice(offset: offset, count: count)!.chunks[...]
      var theirs = other.bytes.slice(offset: offset, count: count)!.chunks[...]
      while var a = mine.first, var b = theirs.first {
        let common = min(a.count, b.count)
        guard a.slice(offset: 0, count: common)! == b.slice(offset: 0, count: common)! else { return false }
        if bytes.isLarge { for side in [a, b] { side.slice(offset: 0, count: common)!.releasePages() } }
        (a, b) = (
          a.slice(offset: common, count: a.count - common)!, b.slice(offset: common, count: b.count - common)!
        )
        mine.removeFirst()
        theirs.removeFirst()
        if a.count > 0 { mine = [a] + mine }
        if b.count > 0 { theirs = [b] + theirs }
      }
      return true
    }
  }
}

extension ParameterDifference {
  /// Nil where both sides hold the same numbers; a side that has none holds zeros.
  ///
  /// - Parameter isBrief: whether to stop at the first number that no rounding explains.
  init?(_ parameters: ParameterPair, _ storage: WeightStorage? = nil, isBrief: Bool = false) {
    let (a, b, gates, shape) = (parameters.left, parameters.right, parameters.gates, parameters.shape)
    if a == nil, b == nil { return nil }
    if let a, let b, a.hasSameBits(b) { return nil }
    self.init(
      left: parameters.layers.left, right: parameters.layers.right, role: parameters.role, relation: .near,
      elements: shape.reduce(1, *), differing: 0, unexplained: 0,
      largestUlps: 0, largestDifference: 0, gates: [], rows: 0, rowCount: shape.first ?? 1,
      first: Place(index: [], left: 0, right: 0))
    let pair = NumberPair(a, b, storage)
    let width = max(1, elements / max(rowCount, 1))
    let height = gates.isEmpty ? rowCount : max(1, rowCount / gates.count)
    var (isRounded, lastRow) = (true, -1)
    var guilty = Set<Int>()
    // Numbers of vectors may be what sums of larger ones left.
    let usual = shape.count < 2 ? pair.usual(elements, height) : []
    var start = 0
    while start < elements, !(isBrief && unexplained > 0) {
      let range = start..<min(start + (isBrief && start == 0 ? 1 << 8 : 1 << 16), elements)
      let (x, y) = pair.doubles(range)
      for k in x.indices where x[k] != y[k] {
        let index = start + k
        let own = max(abs(x[k]), abs(y[k]))
        let term = usual.isEmpty ? own : max(own, usual[index / height])
        let fits = pair.rounds(x[k], y[k])
        let ulps = fits ? 0 : pair.ulps(x[k], y[k], term)
        isRounded = isRounded && fits
        largestUlps = max(largestUlps, ulps)
        largestDifference = max(largestDifference, abs(x[k] - y[k]))
        let isExplained = ulps <= Structure.nearUlps
        if differing == 0 || !isExplained && unexplained == 0 {
          first = Place(index: shape.index(at: index), left: x[k], right: y[k])
        }
        differing += 1
        guard !isExplained else { continue }
        unexplained += 1
        guilty.insert(index / width / height)
        if index / width != lastRow { (rows, lastRow) = (rows + 1, index / width) }
        if isBrief { break }
      }
      start = range.upperBound
    }
    guard differing > 0 else { return nil }
    if unexplained > 0 {
      relation = .different
      self.gates = gates.indices.filter { guilty.contains($0) }.map { gates[$0] }
    } else if isRounded {
      relation = .rounded(pair.rounding)
    }
  }
}

/// Two sides' numbers of one role, and the rounding that may lie between them.
private struct NumberPair {
  private let a: Numbers?
  private let b: Numbers?
  private let isSum: Bool
  /// The narrower type: what is rounded is rounded to it.
  private let type: ElementType
  /// Of quantised sides, where a quantisation would choose them.
  private let scales: [Double]
  let rounding: ParameterDifference.Rounding

  /// Whether the narrower type is not that of both.
  private let isNarrowed: Bool

  init(_ a: Numbers?, _ b: Numbers?, _ storage: WeightStorage?) {
    (self.a, self.b) = (a, b)
    isSum = a?.isSum ?? false || b?.isSum ?? false
    var types = [a?.type, b?.type].compactMap { $0 }.filter(\.isFloat)
    if let stated = storage?.elementType { types.append(stated) }
    type = types.max { $0.unitRoundoff < $1.unitRoundoff } ?? .float32
    isNarrowed = Set(types).count > 1
    var scales = [(a, b), (b, a)].compactMap { own, other in own?.quantization.map { ($0.scale, other) } }
      .filter { scale, other in scale <= 2.04 / 127 * (other?.largest ?? 0) }.map(\.0)
    if storage == .int8, a?.shape.count ?? 0 > 1, let largest = a?.largest { scales.append(largest / 127) }
    self.scales = scales
    rounding =
      if let scale = scales.max() {
        .quantised(scale: scale)
      } else if isNarrowed {
        .narrowed(to: type.rawValue)
      } else {
        .merged
      }
  }

  func doubles(_ range: Range<Int>) -> ([Double], [Double]) {
    func numbers(_ side: Numbers?) -> [Double] {
      side?.doubles(range) ?? Array(repeating: 0, count: range.count)
    }
    return (numbers(a), numbers(b))
  }

  /// The median magnitude of each gate of a vector, on the side where it is less: one large number must not make room for
  /// the others to differ.
  func usual(_ count: Int, _ height: Int) -> [Double] {
    let (x, y) = doubles(0..<count)
    return stride(from: 0, to: count, by: height).map { start in
      let range = start..<min(start + height, count)
      return min(x[range].map(abs).sorted()[range.count / 2], y[range].map(abs).sorted()[range.count / 2])
    }
  }

  /// Whether one of two different numbers is what one rounding makes of the other.
  func rounds(_ x: Double, _ y: Double) -> Bool {
    if !scales.isEmpty {
      // Half a step, and what Float32's product of scale and integer is off by.
      return scales.contains { abs(x - y) <= 0.5 * $0 * (1 + 0x1p-20) + 0x1p-22 * max(abs(x), abs(y)) }
    }
    guard isNarrowed || isSum else { return false }
    func rounded(_ value: Double) -> Double {
      switch type {
      case .float16: Double(Float16(value))
      case .bfloat16: Double(BFloat16.float(BFloat16.bits(Float(value))))
      case .float64: value
      default: Double(Float(value))
      }
    }
    // A sum is rounded to Float32 before it is narrowed, or not.
    return rounded(x) == rounded(y) || rounded(Double(Float(x))) == y || rounded(Double(Float(y))) == x
  }

  /// How far two numbers are apart in units in the last place at the term that they came from.
  func ulps(_ x: Double, _ y: Double, _ term: Double) -> Double {
    // ∞ − ∞, and terms below the least normal number, are apart by any number of units.
    let unit =
      term.isNormal
      ? 2 * type.unitRoundoff * Double(sign: .plus, exponent: Int(term.exponent), significand: 1) : 0
    let ulps = abs(x - y) / unit
    return ulps.isNaN ? .infinity : ulps
  }
}

extension WeightStorage {
  /// The float type that weights are held in.
  fileprivate var elementType: ElementType? {
    switch self {
    case .float16: .float16
    case .bfloat16: .bfloat16
    case .int8: nil
    }
  }
}
