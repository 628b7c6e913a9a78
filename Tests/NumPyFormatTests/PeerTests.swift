import ByteIO
import Foundation
import NumPyFormat
import Tensors
import TestSupport
import Testing

/// An element type, and NumPy's code for it.
struct Code: Sendable, CustomTestStringConvertible {
  let text: String
  let type: ElementType
  var testDescription: String { text }

  static let all = [
    Code(text: "f2", type: .float16), Code(text: "f4", type: .float32), Code(text: "f8", type: .float64),
    Code(text: "i1", type: .int8), Code(text: "i2", type: .int16), Code(text: "i4", type: .int32),
    Code(text: "i8", type: .int64), Code(text: "u1", type: .uint8), Code(text: "u2", type: .uint16),
    Code(text: "u4", type: .uint32), Code(text: "u8", type: .uint64), Code(text: "b1", type: .bool),
  ]
}

/// Against NumPy itself. The script's helper makes the same random bytes for both sides.
@Suite struct PeerTests {
  let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  static let prelude = """
    import sys, itertools, numpy as np
    from numpy.lib import format
    folder, code = sys.argv[1:3]
    rng = np.random.default_rng(5)
    shapes = [(), (0,), (1,), (7,), (3, 4), (2, 0, 3), (1, 5, 1), (2, 3, 4), (2, 3, 2, 2), (100, 9)]
    def array(shape, dtype):
      dtype = np.dtype(dtype)
      n = int(np.prod(shape))
      if dtype.kind == 'b': return rng.integers(0, 2, shape).astype(dtype)
      return np.frombuffer(rng.bytes(n * dtype.itemsize), dtype).reshape(shape)
    def raw(a, name):
      with open(f'{folder}/{name}.raw', 'wb') as f:
        f.write(np.ascontiguousarray(a.astype(a.dtype.newbyteorder('<'))).tobytes())

    """

  private func open(_ name: String) throws -> ByteBuffer { try ByteBuffer.open(path: folder.path(name)) }

  private func shape(_ text: Substring) -> [Int] { text.split(separator: "x").map { Int($0)! } }

  @Test(arguments: Code.all)
  func `arrays that NumPy writes are read, in every order, byte order and version`(code: Code) throws {
    let manifest = try runPython([
      "-c",
      Self.prelude + """
        import warnings; warnings.simplefilter('ignore')
        cases = itertools.product(shapes, 'CF', '<>', [(1, 0), (2, 0), (3, 0)])
        for i, (shape, order, endian, version) in enumerate(cases):
          a = np.asarray(array(shape, endian + code), order=order)
          with open(f'{folder}/{i}.npy', 'wb') as f: format.write_array(f, a, version)
          raw(a, i)
          print(i, 'x'.join(map(str, shape)) or '-', order, endian, version[0])
        """, folder.path(""), code.text,
    ])
    let lines = manifest.split(separator: "\n")
    #expect(lines.count == 120)
    for line in lines {
      let fields = line.split(separator: " ")
      let tensor = try NumPyFormat.decodeArray(open("\(fields[0]).npy"))
      #expect(tensor.elementType == code.type, "\(line)")
      #expect(tensor.shape == shape(fields[1] == "-" ? "" : fields[1]), "\(line)")
      #expect(tensor.bytes == (try open("\(fields[0]).raw")), "\(line)")
    }
  }

  @Test(arguments: Code.all)
  func `written arrays have the bytes that NumPy writes`(code: Code) throws {
    let manifest = try runPython([
      "-c",
      Self.prelude + """
        # Lengths of the first axis with one to eleven digits, and headers around multiples of 64.
        shapes += [(10 ** k, 0) for k in range(0, 11)] + [(1,) * k for k in range(1, 65)] + [(0, 12345)]
        for i, shape in enumerate(shapes):
          a = array(shape, '<' + code)
          np.save(f'{folder}/{i}.npy', a)
          raw(a, i)
          print(i, 'x'.join(map(str, shape)) or '-')
        """, folder.path(""), code.text,
    ])
    let lines = manifest.split(separator: "\n")
    #expect(lines.count == 10 + 11 + 64 + 1)
    for line in lines {
      let fields = line.split(separator: " ")
      let tensor = try Tensor(
        code.type, shape: shape(fields[1] == "-" ? "" : fields[1]), bytes: try open("\(fields[0]).raw"))
      let written = ByteBuffer(joining: try NumPyFormat.encodeArray(tensor))
      #expect(written == (try open("\(fields[0]).npy")), "\(line)")
      #expect(try NumPyFormat.decodeArray(written) == tensor, "\(line)")
    }
  }

  @Test(arguments: ["savez", "savez_compressed"])
  func `archives that NumPy writes are read in their order`(function: String) throws {
    _ = try runPython([
      "-c",
      Self.prelude + """
        arrays = {'z': array((3, 4), '<f4'), 'a/b': array((2,), '>i8'), 'ä': np.float64(1.5),
          'fortran': np.asfortranarray(array((3, 5), '<f2')), 'arr_0.npy': array((4,), 'b1')}
        getattr(np, code)(folder + '/file.npz', **arrays)
        for i, a in enumerate(arrays.values()): raw(np.asarray(a), i)
        """, folder.path(""), function,
    ])
    let bytes = try open("file.npz")
    #expect(NumPyFormat.kind(of: bytes) == .archive)
    let arrays = try NumPyFormat.decodeArchive(bytes)
    #expect(arrays.map(\.name) == ["z", "a/b", "ä", "fortran", "arr_0.npy"])
    #expect(arrays.map(\.tensor.elementType) == [.float32, .int64, .float64, .float16, .bool])
    #expect(arrays.map(\.tensor.shape) == [[3, 4], [2], [], [3, 5], [4]])
    for (index, array) in arrays.enumerated() { #expect(array.tensor.bytes == (try open("\(index).raw"))) }
  }

  @Test(arguments: [false, true])
  func `NumPy reads the archives that we write`(compressed: Bool) throws {
    var generator = SeededGenerator(seed: 3)
    let arrays: [(name: String, tensor: Tensor)] = [
      ("weights", generator.tensor([50, 20])), ("ä/b", Tensor([1, -2, 3] as [Int64], shape: [3])),
      ("scalar", Tensor([2.5], shape: [])), ("empty", Tensor([] as [Float], shape: [0, 3])),
      ("flags", Tensor([true, false], shape: [2, 1])),
      ("half", try generator.tensor([4, 3]).converted(to: .float16).tensor),
    ]
    try AtomicFile.write(
      try NumPyFormat.encodeArchive(arrays, compressed: compressed), to: folder.path("ours.npz"))
    let report = try runPython([
      "-c",
      """
      import sys, numpy as np
      with np.load(sys.argv[1] + '/ours.npz', allow_pickle=False) as z:
        for i, name in enumerate(z.files):
          z[name].tofile(f'{sys.argv[1]}/{i}.raw')
          print(name.encode().hex(), z[name].dtype.str, z[name].shape)
      """, folder.path(""),
    ])
    #expect(
      report == """
        77656967687473 <f4 (50, 20)
        c3a42f62 <i8 (3,)
        7363616c6172 <f8 ()
        656d707479 <f4 (0, 3)
        666c616773 |b1 (2, 1)
        68616c66 <f2 (4, 3)

        """)
    for (index, array) in arrays.enumerated() { #expect(array.tensor.bytes == (try open("\(index).raw"))) }
    let ours = try NumPyFormat.decodeArchive(open("ours.npz"))
    #expect(ours.map(\.name) == arrays.map(\.name))
    #expect(ours.map(\.tensor) == arrays.map(\.tensor))
  }

  @Test func `bfloat16 as ml_dtypes saves it is read only where the caller says so`() throws {
    _ = try runPython([
      "-c",
      """
      import sys, numpy as np, ml_dtypes
      a = np.arange(6, dtype=np.float32).astype(ml_dtypes.bfloat16).reshape(2, 3)
      np.save(sys.argv[1] + '/c.npy', a)
      np.save(sys.argv[1] + '/f.npy', np.asfortranarray(a))
      np.save(sys.argv[1] + '/void.npy', a.view('V2'))
      """, folder.path(""),
    ])
    let reason = "two bytes without a meaning; bfloat16 if the reader is told so"
    for (name, descr) in [("c", "<V2"), ("f", "<V2"), ("void", "|V2")] {
      let bytes = try open("\(name).npy")
      #expect(throws: NumPyError.unsupportedType(descr: descr, reason: reason)) {
        try NumPyFormat.decodeArray(bytes)
      }
      let tensor = try NumPyFormat.decodeArray(bytes, voidIsBFloat16: true)
      #expect(tensor.elementType == .bfloat16)
      #expect(tensor.shape == [2, 3])
      #expect(tensor.doubles == [0, 1, 2, 3, 4, 5])
    }
  }

  @Test(
    arguments: [
      ("np.array([None], dtype=object)", "|O"), ("np.array([b'ab'])", "|S2"), ("np.array(['ab'])", "<U2"),
      ("np.zeros(2, 'c8')", "<c8"), ("np.zeros(2, 'c16')", "<c16"), ("np.zeros(2, 'M8[s]')", "<M8[s]"),
      ("np.zeros(2, 'm8[ns]')", "<m8[ns]"), ("np.zeros(2, 'V4')", "|V4"),
      ("np.zeros(2, 'f16')", "<f16"), ("np.zeros(2, ml_dtypes.float8_e4m3fn)", "<V1"),
      ("np.zeros(2, 'i4,f4')", "[('f0', '<i4'), ('f1', '<f4')]"),
    ])
  func `types that are not a tensor's are refused by name`(expression: String, descr: String) throws {
    _ = try runPython([
      "-c",
      "import sys, numpy as np, ml_dtypes; np.save(sys.argv[1], \(expression))", folder.path("array.npy"),
    ])
    let error = #expect(throws: NumPyError.self) {
      try NumPyFormat.decodeArray(open("array.npy"), voidIsBFloat16: true)
    }
    guard case .unsupportedType(let found, let reason) = error else {
      Issue.record("\(String(describing: error))")
      return
    }
    #expect(found.hasPrefix(descr))
    #expect(!reason.isEmpty)
  }
}
