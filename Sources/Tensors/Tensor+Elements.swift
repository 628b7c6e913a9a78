internal import ByteIO

/// Some elements at a time, as numbers to compute with: nobody need hold all of a large weight.
extension Tensor {
  /// Writes some elements as `doubles` gives them; the caller has room for as many.
  package func copy(_ elements: Range<Int>, to target: UnsafeMutablePointer<Double>) {
    forEachRun(of: elements) { run, start, first in
      let (target, count) = (target + first, run.count / elementType.size)
      switch elementType {
      case .float64: convert(start, count, to: target) { (x: Double) in x }
      case .float32: convert(start, count, to: target) { (x: Float) in Double(x) }
      case .float16: convert(start, count, to: target) { (x: Float16) in Double(x) }
      case .bfloat16: convert(start, count, to: target) { (x: UInt16) in Double(BFloat16.float(x)) }
      default: target.update(from: tensor(of: run).mappedDoubles, count: count)
      }
    }
  }

  /// Writes some elements as `floats` gives them; the caller has room for as many.
  package func copy(_ elements: Range<Int>, to target: UnsafeMutablePointer<Float>) {
    forEachRun(of: elements) { run, start, first in
      let (target, count) = (target + first, run.count / elementType.size)
      switch elementType {
      case .float64: convert(start, count, to: target) { (x: Double) in Float(x) }
      case .float32: convert(start, count, to: target) { (x: Float) in x }
      case .float16: convert(start, count, to: target) { (x: Float16) in Float(x) }
      case .bfloat16: convert(start, count, to: target) { (x: UInt16) in BFloat16.float(x) }
      default: target.update(from: tensor(of: run).mappedFloats, count: count)
      }
    }
  }

  /// Lets the pages of some elements go where the tensor is large: see `ByteBuffer.releasePages`.
  package func releasePages(_ elements: Range<Int>) {
    if bytes.isLarge { window(elements).releasePages() }
  }

  private func window(_ elements: Range<Int>) -> ByteBuffer {
    precondition(elements.lowerBound >= 0 && elements.upperBound <= count, "elements outside the tensor")
    let size = elementType.size
    return bytes.slice(offset: elements.lowerBound * size, count: elements.count * size)!
  }

  /// Calls with runs of elements whose bytes lie together: a window onto them, where it begins, and which of `elements`
  /// is its first. Nothing is joined for this.
  private func forEachRun(of elements: Range<Int>, _ body: (ByteBuffer, UnsafeRawPointer, Int) -> Void) {
    let (window, size) = (window(elements), elementType.size)
    if elements.isEmpty { return }
    if window.isOne { return window.withUnsafeBytes { body(window, $0.baseAddress!, 0) } }
    let chunks = window.chunks
    // Chunks that cut an element in two are read as one.
    let areWhole = chunks.allSatisfy { $0.count % size == 0 }
    var first = 0
    for chunk in areWhole ? chunks : [window] {
      chunk.withUnsafeBytes { body(chunk, $0.baseAddress!, first) }
      first += chunk.count / size
    }
  }

  /// The elements of a run as a tensor of one axis.
  private func tensor(of run: ByteBuffer) -> Tensor {
    // As many bytes as elements take.
    try! Tensor(elementType, shape: [run.count / elementType.size], bytes: run, quantization: quantization)
  }
}

/// A loop that the compiler makes vectors of: through buffers each load would be checked. The caller has `count` elements
/// behind both pointers.
@inline(__always)
private func convert<Raw: BitwiseCopyable, Number>(
  _ source: UnsafeRawPointer, _ count: Int, to target: UnsafeMutablePointer<Number>,
  _ body: (Raw) -> Number
) {
  for index in 0..<count {
    target[index] = body(
      source.loadUnaligned(fromByteOffset: MemoryLayout<Raw>.size * index, as: Raw.self))
  }
}
