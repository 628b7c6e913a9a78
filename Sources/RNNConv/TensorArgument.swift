public import ByteIO
public import Tensors

/// `name=file` or `file`, as the command line takes tensors: one tensor, or those of an archive; or `name=number`, a whole one.
public struct TensorArgument: Sendable, Equatable, CustomStringConvertible {
  /// What it is for, or which tensor of an archive; nil where that was not said.
  public let name: String?
  /// Of the file: `.npy`, `.npz` or `.pb`.
  public let path: String

  /// From `name=file` or `file`; what has a slash before its `=` is a file.
  public init(_ argument: String) {
    if let mark = argument.firstIndex(of: "="), !argument[..<mark].contains("/") {
      self.init(name: String(argument[..<mark]), path: String(argument[argument.index(after: mark)...]))
    } else {
      self.init(name: nil, path: argument)
    }
  }

  /// The tensors of a file, for this name or for those that they have.
  public init(name: String?, path: String) {
    self.name = name
    self.path = path
  }

  public var description: String { name.map { "\($0)=\(path)" } ?? path }

  /// Reads the file: its only tensor, under this name; that of this name in an archive; all where no name was said.
  ///
  /// - Throws: `RNNConvError` where the file cannot be read, or an archive holds no tensor of this name.
  public func tensors(
    limits: Limits = .standard
  ) throws(RNNConvError) -> [(name: String?, tensor: Tensor)] {
    guard !path.isEmpty else { throw .arguments("'\(self)' names no file: give it as name=file") }
    if let number = Int64(path), name != nil, access(path, F_OK) != 0 {
      return [(name, Tensor([number], shape: []))]
    }
    let read = try TensorFile.read(path, limits: limits)
    guard let name else { return read }
    guard read.count == 1 else {
      guard let chosen = read.first(where: { $0.name == name }) else {
        throw .arguments("\(path) holds no tensor '\(name)'")
      }
      return [chosen]
    }
    return [(name, read[0].tensor)]
  }
}

extension [TensorArgument] {
  /// The tensors by name; a single one belongs to the only name there is, whatever it is called.
  ///
  /// - Parameters:
  ///   - names: those that there are; empty where that is not known.
  ///   - what: what a message calls them, such as `input`.
  ///   - limits: what a file may ask for.
  public func tensors(
    for names: [String], _ what: String, limits: Limits = .standard
  ) throws(RNNConvError) -> [String: Tensor] {
    var given: [(argument: TensorArgument, name: String?, tensor: Tensor)] = []
    for argument in self {
      if let name = argument.name, !names.isEmpty, !names.contains(name) {
        throw .arguments(
          "\(argument): there is no \(what) '\(name)'; there are \(names.joined(separator: ", "))")
      }
      given += try argument.tensors(limits: limits).map { (argument, $0.name, $0.tensor) }
    }
    if given.count == 1, names.count == 1 { return [names[0]: given[0].tensor] }
    var result: [String: Tensor] = [:]
    for (argument, name, tensor) in given {
      guard let name else {
        throw .arguments(
          "\(argument): say which \(what) it is, as name=file; there are \(names.joined(separator: ", "))")
      }
      guard result.updateValue(tensor, forKey: name) == nil else {
        throw .arguments("\(argument): the \(what) '\(name)' is given twice")
      }
    }
    return result
  }

  /// Those tensors that have a name.
  public func named(limits: Limits = .standard) throws(RNNConvError) -> [String: Tensor] {
    var result: [String: Tensor] = [:]
    for argument in self {
      for (name, tensor) in try argument.tensors(limits: limits) {
        if let name { result[name] = tensor }
      }
    }
    return result
  }

  /// The tensors that a model's graph inputs are bound to: each needs a name.
  public func bindings(limits: Limits = .standard) throws(RNNConvError) -> [String: Tensor] {
    var result: [String: Tensor] = [:]
    for argument in self {
      for (name, tensor) in try argument.tensors(limits: limits) {
        guard let name else {
          throw .arguments("\(Setting.bindings) \(argument): say which input it is for, as name=file")
        }
        result[name] = tensor
      }
    }
    return result
  }
}
