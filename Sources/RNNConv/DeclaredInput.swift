internal import Tensors
internal import Verification

/// What a file that is not imported states of an input: enough to make one up.
struct DeclaredInput: Sendable {
  let name: String
  let elementType: ElementType
  /// Nil for what is open.
  let sizes: [Int?]

  /// Elements that a made-up input may have.
  private static let most = 1 << 22

  /// Numbers within ±1, and 0 or 1 where it takes integers: what indices, lengths and flags may be.
  ///
  /// - Parameters:
  ///   - batch: of an open first axis.
  ///   - open: of all others that are open.
  /// - Returns: nil where that would be too large.
  func made(batch: Int, open: Int, _ generator: inout SplitMix) -> Tensor? {
    var count = 1
    var shape: [Int] = []
    for (axis, size) in sizes.enumerated() {
      let number = size ?? (axis == 0 && sizes.count > 1 ? batch : open)
      let (product, overflow) = count.multipliedReportingOverflow(by: number)
      guard number >= 0, !overflow, product <= Self.most else { return nil }
      shape.append(number)
      count = product
    }
    if elementType.isFloat {
      let numbers = (0..<count).map { _ in Float.random(in: -1...1, using: &generator) }
      return try? Tensor(numbers, shape: shape).converted(to: elementType).tensor
    }
    let numbers = (0..<count).map { _ in Int64.random(in: 0...1, using: &generator) }
    if elementType == .bool { return Tensor(numbers.map { $0 != 0 }, shape: shape) }
    return try? Tensor(numbers, shape: shape).converted(to: elementType).tensor
  }

  /// What open sizes are tried, one after the other, until the graph takes some of them.
  static let tried = [3, 1, 2, 4, 5, 8, 16, 32, 64, 100, 128, 256, 512, 1_024]
}

extension ModelFile {
  /// Inputs as the file declares them, of the first two sizes that it runs with; none where it runs with no size that is tried.
  func declaredProbes(seed: UInt64) -> [Probe] {
    let declared = content.declaredInputs ?? []
    var generator = SplitMix(state: seed)
    var probes: [Probe] = []
    var shapes: Set<[[Int]]> = []
    for batch in [2, 1] where probes.isEmpty {
      for open in DeclaredInput.tried where probes.count < 2 {
        var inputs: [String: Tensor] = [:]
        for declared in declared {
          inputs[declared.name] = declared.made(batch: batch, open: open, &generator)
        }
        let made = declared.map { inputs[$0.name]?.shape ?? [] }
        guard inputs.count == declared.count, !inputs.isEmpty, shapes.insert(made).inserted,
          (try? evaluate(inputs, precision: .float64)) != nil
        else { continue }
        probes.append(Probe(name: "made up, open sizes \(open)", inputs: inputs))
      }
    }
    return probes
  }
}
