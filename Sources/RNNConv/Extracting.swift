public import ByteIO
internal import ONNXFormat
public import Tensors

/// A part of an ONNX file that was cut out: what goes in and comes out, and on what it was proven.
public struct Extraction: Sendable {
  /// What goes in or comes out of the part.
  public struct Port: Sendable, Equatable {
    /// Of the value, as the whole graph calls it.
    public let name: String
    /// Nil where neither the file nor a run says it.
    public let elementType: ElementType?
    /// A number, a symbol or `?` for each axis; nil where the rank is not known.
    public let shape: [String]?

    /// `x F32 [B, 5]`
    public var description: String {
      [name, elementType?.rawValue, shape.map { "[\($0.joined(separator: ", "))]" }].compactMap { $0 }
        .joined(separator: " ")
    }

    var json: JSONValue {
      .object([
        JSONMember("name", .string(name)),
        JSONMember("elementType", elementType.map { .string($0.rawValue) } ?? .null),
        JSONMember("shape", shape.map { .array($0.map(JSONValue.string)) } ?? .null),
      ])
    }
  }

  /// The file that the part is of, and the one that was written.
  public let source, path: String
  /// Nodes that were asked for, of how many.
  public let nodeCount, wholeNodeCount: Int
  public let inputs, outputs: [Port]
  /// On how many inputs of the whole graph the part made, in both precisions, bit for bit what it makes in the whole; 0 where it was not
  /// tried.
  public internal(set) var runs = 0
  /// Of a target that is not ONNX: what became of the part.
  public internal(set) var conversion: Conversion?

  /// As `extract --json` prints it (schemas/cli-json.md).
  public var json: JSONValue {
    .object([
      JSONMember("source", .string(source)), JSONMember("target", .string(path)),
      JSONMember("nodes", .integer(Int64(nodeCount))), JSONMember("ofNodes", .integer(Int64(wholeNodeCount))),
      JSONMember("inputs", .array(inputs.map(\.json))), JSONMember("outputs", .array(outputs.map(\.json))),
      JSONMember("verifiedRuns", .integer(Int64(runs))),
      JSONMember("notes", .array((conversion?.notes ?? []).map(\.json))),
      JSONMember("verification", conversion?.report?.json ?? .null),
    ])
  }
}

/// An ONNX file of which a part is cut out. Only what the part needs has to be known: the rest may hold whatever operators.
public struct ExtractionRequest: Sendable {
  /// The ONNX file.
  public var path: String
  /// Nodes by name, by the beginning of their names, or by what they make.
  public var layers: [String]
  /// Of the whole graph, to try the part on; empty to make them up.
  public var inputs: [TensorArgument] = []
  /// Values for inputs of the whole graph, and for sizes that they leave open.
  public var bindings: [TensorArgument] = []
  /// How the part is written; what is not ONNX is imported first.
  public var options = ConversionOptions()
  /// What the file may ask for.
  public var limits = Limits.standard

  /// A part of these layers.
  public init(_ path: String, layers: [String]) { (self.path, self.layers) = (path, layers) }

  /// Cuts the part out, proves it in place, and writes it.
  ///
  /// The part in the whole graph is held against the part as it was written, on what the whole graph makes of inputs.
  /// - Throws: `RNNConvError.arguments` for names that mean nothing; `.evaluation` where the whole graph does not run as far as the part.
  public func write(to target: String) throws(RNNConvError) -> Extraction {
    let bytes: ByteBuffer
    do { bytes = try ByteBuffer.open(path: path, limit: limits.fileBytes) } catch { throw .file(error) }
    let folder = path == "-" ? nil : path.lastIndex(of: "/").map { String(path[...$0]) } ?? "."
    let format: Format
    if let named = options.format { format = named } else { format = try Format.forPath(target) }
    let values = try bindings.bindings(limits: limits)
    var part: ONNXPart
    let whole: ONNXModel
    do throws(ONNXError) {
      whole = try ONNXDecoder.decode(bytes, folder: folder, limits: limits)
      part = try ONNXPart(of: whole, named: layers)
    } catch {
      if case .noSuchNode = error { throw .arguments("\(path): \(error)") }
      throw .unreadable(path: path, reason: error.description)
    }
    let given = try inputs.tensors(
      for: whole.graph.inputs.map(\.name), "input", limits: limits)
    let activations = try options.verify ? Activations(whole, part, path, given, values, limits) : nil
    let stated = (try? ONNXDecoder.valueInfos(bytes, limits: limits)) ?? [:]
    part.describe(activations.map { $0.infos(of: whole.graph, stated) } ?? stated)
    let untyped = part.model.graph.inputs + part.model.graph.outputs
    if let unknown = untyped.first(where: { $0.elementType == nil }) {
      throw .arguments(
        "\(path): the file does not say the type of '\(unknown.name)', which becomes an input or output of the part; a run of the "
          + "whole graph tells it")
    }
    var extraction = Extraction(
      source: path, path: target, nodeCount: part.nodeCount, wholeNodeCount: whole.graph.nodes.count,
      inputs: part.model.graph.inputs.map(\.port), outputs: part.model.graph.outputs.map(\.port))
    let encoded: ONNXEncoder.Encoded
    do {
      encoded = try ONNXEncoder.encode(
        part.model, externalData: format == .onnx ? options.write.externalData : nil)
    } catch { throw .notExpressible(format: "onnx", reason: error.description) }
    guard format == .onnx else {
      let file = try ModelFile(
        bytes: encoded.model, path: "\(path), a part", format: .onnx, bindings: values, limits: limits)
      extraction.runs = try activations?.check(file.content.onnx!.model) ?? 0
      guard format.holdsWeightsAlone else {
        extraction.conversion = try file.convert(to: target, options)
        return extraction
      }
      // Modules give both directions side by side, the operator one behind the other.
      let joined: ByteBuffer
      do { joined = try ONNXEncoder.encode(part.model.joiningDirections).model } catch {
        throw .notExpressible(format: "onnx", reason: error.description)
      }
      extraction.conversion = try ModelFile(
        bytes: joined, path: file.path, format: .onnx, bindings: values, limits: limits
      ).convert(to: target, options)
      return extraction
    }
    guard options.write.opset == nil, options.elementType == nil, !options.write.compressed else {
      throw .arguments("a part keeps the operator set and the types of the whole; convert it afterwards")
    }
    var files = [AtomicFile.NewFile([encoded.model], path: target)]
    var companions: [String: ByteBuffer] = [:]
    if let name = options.write.externalData {
      companions[name] = ByteBuffer(joining: encoded.externalData)
      files.insert(AtomicFile.NewFile(encoded.externalData, path: name, beneath: target.folderPrefix), at: 0)
    }
    do {
      let staged = try AtomicFile.stage(files)
      if let activations {
        let written = try ONNXDecoder.decodeWithExternalFiles(
          try staged.bytes(ofFile: files.count - 1), folder: nil, given: companions, limits: limits
        ).model
        extraction.runs = try activations.check(written)
      }
      try staged.commit()
    } catch let error as FileError { throw .file(error) } catch let error as RNNConvError {
      throw error
    } catch {
      throw .unreadable(path: target, reason: "\(error)")
    }
    return extraction
  }
}

extension ONNXValueInfo {
  var port: Extraction.Port {
    Extraction.Port(
      name: name, elementType: elementType,
      shape: shape?.map { size in
        switch size {
        case .fixed(let number): "\(number)"
        case .symbol(let name): name
        case .unknown: "?"
        }
      })
  }
}

/// What the whole graph makes of some inputs, where the part begins and ends.
private struct Activations {
  struct Run {
    /// Of the whole graph.
    let inputs: [String: Tensor]
    let single, double: [String: (tensor: Tensor, type: ElementType)]
  }

  private let part: ONNXPart
  private let path: String
  private let limits: Limits
  private var runs: [Run] = []

  /// Two runs of different sizes, or one where the inputs were given or their sizes are fixed.
  init(
    _ whole: ONNXModel, _ part: ONNXPart, _ path: String, _ given: [String: Tensor],
    _ bindings: [String: Tensor],
    _ limits: Limits
  ) throws(RNNConvError) {
    (self.part, self.path, self.limits) = (part, path, limits)
    // What goes in and is an input of the whole is known without a run.
    let makers = Set(whole.graph.nodes.flatMap(\.outputs))
    let own = part.inputs.filter { !makers.contains($0) }
    let asked = (part.inputs.filter(makers.contains) + part.outputs).reduce(into: [String]()) {
      if !$0.contains($1) { $0.append($1) }
    }
    let needed = whole.making(asked)
    let evaluator: ONNXEvaluator
    do { evaluator = try ONNXEvaluator(needed, limits: limits) } catch {
      throw .unreadable(
        path: path, reason: "\(error). The part is cut out, but not proven, where nothing is to be verified")
    }
    let defaults = Set(whole.graph.initializers.map(\.name))
    let read = Set(needed.graph.nodes.flatMap(\.inputs)).union(own).union(
      needed.graph.nodes.flatMap(\.innerReads))
    let infos = whole.graph.inputs.filter { !defaults.contains($0.name) && read.contains($0.name) }
    let sets: [[String: Tensor]]
    if !given.isEmpty {
      sets = [
        given.filter { read.contains($0.key) }.merging(
          bindings.filter { name, _ in infos.contains { $0.name == name } }
        ) { own, _ in own }
      ]
    } else if let made = MadeUpInputs(infos: infos, bindings: bindings).sets {
      sets = made
    } else {
      throw .arguments(
        "\(path): an input's shape or type is not stated; give inputs of the whole graph with \(Setting.inputs)"
      )
    }
    var failure: ONNXError?
    for set in sets where runs.count < 2 {
      if let first = runs.first, first.inputs.allSatisfy({ set[$0.key]?.shape == $0.value.shape }) {
        continue
      }
      do throws(ONNXError) {
        var single = try evaluator.typed(set, precision: .float32)
        var double = try evaluator.typed(set, precision: .float64)
        for name in own {
          guard let tensor = set[name] else { continue }
          (single[name], double[name]) = ((tensor, tensor.elementType), (tensor, tensor.elementType))
        }
        runs.append(Run(inputs: set, single: single, double: double))
      } catch { failure = failure ?? error }
    }
    if runs.isEmpty, let failure {
      throw .evaluation(
        path: path,
        reason:
          "it runs on none of the inputs that were made up for it: \(failure). Give inputs of the whole graph with \(Setting.inputs)"
      )
    }
  }

  /// What the runs show of the values where the part begins and ends: a size that both have is fixed, one that goes with a symbol of the
  /// inputs is that symbol's.
  func infos(of graph: ONNXGraph, _ stated: [String: ONNXValueInfo]) -> [String: ONNXValueInfo] {
    var symbols: [[Int]: String] = [:]
    for info in graph.inputs {
      for (axis, size) in (info.shape ?? []).enumerated() {
        guard case .symbol(let name) = size else { continue }
        let sizes = runs.compactMap { $0.inputs[info.name]?.shape[axis] }
        if sizes.count == runs.count, sizes.count == 2, sizes[0] != sizes[1] {
          symbols[sizes] = symbols[sizes] ?? name
        }
      }
    }
    let isOpen = graph.inputs.contains {
      ($0.shape ?? [.unknown]).contains { if case .fixed = $0 { false } else { true } }
    }
    var result = stated
    for name in part.inputs + part.outputs {
      guard let first = runs.first?.single[name] else { continue }
      let shapes = runs.compactMap { $0.single[name]?.tensor.shape }
      guard shapes.allSatisfy({ $0.count == shapes[0].count }) else {
        result[name] = ONNXValueInfo(name, first.type, nil)
        continue
      }
      let sizes = shapes[0].indices.map { axis -> ONNXValueInfo.Dimension in
        let seen = shapes.map { $0[axis] }
        if let symbol = symbols[seen] { return .symbol(symbol) }
        // One run does not tell what is fixed, unless all inputs are.
        return Set(seen).count == 1 && (seen.count > 1 || !isOpen) ? .fixed(seen[0]) : .unknown
      }
      result[name] = ONNXValueInfo(name, first.type, sizes)
    }
    return result
  }

  /// Runs the part on what the whole graph made.
  ///
  /// - Returns: on how many.
  /// - Throws: `RNNConvError.notExpressible` where a bit differs.
  func check(_ written: ONNXModel) throws(RNNConvError) -> Int {
    let evaluator: ONNXEvaluator
    do { evaluator = try ONNXEvaluator(written, limits: limits) } catch {
      throw .unreadable(path: path, reason: "the part: \(error)")
    }
    for run in runs {
      for (values, precision) in [(run.single, EvaluationPrecision.float32), (run.double, .float64)] {
        var given: [String: Tensor] = [:]
        for name in part.inputs { given[name] = values[name]?.tensor }
        let made: [String: Tensor]
        do { made = try evaluator.run(given, precision: precision) } catch {
          throw .evaluation(path: path, reason: "the part alone: \(error)")
        }
        for name in part.outputs {
          guard let theirs = values[name]?.tensor, let ours = made[name], ours.shape == theirs.shape,
            ours.bytes == theirs.bytes
          else {
            throw .notExpressible(
              format: "onnx",
              reason:
                "the part alone makes something else of '\(name)' than it makes in the whole graph; please report this"
            )
          }
        }
      }
    }
    return runs.count
  }
}

extension ONNXNode {
  /// What its graphs inside may read from around it.
  fileprivate var innerReads: [String] {
    attributes.values.flatMap { attribute -> [String] in
      if case .graph(let graph) = attribute {
        graph.nodes.flatMap { $0.inputs + $0.innerReads } + graph.outputs.map(\.name)
      } else {
        []
      }
    }
  }
}
