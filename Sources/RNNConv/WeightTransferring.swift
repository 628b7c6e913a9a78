public import ByteIO
internal import Forward
internal import ONNXFormat
internal import Recurrent
internal import ReferenceMath
internal import StateDictModels
internal import StateDicts
internal import Tensors
internal import TorchEvaluator
internal import Verification
internal import WeightTransfer

/// Weights of a state dict in the graph of an ONNX file: what went where, and what is proven of it.
public struct WeightTransferReport: Sendable {
  /// One initializer of the graph.
  public struct Placement: Sendable, Equatable {
    /// Its name in the graph.
    public let place: String
    /// The state dict's tensors that it is made of.
    public let tensors: [String]
    /// How, such as `transposed`.
    public let how: String
    /// By what it was told, such as `by name`.
    public let reason: String
  }

  /// The state dict, and the graph that took its weights.
  public let weights, graph: String
  /// In the order of the graph's initializers.
  public let placements: [Placement]
  /// What stays as the export has it: initializers of more than one number that no tensor is for.
  public let kept: [String]
  /// What is in neither file.
  public let assumptions: [String]
  /// Modules whose nodes, in the written file, compute what PyTorch's formulas make of the state dict's tensors, in Float64.
  public internal(set) var proven: [String] = []
  /// Placements that no proven module uses: they stand there by name and shape alone.
  public internal(set) var unproven: [String] = []

  /// As `convert --json` prints it (schemas/cli-json.md).
  public var json: JSONValue {
    func list(_ names: [String]) -> JSONValue { .array(names.map(JSONValue.string)) }
    return .object([
      JSONMember("weights", .string(weights)), JSONMember("graph", .string(graph)),
      JSONMember(
        "placements",
        .array(
          placements.map { placement in
            .object([
              JSONMember("place", .string(placement.place)), JSONMember("tensors", list(placement.tensors)),
              JSONMember("how", .string(placement.how)), JSONMember("reason", .string(placement.reason)),
            ])
          })), JSONMember("kept", list(kept)), JSONMember("assumptions", list(assumptions)),
      JSONMember("proven", list(proven)), JSONMember("unproven", list(unproven)),
    ])
  }
}

extension ModelFile {
  /// Writes this file's weights into the graph of another: a model that was trained further, in the ONNX file that its module was
  /// exported to once.
  ///
  /// The graph stays as it is. Where the target is ONNX, every byte of the other file does but for its weights.
  /// - Parameters:
  ///   - other: the export of the same module, with whatever weights.
  ///   - path: the file to write; what is not ONNX is imported from the graph and converted.
  /// - Throws: `RNNConvError.unreadable` where names, shapes and values do not tell which tensor goes where; `.loss` where a tensor of the
  ///   weights has no place; `.disproved` where a module computes something else than PyTorch's.
  public func convert(
    like other: ModelFile, to path: String, _ options: ConversionOptions = ConversionOptions()
  ) throws(RNNConvError) -> (transfer: WeightTransferReport, conversion: Conversion) {
    guard let state = content.stateDict else {
      throw .arguments(
        "\(self.path) is a \(format.name) file, which holds its own graph: give PyTorch or safetensors")
    }
    guard let graph = other.content.onnx else {
      throw .arguments("\(other.path) is no ONNX file, whose graph the weights could go into")
    }
    try verifyIntegrity()
    let target: Format
    if let format = options.format { target = format } else { target = try Format.forPath(path) }
    let made = state.withWeightsMade()
    let transfer: WeightTransfer
    do { transfer = try WeightTransfer(made, into: graph.model.graph) } catch {
      throw .unreadable(path: "\(self.path) into \(other.path)", reason: error.description)
    }
    let rounded = transfer.placements.filter(\.isRounded)
    var notes = rounded.map { placement in
      ConversionNote(
        layer: placement.initializer, .rounded,
        placement.recipe.isExact ? "rounded to the type that the graph has" : placement.recipe.words)
    }
    if !transfer.unused.isEmpty {
      notes.append(
        ConversionNote(
          layer: ConversionNote.wholeFile, .lossy,
          "\(transfer.unused.count) tensors have no place in the graph: \(transfer.unused.prefix(8).joined(separator: ", "))"
            + (transfer.unused.count > 8 ? ", …" : "")))
      guard options.allowLoss else {
        throw .loss(format: target.name, notes: notes.filter { $0.exactness == .lossy })
      }
    }
    var report = WeightTransferReport(
      weights: self.path, graph: other.path,
      placements: transfer.placements.map {
        .init(
          place: $0.initializer, tensors: $0.recipe.tensors, how: $0.recipe.words, reason: $0.reason.rawValue)
      }, kept: transfer.kept.map { "\($0.name) \($0.shape)" }, assumptions: transfer.assumptions)

    var model = graph.model
    model.graph.initializers = model.graph.initializers.map { old in
      transfer.tensors[old.name].map { .init(old.name, $0) } ?? old
    }
    let source = Transferred(
      model: model, file: graph.bytes, transfer: transfer,
      // Where nothing was rounded, PyTorch's formulas get the tensors as the file has them.
      state: rounded.contains { $0.recipe.isExact } ? made.rounded(by: transfer, model.graph) : state,
      path: self.path, limits: graph.limits)
    if target != .onnx {
      let chunks = try source.chunks(externalData: nil)
      let whole = try ModelFile(
        bytes: ByteBuffer(joining: chunks), path: "\(other.path) with \(self.path)", format: .onnx,
        bindings: graph.bindings, limits: graph.limits)
      if options.verify { (report.proven, report.unproven) = try source.prove(whole.content.onnx!.model) }
      var converted = try whole.convert(to: path, options)
      converted.prepend(notes)
      return (report, converted)
    }
    let refused: [(Setting, Bool)] = [
      (.opset, options.write.opset != nil), (.compressed, options.write.compressed),
    ]
    if let (setting, _) = refused.first(where: \.1) {
      throw .arguments("\(setting): the graph stays as \(other.path) has it")
    }
    guard options.elementType == nil else {
      throw .arguments("the weights get the types that they have in \(other.path), no other")
    }
    let chunks = try source.chunks(externalData: options.write.externalData)
    var files = [AtomicFile.NewFile(chunks, path: path)]
    var companions: [String: ByteBuffer] = [:]
    if let name = options.write.externalData {
      let data = try source.encoded(externalData: name).externalData
      companions[name] = ByteBuffer(joining: data)
      files.insert(AtomicFile.NewFile(data, path: name, beneath: path.folderPrefix), at: 0)
    }
    do {
      let staged = try AtomicFile.stage(files)
      if options.verify {
        // What is proven is what waits for its name.
        let copy = try ModelFile(
          bytes: try staged.bytes(ofFile: files.count - 1), path: path, companions: companions, format: .onnx,
          limits: graph.limits)
        (report.proven, report.unproven) = try source.prove(copy.content.onnx!.model)
      }
      try staged.commit()
    } catch let error as FileError { throw .file(error) } catch let error as RNNConvError {
      throw error
    } catch {
      throw .unreadable(path: path, reason: "\(error)")
    }
    return (
      report,
      Conversion(path: path, notes: notes, layerCount: model.graph.nodes.count, report: nil, movement: nil)
    )
  }
}

extension StateDict {
  /// The same with tensors in the types that the graph has for them.
  fileprivate func rounded(by transfer: WeightTransfer, _ graph: ONNXGraph) -> StateDict {
    let types = Dictionary(graph.initializers.map { ($0.name, $0.tensor.elementType) }) { first, _ in first }
    var wanted: [String: ElementType] = [:]
    for placement in transfer.placements {
      for name in placement.recipe.tensors { wanted[name] = types[placement.initializer] }
    }
    var result = self
    result.entries = entries.map { entry in
      guard let type = wanted[entry.name], let tensor = try? entry.tensor.converted(to: type).tensor else {
        return entry
      }
      return Entry(entry.name, tensor)
    }
    return result
  }
}

/// A graph with the weights of a state dict, before it is written.
private struct Transferred {
  let model: ONNXModel
  /// That the graph was read from.
  let file: ByteBuffer
  let transfer: WeightTransfer
  let state: StateDict
  let path: String
  let limits: Limits

  func encoded(externalData: String?) throws(RNNConvError) -> ONNXEncoder.Encoded {
    do { return try ONNXEncoder.encode(model, externalData: externalData) } catch {
      throw .notExpressible(format: "onnx", reason: error.description)
    }
  }

  func chunks(externalData: String?) throws(RNNConvError) -> [ByteBuffer] {
    if externalData == nil, let patched = ONNXPatch.replacing(transfer.tensors, in: file) { return patched }
    return [try encoded(externalData: externalData).model]
  }

  /// Holds the written file against the state dict: its weights against those that were meant, and each module that torch.nn's
  /// documentation describes against the nodes that compute it.
  ///
  /// - Returns: the proven modules, and the initializers that none of them uses.
  func prove(_ written: ONNXModel) throws(RNNConvError) -> (proven: [String], unproven: [String]) {
    let there = Dictionary(written.graph.initializers.map { ($0.name, $0.tensor) }) { first, _ in first }
    if let wrong = model.graph.initializers.first(where: { there[$0.name] != $0.tensor }) {
      throw .notExpressible(format: "onnx", reason: "initializer '\(wrong.name)' is not what was written")
    }
    var (proven, covered) = ([String](), Set<String>())
    for check in transfer.checks(written.graph) {
      guard try check.holds(written, state, path, limits) else { continue }
      proven.append(check.name)
      covered.formUnion(check.node.inputs + (check.addition?.inputs ?? []))
    }
    let unproven = transfer.placements.map(\.initializer).filter { !covered.contains($0) }
    return (proven, unproven)
  }
}

extension ModuleCheck {
  /// Whether the nodes compute what the module does, in Float64 and on made-up inputs; false where that cannot be decided.
  ///
  /// - Throws: `RNNConvError.disproved` where they do not.
  fileprivate func holds(
    _ written: ONNXModel, _ state: StateDict, _ path: String, _ limits: Limits
  ) throws(RNNConvError) -> Bool {
    var architecture = Architecture(steps: steps)
    if case .recurrent(let module) = form {
      architecture.outputs =
        [.init(.output), .init(.finalHidden)] + (module.mode == .lstm ? [.init(.finalCell)] : [])
    }
    let module: Model
    do { module = try StateDictImporter.importModel(state.withWeightsMade(), architecture) } catch {
      return false
    }
    let torch = TorchEvaluator(state, architecture, limit: limits.elements)
    let label = "module '\(name)' of \(path)"
    let subject = Subject(
      name: label, model: module, inputNames: module.inputs.map(\.name),
      evaluate: { inputs, precision in
        precision == .float32 ? try torch.run(inputs, as: Float.self) : try torch.run(inputs, as: Double.self)
      })
    do {
      let part = try ONNXEvaluator(part(of: written), limits: limits)
      for probe in try Probe.generated(for: module, seed: 1, suite: .quick) {
        guard let input = probe.inputs.values.first else { return false }
        let given = try operand(input)
        let made = try part.run([Self.input: given], precision: .float64)
        let expected = try results(made, of: input)
        let report: VerificationReport
        if isExact {
          report = try Verification.verify(
            subject, expected: expected, from: "node \(node.label)", probe: probe, rounding: .float64,
            isDiagnosing: false)
        } else {
          report = try rounded(expected, torch, probe, written, label, limits)
        }
        if report.verdict == .different { throw RNNConvError.disproved(report) }
        if report.verdict > .equal { return false }
      }
    } catch let error as RNNConvError { throw error } catch { return false }
    return true
  }

  private static let input = "x"
  private static let outputs = ["output", "h_n", "c_n"]

  /// The nodes alone, with the weights of the written file.
  private func part(of written: ONNXModel, absolute: Bool = false) -> ONNXModel {
    var node = node
    let data = node.operation == "Gather" ? 1 : 0
    var last = node.outputs.first ?? ""
    if node.isRecurrent {
      // Lengths and initial states are not the module's.
      node.inputs = Array(node.inputs.prefix(4))
      node.outputs = Array(Self.outputs.prefix(node.operation == "LSTM" ? 3 : 2))
    } else {
      node.outputs = [addition == nil ? "output" : "product"]
    }
    let original = node.inputs[data]
    node.inputs[data] = Self.input
    var nodes = [node]
    if var addition {
      addition.inputs = addition.inputs.map { $0 == last ? "product" : $0 }
      addition.outputs = ["output"]
      nodes.append(addition)
    }
    last = original
    let read = Set(nodes.flatMap(\.inputs))
    let weights = written.graph.initializers.filter { read.contains($0.name) && $0.name != Self.input }
    let graph = ONNXGraph(
      name: "part", nodes: nodes,
      initializers: absolute ? weights.map { .init($0.name, $0.tensor.magnitudes) } : weights,
      inputs: [ONNXValueInfo(Self.input, data == 1 ? .int64 : nil, nil)],
      outputs: nodes.last!.outputs.map { ONNXValueInfo($0, nil, nil) })
    return ONNXModel(irVersion: written.irVersion, opsets: written.opsets, graph: graph)
  }

  /// What the module takes, as the operator takes it.
  private func operand(_ x: Tensor) throws -> Tensor {
    switch form {
    case .recurrent, .rows: return x
    case .features(_, let asRows):
      return asRows ? try x.reshaped([x.shape[0] * x.shape[1], x.shape[2]]) : x
    case .channels(let channels, let axes):
      let places = axes.dropFirst().map { $0.size ?? 1 }
      let apart = try x.reshaped([x.shape[0], x.shape[1], channels] + places)
      return apart.transposed([1, 2, 0] + (3..<(3 + places.count)))
    }
  }

  /// What the operator made, as the module gives it.
  private func results(_ made: [String: Tensor], of x: Tensor) throws -> [String: Tensor] {
    guard let y = made["output"] else { return made }
    var result = made
    switch form {
    case .recurrent(let module):
      result["output"] = try y.transposed([0, 2, 1, 3])
        .reshaped([y.shape[0], y.shape[2], module.directions * module.outputSize])
    case .features(_, let asRows):
      if asRows { result["output"] = try y.reshaped([x.shape[0], x.shape[1], y.shape[1]]) }
    case .channels:
      let turned = y.transposed([2, 0, 1] + (3..<y.shape.count))
      let features = y.count / max(1, turned.shape[0] * turned.shape[1])
      result["output"] = try turned.reshaped([turned.shape[0], turned.shape[1], features])
    case .rows: break
    }
    return result
  }

  /// The same where every weight was rounded once: y may be off by 2⁻²⁴ of the sum of the magnitudes that it is made of, and by half as
  /// much again for the numbers that no longer have all their bits.
  private func rounded(
    _ expected: [String: Tensor], _ torch: TorchEvaluator, _ probe: Probe, _ written: ONNXModel,
    _ label: String,
    _ limits: Limits
  ) throws -> VerificationReport {
    let x = probe.inputs.values.first!
    let magnitudes = try results(
      try ONNXEvaluator(part(of: written, absolute: true), limits: limits)
        .run([Self.input: try operand(x.magnitudes)], precision: .float64), of: x)
    let ours = try torch.run(probe.inputs, as: Double.self)
    let isInside = ours.allSatisfy { name, tensor in
      guard let theirs = expected[name], let allowed = magnitudes[name], theirs.shape == tensor.shape else {
        return false
      }
      return zip(zip(tensor.doubles, theirs.doubles), allowed.doubles).allSatisfy {
        abs($0.0 - $0.1) <= 1.5 * 0x1p-24 * $1 + 0x1p-126
      }
    }
    return VerificationReport(
      label, "node \(node.label)", probe: probe.name,
      violation: isInside
        ? nil : "\(label) and node \(node.label) differ by more than the rounding of folded weights")
  }
}

extension Tensor {
  /// |x| of each element, in Float64.
  fileprivate var magnitudes: Tensor { Tensor(doubles.map(abs), shape: shape) }
}
