import Recurrent
import Tensors
import TestSupport
import Testing

@testable import Forward

/// Convolutions as packed products, of more channels and places than a panel is wide.
@Suite struct PackedConvolutionTests {
  private struct Case {
    let layer: Convolution
    let x: Numbers<Float>
  }

  /// A convolution over time, over axes inside the features or over both; now and then each channel by itself.
  private func random(_ generator: inout SeededGenerator) -> Case {
    let steps = Int.random(in: 1...40, using: &generator)
    let rank = Int.random(in: 1...3, using: &generator)
    let time = Bool.random(using: &generator) ? Int.random(in: 0..<rank, using: &generator) : -1
    let axes = (0..<rank).map { axis in
      let size = axis == time ? steps : Int.random(in: 1...(rank == 1 ? 70 : 14), using: &generator)
      var window = WindowAxis(
        size: axis == time ? nil : size, kernel: Int.random(in: 1...5, using: &generator),
        stride: Int.random(in: 1...2, using: &generator),
        dilation: Int.random(in: 1...2, using: &generator))
      window.before = Int.random(in: 0..<window.kernel, using: &generator)
      window.after = Int.random(in: 0..<window.kernel, using: &generator)
      while window.places(of: size) == 0 { window.kernel -= 1 }
      return window
    }
    let groups = [1, 1, 2, 20].randomElement(using: &generator)!
    let channels = groups * Int.random(in: 1...(groups == 20 ? 1 : 9), using: &generator)
    let outputs = groups * Int.random(in: 1...(groups == 20 ? 2 : 20), using: &generator)
    func numbers(_ count: Int) -> [Float] {
      (0..<count).map { _ in Float.random(in: -1...1, using: &generator) }
    }
    let weight = [outputs, channels / groups] + axes.map(\.kernel)
    let layer = Convolution(
      weight: Tensor(numbers(weight.reduce(1, *)), shape: weight),
      bias: Bool.random(using: &generator) ? Tensor(numbers(outputs), shape: [outputs]) : nil, axes: axes,
      groups: groups)
    let (batch, features) = (Int.random(in: 1...5, using: &generator), channels * axes.places)
    let isSequence = time >= 0 || Bool.random(using: &generator)
    return Case(
      layer: layer,
      x: Numbers(
        steps: isSequence ? steps : nil, batch: batch, features: features,
        elements: numbers((isSequence ? steps : 1) * batch * features)))
  }

  @Test func `Packed products are the sums of gathered windows`() {
    var generator = SeededGenerator(seed: 11)
    for index in 0..<120 {
      let drawn = random(&generator)
      let packed = PackedConvolution<Float>(drawn.layer, Execution(threads: 1)).run(drawn.x)
      let x = Numbers<Double>(
        steps: drawn.x.steps, batch: drawn.x.batch, features: drawn.x.features,
        elements: drawn.x.elements.map(Double.init))
      let gathered = ConvolutionPass<Double>(drawn.layer, Execution(threads: 1)).run(x)
      #expect(packed.steps == gathered.steps && packed.features == gathered.features, "case \(index)")
      let furthest = zip(packed.elements, gathered.elements).reduce(0) { max($0, abs(Double($1.0) - $1.1)) }
      #expect(packed.elements.count == gathered.elements.count && furthest < 1e-4, "case \(index)")
    }
  }

  @Test func `Threads, instructions and the other rows of a batch change no bit`() {
    var generator = SeededGenerator(seed: 12)
    for index in 0..<60 {
      let drawn = random(&generator)
      let x = drawn.x
      let whole = PackedConvolution<Float>(drawn.layer, Execution(threads: 1)).run(x)
      for instructions in InstructionSet.available {
        let other = PackedConvolution<Float>(
          drawn.layer, Execution(threads: 3, instructions: instructions)
        ).run(x)
        #expect(other.elements == whole.elements, "case \(index), \(instructions)")
      }
      // The last row alone.
      let row = x.batch - 1
      func last(_ numbers: Numbers<Float>) -> [Float] {
        (0..<(numbers.steps ?? 1)).flatMap { step in
          let first = (step * x.batch + row) * numbers.features
          return numbers.elements[first..<(first + numbers.features)]
        }
      }
      let alone = PackedConvolution<Float>(drawn.layer, Execution(threads: 1)).run(
        Numbers(steps: x.steps, batch: 1, features: x.features, elements: last(x)))
      #expect(alone.elements == last(whole), "case \(index)")
    }
  }
}
