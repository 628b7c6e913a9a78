/// What a pickle may name, as data: <https://docs.pytorch.org/docs/stable/notes/serialization.html> lists what
/// `weights_only` allows; ours is that list as far as data goes.
///
/// Nothing is ever imported or called. A name is a label; calling is done by the few cases of `Rebuild`.
enum PickleGlobals {
  /// How a call is answered.
  enum Rebuild {
    case dictionary
    case list
    case tuple
    case set
    case first
    case tensor
    case tensorV2
    case tensorV3
    case parameter
    case quantised
    case subclass
    case encodedBytes
    case reconstructor
    case storageBytes
    /// A member of a class, by its name.
    case member
    /// The call is kept as an object that says what it was called with.
    case inert
  }

  static let calls: [String: Rebuild] = {
    var calls: [String: Rebuild] = [
      "collections.OrderedDict": .dictionary, "collections.defaultdict": .dictionary,
      "collections.Counter": .dictionary, "builtins.dict": .dictionary, "builtins.list": .list,
      "builtins.tuple": .tuple, "builtins.set": .set, "builtins.frozenset": .set, "torch.Size": .tuple,
      "torch._utils._rebuild_tensor": .tensor, "torch._utils._rebuild_tensor_v2": .tensorV2,
      "torch._utils._rebuild_tensor_v3": .tensorV3, "torch._utils._rebuild_parameter": .parameter,
      "torch._utils._rebuild_parameter_with_state": .parameter,
      "torch.nn.parameter.Parameter": .parameter, "torch._utils._rebuild_qtensor": .quantised,
      "torch._tensor._rebuild_from_type_v2": .subclass, "_codecs.encode": .encodedBytes,
      "copyreg._reconstructor": .reconstructor,
      "builtins.getattr": .member,
      "torch.storage._load_from_bytes": .storageBytes, "torch.jit._pickle.build_intlist": .first,
      "torch.jit._pickle.build_boollist": .first, "torch.jit._pickle.build_doublelist": .first,
      "torch.jit._pickle.build_tensorlist": .first, "torch.jit._pickle.restore_type_tag": .first,
    ]
    for name in [
      "builtins.bytearray", "builtins.complex", "builtins.slice", "builtins.range", "builtins.object",
      "torch.device", "numpy.dtype", "numpy.core.multiarray._reconstruct",
      "numpy._core.multiarray._reconstruct", "numpy.core.multiarray.scalar",
      "numpy._core.multiarray.scalar", "numpy.core.numeric._frombuffer",
      "numpy._core.numeric._frombuffer", "pathlib.Path", "pathlib.PosixPath", "pathlib.WindowsPath",
      "pathlib.PurePosixPath", "pathlib.PureWindowsPath", "pathlib._local.PosixPath", "datetime.datetime",
      "datetime.date", "datetime.time", "datetime.timedelta", "datetime.timezone", "uuid.UUID",
      "decimal.Decimal", "fractions.Fraction",
    ] { calls[name] = .inert }
    return calls
  }()

  /// Of `builtins`, these are types of data; everything else there is refused.
  private static let builtinTypes: Set<String> = [
    "object", "dict", "list", "tuple", "set", "frozenset", "int", "float", "bool", "str", "bytes",
    "bytearray",
    "complex", "slice", "range", "long", "unicode", "NoneType", "Ellipsis", "NotImplemented",
  ]

  /// Modules that data never needs. A class of any other module becomes an inert object, so that whole pickled modules
  /// can be read; these are refused as soon as they are named.
  private static let forbiddenModules: Set<String> = [
    "os", "posix", "nt", "posixpath", "ntpath", "sys", "subprocess", "popen2", "commands", "shutil", "runpy",
    "importlib", "imp", "ctypes", "cffi", "socket", "socketserver", "ssl", "http", "urllib", "urllib2",
    "urllib3",
    "requests", "httpx", "aiohttp", "ftplib", "smtplib", "telnetlib", "poplib", "imaplib", "nntplib",
    "xmlrpc",
    "webbrowser", "pickle", "cPickle", "_pickle", "dill", "cloudpickle", "joblib", "marshal", "shelve",
    "code",
    "codeop", "codecs", "pty", "pip", "setuptools", "distutils", "site", "sysconfig", "pdb", "bdb", "trace",
    "timeit", "profile", "cProfile", "doctest", "unittest", "types", "inspect", "ast", "dis", "functools",
    "operator", "_operator", "itertools", "threading", "_thread", "multiprocessing", "concurrent", "asyncio",
    "signal", "resource", "gc", "tempfile", "glob", "fileinput", "io", "_io", "zipfile", "tarfile",
    "zipimport",
    "pkgutil", "pkg_resources", "linecache", "sqlite3", "mmap", "fcntl", "atexit", "logging", "venv",
    "ensurepip",
    "idlelib", "lib2to3", "antigravity", "weakref", "builtins", "platform", "readline", "rlcompleter",
    "select", "selectors", "traceback", "warnings", "wsgiref", "winreg", "msvcrt", "_winapi", "_codecs",
    "copyreg",
  ]

  /// Python 2's names of modules.
  private static let renamed = [
    "__builtin__": "builtins", "__builtins__": "builtins", "copy_reg": "copyreg", "exceptions": "builtins",
    "UserDict": "collections",
  ]

  /// Whether a name is that of a class, by the custom that classes are written in capitals (PEP 8): calling one makes an
  /// object, such as a member of an Enum, while a function may do anything.
  static func isClass(_ full: String) -> Bool {
    full.split(separator: ".").last?.first { $0 != "_" }?.isUppercase ?? false
  }

  /// The full name of a global as Python 3 has it, or nil where it must not be named at all.
  static func name(module: String, _ name: String) -> (full: String, isAllowed: Bool) {
    let module = renamed[module] ?? module
    let full = "\(module).\(name)"
    if calls[full] != nil { return (full, true) }
    if module == "builtins" { return (full, builtinTypes.contains(name)) }
    let parts = "\(module).\(name)".split(separator: ".", omittingEmptySubsequences: false).map(String.init)
    // `a.os.system` reaches os through whatever imports it; dunders reach everything.
    // TorchScript tells classes of one name apart by a part such as `___torch_mangle_13`.
    let top = parts[0]
    // What a script or notebook defines is of the module that it runs as.
    let isScript = top == "__main__" || top == "__mp_main__"
    let reaches = parts.indices.contains { index in
      let part = parts[index]
      return part.isEmpty
        || part.hasPrefix("__") && part != "__torch__" && !(index == 0 && isScript)
          && !(top == "__torch__" && part.hasPrefix("___torch_mangle_"))
    }
    let hidden = parts.dropFirst().dropLast().contains {
      ["os", "sys", "subprocess", "builtins", "posix"].contains($0)
    }
    return (full, !reaches && !hidden && !forbiddenModules.contains(top))
  }
}
