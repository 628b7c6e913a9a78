import ByteIO
import Testing

/// A pickle with one fault, and a word that the refusal must hold.
struct HostilePickle: Sendable, CustomTestStringConvertible {
  let name: String
  let bytes: [UInt8]
  let word: String

  var testDescription: String { name }

  init(_ name: String, _ pickle: Pickle, _ word: String) {
    self.name = name
    bytes = pickle.stopped
    self.word = word
  }

  /// Calls of everything that has been used to run something from a pickle.
  static let calls: [HostilePickle] = [
    ("os", "system"), ("posix", "system"), ("nt", "system"), ("os", "popen"), ("os", "execvp"),
    ("subprocess", "Popen"), ("subprocess", "check_output"), ("builtins", "eval"), ("__builtin__", "eval"),
    ("builtins", "exec"), ("__builtin__", "execfile"), ("builtins", "compile"), ("builtins", "getattr"),
    ("__builtin__", "apply"), ("builtins", "__import__"), ("builtins", "open"), ("builtins", "breakpoint"),
    ("builtins", "map"), ("sys", "exit"), ("sys", "modules"), ("importlib", "import_module"),
    ("imp", "load_source"),
    ("runpy", "_run_code"), ("runpy", "run_path"), ("pickle", "loads"), ("_pickle", "loads"),
    ("cPickle", "loads"),
    ("marshal", "loads"), ("dill", "loads"), ("cloudpickle", "loads"), ("joblib", "load"),
    ("code", "interact"),
    ("pty", "spawn"), ("shutil", "rmtree"), ("socket", "socket"), ("ctypes", "CDLL"), ("webbrowser", "open"),
    ("operator", "attrgetter"), ("_operator", "methodcaller"), ("functools", "partial"),
    ("functools", "reduce"),
    ("types", "FunctionType"), ("types", "CodeType"), ("timeit", "timeit"), ("pdb", "run"), ("bdb", "Bdb"),
    ("profile", "run"), ("cProfile", "run"), ("trace", "Trace"), ("pip", "main"), ("tempfile", "mkstemp"),
    ("io", "open"), ("_io", "FileIO"), ("codecs", "decode"), ("_codecs", "lookup"),
    ("http.client", "HTTPConnection"),
    ("urllib.request", "urlopen"), ("requests", "get"), ("commands", "getoutput"), ("popen2", "popen2"),
    ("asyncio", "run"), ("multiprocessing", "Process"), ("threading", "Thread"), ("atexit", "register"),
    ("signal", "raise_signal"), ("copyreg", "add_extension"), ("copy_reg", "constructor"),
    ("platform", "popen"),
    ("torch", "load"), ("torch.hub", "load"), ("torch.jit", "load"), ("torch.storage", "_load_from_bytes"),
    ("torch.serialization", "load"), ("torch._dynamo.guards", "GuardBuilder.get"), ("numpy", "load"),
    ("numpy.testing._private.utils", "runstring"), ("pandas", "read_pickle"), ("my_module", "run"),
    ("collections", "OrderedDict.update"), ("torch.nn", "os.system"), ("torch", "__class__"),
  ].map { module, name in
    let full = ["__builtin__": "builtins", "copy_reg": "copyreg"][module, default: module] + "." + name
    return HostilePickle(
      "call of \(module) \(name)", Pickle().call(module, name) { $0.text("touch hostile-was-run") }, full)
  }

  /// Other ways to reach a function.
  static let ways: [HostilePickle] = [
    HostilePickle(
      "a dunder of TorchScript's", Pickle().global("__torch__.a.__globals__", "M"), "__globals__"),
    HostilePickle(
      "a mangled name elsewhere", Pickle().global("torch.___torch_mangle_1", "M"), "___torch_mangle_1"),
    HostilePickle("STACK_GLOBAL", Pickle(protocol: 4).text("os").text("system").raw([0x93]), "os.system"),
    HostilePickle("INST", Pickle().op("(").text("x").raw(Array("ios\nsystem\n".utf8)), "os.system"),
    HostilePickle("OBJ", Pickle().op("(").global("posix", "system").text("x").op("o"), "posix.system"),
    HostilePickle(
      "NEWOBJ", Pickle().global("subprocess", "Popen").tuple { $0.text("x") }.raw([0x81]), "subprocess.Popen"),
    HostilePickle("named and not called", Pickle().global("os", "system"), "os.system"),
    HostilePickle(
      "dotted name", Pickle(protocol: 4).text("torch").text("os.system").raw([0x93]), "torch.os.system"),
    HostilePickle(
      "dunder", Pickle(protocol: 4).text("torch.nn").text("Module.__init__.__globals__").raw([0x93]),
      "__globals__"),
    HostilePickle(
      "inside a tensor's arguments",
      Pickle().call("torch._utils", "_rebuild_tensor_v2") { $0.call("os", "system") { $0.text("x") } },
      "os.system"),
    HostilePickle(
      "through _rebuild_from_type_v2",
      Pickle().call("torch._tensor", "_rebuild_from_type_v2") {
        $0.global("my", "run").global("my", "Kind").tuple { $0.text("x") }.op("N")
      }, "my.run"),
    HostilePickle(
      "_rebuild_from_type_v2 through itself",
      Pickle().call("torch._tensor", "_rebuild_from_type_v2") {
        $0.global("torch._tensor", "_rebuild_from_type_v2").op("N").tuple { $0 }.op("N")
      }, "through itself"),
    HostilePickle(
      "a reconstructed class", Pickle().call("copy_reg", "_reconstructor") { $0.global("os", "PathLike") },
      "os.PathLike"),
    HostilePickle("EXT1", Pickle().raw([0x82, 1]), "EXT"),
    HostilePickle("EXT4", Pickle().raw([0x84, 1, 0, 0, 0]), "EXT"),
    HostilePickle("NEXT_BUFFER", Pickle(protocol: 5).raw([0x97]), "out-of-band"),
    HostilePickle("call of a string", Pickle().text("os.system").tuple { $0 }.op("R"), "a string is called"),
    HostilePickle(
      "call without a tuple", Pickle().global("collections", "OrderedDict").op("]").op("R"),
      "not with a tuple"),
    HostilePickle(
      "_codecs.encode of another codec",
      Pickle().call("_codecs", "encode") { $0.text("x").text("rot13") }, "latin1"),
  ]

  /// Pickles that no pickler writes.
  static let broken: [HostilePickle] = [
    HostilePickle("nothing", Pickle(), "not there"),
    HostilePickle("protocol 9", Pickle(protocol: 9), "protocol 9"),
    HostilePickle("no opcode", Pickle().raw([0xFF]), "no opcode"),
    HostilePickle("APPEND to nothing", Pickle().op("N").op("a"), "not there"),
    HostilePickle("TUPLE without a mark", Pickle().op("N").op("t"), "no mark"),
    HostilePickle("a pop through a mark", Pickle().op("N").op("(").op("0").op("0"), "not there"),
    HostilePickle(
      "SETITEM on a list", Pickle().op("]").text("a").op("N").op("s"), "a list, which is no dictionary"),
    HostilePickle(
      "SETITEM on a tuple", Pickle().op(")").text("a").op("N").op("s"), "a tuple, which is no dictionary"),
    HostilePickle(
      "SETITEM on a number", Pickle().int(1).text("a").op("N").op("s"), "an integer, which is no"),
    HostilePickle(
      "SETITEMS on a tensor", Pickle().tensor().op("(").text("a").op("N").op("u"), "a tensor, which is no"),
    HostilePickle("a key without a value", Pickle().op("}").op("(").text("a").op("u"), "no value"),
    HostilePickle("a list as a key", Pickle().op("}").op("]").op("N").op("s"), "no key"),
    HostilePickle("APPEND to a dictionary", Pickle().op("}").op("N").op("a"), "appended to a dictionary"),
    HostilePickle("an unknown memo index", Pickle().get(7), "memo"),
    HostilePickle("a string beyond the end", Pickle().raw([0x58, 0xFF, 0xFF, 0xFF, 0x7F]), "too early"),
    HostilePickle(
      "a string of 2⁶⁴ − 1 bytes", Pickle(protocol: 4).raw([0x8D] + Array(repeating: 0xFF, count: 8)),
      "beyond the end"),
    HostilePickle(
      "bytes of 2⁶³ − 1", Pickle(protocol: 4).raw([0x8E] + Array(repeating: 0xFF, count: 7) + [0x7F]),
      "too early"),
    HostilePickle("an integer of negative length", Pickle().raw([0x8B, 0xFF, 0xFF, 0xFF, 0xFF]), "negative"),
    HostilePickle("a string of negative length", Pickle().raw([0x54, 0xFF, 0xFF, 0xFF, 0xFF]), "negative"),
    HostilePickle("a string that is not UTF-8", Pickle().raw([0x58, 1, 0, 0, 0, 0xFF]), "UTF-8"),
    HostilePickle("a number that is none", Pickle().raw(Array("Iabc\n".utf8)), "not an integer"),
    HostilePickle("a float that is none", Pickle().raw(Array("Fabc\n".utf8)), "not a number"),
    HostilePickle("a line without an end", Pickle().raw(Array("Iabc".utf8)), "no end"),
    HostilePickle("a string without quotes", Pickle().raw(Array("Sabc\n".utf8)), "quotes"),
    HostilePickle("a negative memo index", Pickle().op("N").raw(Array("p-1\n".utf8)), "memo index"),
    HostilePickle("values left over", Pickle().op("N").op("N"), "left over"),
    HostilePickle("a state for a number", Pickle().int(1).op("N").op("b"), "state"),
    HostilePickle(
      "a dictionary of a number", Pickle().call("collections", "OrderedDict") { $0.int(3) }, "called with"),
    HostilePickle(
      "a parameter of a string", Pickle().call("torch._utils", "_rebuild_parameter") { $0.text("x") },
      "not with a tensor"),
  ]

  /// Tensors that do not lie in their storages.
  static let tensors: [HostilePickle] = [
    HostilePickle("a persistent id that is a string", Pickle().text("storage").op("Q"), "not a tuple"),
    HostilePickle(
      "a persistent id of another kind", Pickle().tuple { $0.text("file").text("/etc/passwd") }.op("Q"),
      "'file'"),
    HostilePickle("a text persistent id", Pickle().raw(Array("Pstorage\n".utf8)), "not a tuple"),
    HostilePickle(
      "an unknown storage", Pickle().item("w") { $0.tensor(type: "SecretStorage") }, "SecretStorage"),
    HostilePickle(
      "a storage of os", Pickle().tuple { $0.text("storage").global("os", "FloatStorage") }, "os.FloatStorage"
    ),
    HostilePickle("a storage of −1 elements", Pickle().item("w") { $0.tensor(elements: -1) }, "-1 elements"),
    HostilePickle("a storage said to be longer", Pickle().item("w") { $0.tensor(elements: 5) }, "5 elements"),
    HostilePickle(
      "a storage said to be shorter", Pickle().item("w") { $0.tensor(elements: 3, shape: [3]) }, "3 elements"),
    HostilePickle(
      "a storage of 2⁶² elements", Pickle().item("w") { $0.tensor(elements: 1 << 62) }, "too many"),
    HostilePickle("a storage that is not there", Pickle().item("w") { $0.tensor(key: "7") }, "data/7"),
    HostilePickle(
      "a storage outside the folder", Pickle().item("w") { $0.tensor(key: "../../../etc/passwd") }, "passwd"),
    HostilePickle(
      "a storage by an absolute path", Pickle().item("w") { $0.tensor(key: "/etc/passwd") }, "passwd"),
    HostilePickle(
      "an offset beyond the end", Pickle().item("w") { $0.tensor(offset: 1) }, "reach to element 4"),
    HostilePickle("an offset far beyond", Pickle().item("w") { $0.tensor(offset: .max) }, "too large"),
    HostilePickle("a negative offset", Pickle().item("w") { $0.tensor(offset: -1) }, "no tensor"),
    HostilePickle(
      "a shape beyond the end", Pickle().item("w") { $0.tensor(shape: [5]) }, "reach to element 4"),
    HostilePickle("a negative size", Pickle().item("w") { $0.tensor(shape: [-4]) }, "no tensor"),
    HostilePickle(
      "a negative stride", Pickle().item("w") { $0.tensor(offset: 3, strides: [-1]) }, "no tensor"),
    HostilePickle(
      "a stride beyond the end", Pickle().item("w") { $0.tensor(shape: [2], strides: [4]) }, "element 4"),
    HostilePickle(
      "strides that overflow", Pickle().item("w") { $0.tensor(shape: [3], strides: [1 << 62]) }, "too large"),
    HostilePickle(
      "sizes that overflow", Pickle().item("w") { $0.tensor(shape: [1 << 40, 1 << 40], strides: [0, 0]) },
      "too large"),
    HostilePickle(
      "sizes that overflow beside a zero",
      Pickle().item("w") { $0.tensor(shape: [0, 1 << 40, 1 << 40], strides: [1, 1, 1]) }, "too large"),
    HostilePickle(
      "four elements repeated to 2⁴⁰", Pickle().item("w") { $0.tensor(shape: [1 << 40], strides: [0]) },
      "repeat"),
    HostilePickle(
      "more strides than sizes", Pickle().item("w") { $0.tensor(shape: [4], strides: [1, 1]) }, "no tensor"),
    HostilePickle(
      "65 axes",
      Pickle().item("w") {
        $0.tensor(shape: .init(repeating: 1, count: 65), strides: .init(repeating: 1, count: 65))
      },
      "no tensor"),
    HostilePickle(
      "a tensor of a dictionary",
      Pickle().call("torch._utils", "_rebuild_tensor_v2") {
        $0.op("}").int(0).op(")").op(")").raw([0x89]).op("N")
      }, "not with a storage"),
    HostilePickle(
      "a tensor of too few arguments", Pickle().call("torch._utils", "_rebuild_tensor_v2") { $0.int(1) },
      "1 arguments"),
    HostilePickle("no tensors", Pickle().op("}"), "without tensors"),
    HostilePickle(
      "bytes that are no stream", Pickle().call("torch.storage", "_load_from_bytes") { $0.bytes([1, 2, 3]) },
      "stream of the old kind"),
    HostilePickle(
      "a call inside a storage's bytes",
      Pickle().call("torch.storage", "_load_from_bytes") {
        $0.bytes(
          legacyStream(Pickle().call("os", "system") { $0.text("touch hostile-was-run") }.stopped).array)
      }, "os.system"),
    HostilePickle(
      "a storage's bytes inside a storage's bytes",
      Pickle().call("torch.storage", "_load_from_bytes") {
        $0.bytes(
          legacyStream(Pickle().call("torch.storage", "_load_from_bytes") { $0.bytes([1]) }.stopped).array)
      }, "inside what it is called with"),
    HostilePickle(
      "a dictionary in a storage's bytes",
      Pickle().call("torch.storage", "_load_from_bytes") {
        $0.bytes(legacyStream(Pickle().item("w") { $0.tensor() }.stopped).array)
      }, "a dictionary, not a storage"),
    HostilePickle(
      "packed weights under no name of theirs", Pickle().item("x") { $0.packedLayer }, "no quantised"),
    HostilePickle(
      "a packed layer that is missing", Pickle().item("x._all_weight_values.1.param") { $0.packedLayer },
      "not all there"),
    HostilePickle(
      "two packed layers, or two directions",
      Pickle().item("x._all_weight_values.0.param") { $0.packedLayer }.text("x._all_weight_values.1.param")
        .packedLayer.op("s"), "one in both directions"),
    HostilePickle("a number", Pickle().int(1), "an integer without tensors"),
  ]

  static let all = calls + ways + broken + tensors
}
