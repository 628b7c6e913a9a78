import ByteIO
import Tensors
import TestSupport
import Testing

/// One conversion, and how NumPy (with ml_dtypes) does it.
struct Conversion: Sendable, CustomTestStringConvertible {
  let from: ElementType
  let to: ElementType
  var testDescription: String { "\(from.rawValue) to \(to.rawValue)" }

  static func name(_ type: ElementType) -> String {
    switch type {
    case .float64: "float64"
    case .float32: "float32"
    case .float16: "float16"
    case .bfloat16: "bfloat16"
    case .int64: "int64"
    case .int32: "int32"
    case .int16: "int16"
    case .int8: "int8"
    case .uint64: "uint64"
    case .uint32: "uint32"
    case .uint16: "uint16"
    case .uint8: "uint8"
    case .bool: "bool"
    }
  }

  /// Those that NumPy rounds once. (ml_dtypes goes from Float64 and Int64 to bfloat16 by way of Float32.)
  static let roundedOnceByNumPy = ElementType.allCases.flatMap { from in
    [ElementType.float64, .float32, .float16, .bfloat16].compactMap { to in
      let twice = to == .bfloat16 && [.float64, .int64, .uint64, .int32, .uint32].contains(from)
      return from == to || twice ? nil : Conversion(from: from, to: to)
    }
  }
}

@Suite struct ConversionTests {
  /// Every 16-bit pattern, or random patterns and the neighbours of halfway cases.
  private func patterns(_ type: ElementType) -> Tensor {
    var generator = SeededGenerator(seed: 7)
    var writer = ByteWriter()
    var count = 0
    func add(_ value: some FileInteger) {
      writer.appendLittleEndian(value)
      count += 1
    }
    switch type.size {
    case 1: for bits in 0...(type == .bool ? 1 : UInt8.max) { add(bits) }
    case 2: for bits in 0...UInt16.max { add(bits) }
    case 4:
      for _ in 0..<10_000 { add(generator.next() as UInt32) }
      for _ in 0..<5_000 {
        // Halfway between two bfloat16, or two float16, and the neighbours.
        let tie = (generator.next() as UInt32) & 0xFFFF_0000 | 0x8000
        let half = (generator.next() as UInt32) & 0xFFFF_E000 | 0x1000
        for bits in [tie &- 1, tie, tie &+ 1, half &- 1, half, half &+ 1] { add(bits) }
      }
    default:
      for _ in 0..<10_000 { add(generator.next() as UInt64) }
      for _ in 0..<10_000 {
        // Within the range of the narrow types, with few or many bits below the last kept one.
        let value = Double(Float.random(in: -70_000...70_000, using: &generator))
        let tiny = Double.random(in: -1e-6...1e-6, using: &generator)
        for number in [value, value.nextUp, value.nextDown, value * 0x1p-30, tiny] {
          add(type.isFloat ? number.bitPattern : UInt64(bitPattern: Int64(value)) &<< 20 &+ 1)
        }
      }
    }
    return try! Tensor(type, shape: [count], bytes: ByteBuffer(writer.bytes))
  }

  @Test(arguments: Conversion.roundedOnceByNumPy)
  func `conversion to floats rounds as NumPy does`(conversion: Conversion) throws {
    let folder = try TemporaryFolder()
    let source = patterns(conversion.from)
    let input = try folder.write(source.bytes.array, to: "input")
    _ = try runPython([
      "-c",
      """
      import sys, numpy as np, ml_dtypes
      source, target = (np.dtype(getattr(ml_dtypes, n) if n == 'bfloat16' else n) for n in sys.argv[3:5])
      with np.errstate(all='ignore'):
        np.fromfile(sys.argv[1], source).astype(target).tofile(sys.argv[2])
      """, input, folder.path("output"), Conversion.name(conversion.from), Conversion.name(conversion.to),
    ])
    let expected = try Tensor(
      conversion.to, shape: source.shape, bytes: try ByteBuffer.open(path: folder.path("output")))
    let (result, rounded) = try source.converted(to: conversion.to)
    #expect(result.elementType == conversion.to)
    var changed = 0
    let (original, ours, theirs) = (source.doubles, result.doubles, expected.doubles)
    for index in original.indices {
      let same =
        ours[index].bitPattern == theirs[index].bitPattern || ours[index].isNaN && theirs[index].isNaN
      guard same else {
        Issue.record("element \(index), \(original[index]): \(ours[index]), NumPy \(theirs[index])")
        return
      }
      if ours[index] != original[index] && !ours[index].isNaN { changed += 1 }
    }
    if conversion.from.isFloat { #expect(rounded == changed) }
    if conversion.to == .float32 {
      #expect(zip(source.floats, result.floats).allSatisfy { $0 == $1 || $0.isNaN && $1.isNaN })
    }
  }

  @Test func `bfloat16 is rounded once from wider types`() throws {
    // The excess over the halfway point is below Float32's last bit.
    let above = Tensor(
      [1 + 0x1p-8 + 0x1p-40, -1 - 0x1p-8 - 0x1p-40, 1 + 0x1p-8, 1 + 0x1p-7 + 0x1p-8], shape: [4])
    #expect(try above.converted(to: .bfloat16).tensor.doubles == [1 + 0x1p-7, -1 - 0x1p-7, 1, 1 + 0x1p-6])
    let wide = Tensor(
      [1 << 40 + 1 << 32 + 1, 1 << 40 + 1 << 32, 1 << 60 + 1 << 52 + 1] as [Int64], shape: [3])
    let narrow = try wide.converted(to: .bfloat16)
    #expect(narrow.tensor.doubles == [0x1p40 + 0x1p33, 0x1p40, 0x1p60 + 0x1p53])
    #expect(narrow.roundedElements == 3)
    #expect(
      try Tensor([Double.greatestFiniteMagnitude, .infinity, .leastNonzeroMagnitude], shape: [3])
        .converted(to: .bfloat16).tensor.doubles == [.infinity, .infinity, 0])
    let nan = try Tensor([Float.nan, -Float.nan, Float(bitPattern: 0x7F80_0001)], shape: [3])
      .converted(to: .bfloat16).tensor
    #expect(nan.doubles.allSatisfy { $0.isNaN })
  }

  @Test func `integers over 53 bits are rounded once and counted`() throws {
    let wide = Tensor([1 << 53 + 1, 1 << 53, .max, .min, -1] as [Int64], shape: [5])
    let (double, rounded) = try wide.converted(to: .float64)
    #expect(double.doubles == [0x1p53, 0x1p53, 0x1p63, -0x1p63, -1])
    #expect(rounded == 2)
    // By way of Float64 this would be a tie, and round down.
    let tie = Tensor([1 << 60 + 1 << 36 + 1] as [Int64], shape: [1])
    #expect(tie.floats == [0x1p60 + 0x1p37])
    #expect(try tie.converted(to: .float32).tensor.floats == [0x1p60 + 0x1p37])
  }

  @Test func `unsigned integers over Int64 keep their value or are refused`() throws {
    let bytes = ByteBuffer([UInt8](repeating: 0xFF, count: 8))
    let tensor = try Tensor(.uint64, shape: [1], bytes: bytes)
    #expect(tensor.doubles == [0x1p64])
    #expect(tensor.floats == [0x1p64])
    #expect(throws: TensorError.notConvertible(from: .uint64, to: .int64)) { try tensor.integers() }
    #expect(throws: TensorError.notConvertible(from: .uint64, to: .int32)) {
      try tensor.converted(to: .int32)
    }
    #expect(try tensor.converted(to: .float64).roundedElements == 1)
  }

  @Test func `integers that fit are converted exactly, others are errors`() throws {
    let small = Tensor([0, 1, 127] as [Int64], shape: [3])
    for target in ElementType.allCases where !target.isFloat && target != .bool {
      let (tensor, rounded) = try small.converted(to: target)
      #expect(try tensor.integers() == [0, 1, 127])
      #expect(rounded == 0)
    }
    for (value, target) in [
      (128, ElementType.int8), (-129, .int8), (256, .uint8), (-1, .uint8), (32_768, .int16), (-1, .uint64),
      (1 << 31, .int32), (1 << 32, .uint32), (2, .bool), (-1, .bool),
    ] as [(Int64, ElementType)] {
      #expect(throws: TensorError.notConvertible(from: .int64, to: target)) {
        try Tensor([value], shape: [1]).converted(to: target)
      }
    }
    #expect(
      try Tensor([0, 1] as [Int32], shape: [2]).converted(to: .bool).tensor
        == Tensor([false, true], shape: [2]))
    #expect(throws: TensorError.notConvertible(from: .float32, to: .int32)) {
      try Tensor([1] as [Float], shape: [1]).converted(to: .int32)
    }
    #expect(throws: TensorError.notIntegers(.float32)) { try Tensor([1] as [Float], shape: [1]).integers() }
  }

  @Test func `quantised elements are scaled in floats and stay quantised in integers`() throws {
    let quantization = Tensor.Quantization(scale: 0.5, zeroPoint: 3)
    let tensor = try Tensor(
      .int8, shape: [3], bytes: ByteBuffer([3, 5, 0xFF]), quantization: quantization)
    #expect(tensor.doubles == [0, 1, -2])
    #expect(tensor.floats == [0, 1, -2])
    #expect(
      try tensor.converted(to: .float16).tensor
        == Tensor([0, 1, -2] as [Float], shape: [3])
        .converted(to: .float16).tensor)
    let wide = try tensor.converted(to: .int32).tensor
    #expect(wide.quantization == quantization)
    #expect(wide.doubles == tensor.doubles)
  }
}
