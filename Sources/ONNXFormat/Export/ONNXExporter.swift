internal import ByteIO
public import Recurrent
internal import Tensors

/// What exporting gave: the ONNX model, and how exact each layer is.
public struct ONNXExport: Sendable, Equatable {
  public let model: ONNXModel
  public let notes: [ConversionNote]
}

/// Turns the canonical model into an ONNX graph of a chosen opset.
///
/// Recurrent layers become RNN, LSTM and GRU nodes with layout 0, the only one that onnxruntime runs; ports of another
/// arrangement get a Transpose or Reshape.
public struct ONNXExporter {
  let model: Model
  let opset: Int64
  let gates: ONNXGates
  var nodes: [ONNXNode] = []
  var initializers: [ONNXGraph.Initializer] = []
  var notes: [ConversionNote] = []
  /// Those that nodes call.
  var functions: [ONNXFunction] = []
  var names = UniqueNames(countingFrom: 1)
  /// The ONNX tensors that hold a canonical value, each under its arrangement.
  var holders: [String: Holders] = [:]
  var kinds: [String: ValueKind] = [:]
  /// The element type that the graph computes in.
  var computeType = ElementType.float32
  var batchTensor: String?

  struct Holder: Equatable {
    var name: String
    var axes: [[AxisFactor]]
  }

  /// In the order in which they were made. A value may have as many arrangements as a model has outputs.
  struct Holders {
    private(set) var all: [Holder] = []
    private var names: [[[AxisFactor]]: String] = [:]

    mutating func append(_ holder: Holder) {
      all.append(holder)
      if names[holder.axes] == nil { names[holder.axes] = holder.name }
    }

    /// The first with exactly these axes.
    func name(of axes: [[AxisFactor]]) -> String? { names[axes] }
  }

  /// The opset written where the user names none.
  public static let standardOpset: Int64 = 17

  /// - Throws: `ONNXError.notExpressible` naming the layer and what ONNX lacks; `.unsupportedOpset`.
  public static func export(_ model: Model, opset: Int64 = standardOpset) throws(ONNXError) -> ONNXExport {
    try export(model, opset: opset, gates: .specification)
  }

  static func export(_ model: Model, opset: Int64, gates: ONNXGates) throws(ONNXError) -> ONNXExport {
    guard ONNXDecoder.opsets.contains(opset) else {
      throw .unsupportedOpset(opset, supported: ONNXDecoder.opsets)
    }
    var exporter = ONNXExporter(model: model, opset: opset, gates: gates)
    return try exporter.run()
  }

  init(model: Model, opset: Int64, gates: ONNXGates) {
    self.gates = gates
    self.model = model
    self.opset = opset
  }

  /// The IR version that came with an opset (onnx's own version table); 4 at least, so that initializers need not be
  /// listed as inputs.
  private var irVersion: Int64 {
    switch opset {
    case ...9: 4
    case 10: 5
    case 11: 6
    case 12...14: 7
    case 15...18: 8
    case 19...20: 9
    case 21...22: 10
    case 23: 11
    case 24: 12
    case 25...27: 13
    default: 14
    }
  }

  private mutating func run() throws(ONNXError) -> ONNXExport {
    do { kinds = try model.validated() } catch { throw .model(error) }
    computeType =
      (model.outputs + model.inputs).first { !$0.kind.isInteger }?.elementType
      ?? model.tensors.first?.tensor.elementType ?? .float32

    var graph = ONNXGraph(name: model.name)
    for port in model.inputs + model.outputs { names.reserve(port.name) }
    for port in model.inputs {
      graph.inputs.append(valueInfo(port))
      var name = port.name
      if port.kind.isInteger {
        // Token ids that come as floats.
        if port.elementType.isFloat { name = cast(name, .int64) }
      } else if port.elementType != computeType {
        name = cast(name, computeType)
      }
      hold(port.value, name, port.axes.map(\.factors))
    }
    for layer in model.layers { try export(layer) }
    graph.outputs = try exportOutputs()
    graph.nodes = nodes.enumerated().map { index, node in
      var node = node
      node.index = index
      return node
    }
    graph.initializers = initializers
    var metadata = model.metadata
    for key in metadata.keys where key.hasPrefix("onnx:") { metadata[key] = nil }
    let source = model.metadata
    return ONNXExport(
      model: ONNXModel(
        irVersion: irVersion, producer: "rnnconv", domain: source["onnx:domain"] ?? "",
        modelVersion: source["onnx:model_version"].flatMap { Int64($0) } ?? 0,
        documentation: source["onnx:doc_string"] ?? "",
        opsets: ["": opset].merging(functions.map { ($0.name.domain, 1) }) { first, _ in first },
        graph: graph,
        functions: functions, metadata: metadata),
      notes: notes)
  }

  private func valueInfo(_ port: Model.Port) -> ONNXValueInfo {
    ONNXValueInfo(
      port.name, port.elementType,
      port.axes.map { axis in
        if let size = axis.size { return .fixed(size) }
        if let symbol = axis.symbol { return .symbol(symbol) }
        if axis.factors.isEmpty { return .fixed(1) }
        // Names are invented where an axis is all of one dimension: batch must mean the same everywhere.
        if axis.factors == [.batch] { return .symbol("batch") }
        if axis.factors.allSatisfy(\.isFeatures) {
          return .fixed(
            axis.factors.reduce(1) { if case .features(_, let count) = $1 { $0 * count } else { $0 } })
        }
        return .unknown
      })
  }

  /// Gives every output its name: the node that makes the tensor may carry it itself, unless somebody outside knows the
  /// other name.
  private mutating func exportOutputs() throws(ONNXError) -> [ONNXValueInfo] {
    let taken = Set((model.inputs + model.outputs).map(\.name))
    var renamed: [String: String] = [:]
    var made: Set<String> = []
    var counted = 0
    for port in model.outputs {
      var name = try materialise(port.value, port.axes.map(\.factors), port.name)
      if port.kind.isInteger ? port.elementType.isFloat : port.elementType != computeType {
        name = cast(name, port.elementType)
      }
      if port.axes.contains(where: \.isDroppedAtOne) {
        guard port.axes.allSatisfy({ $0.isDroppedAtOne || $0.size ?? 1 != 1 }) else {
          throw .notExpressible(
            layer: port.name, reason: "of its axes of size 1 some are dropped, others kept")
        }
        name = add("Squeeze", [name], as: port.name)
      }
      for node in nodes[counted...] { made.formUnion(node.outputs) }
      counted = nodes.count
      if made.contains(name), !taken.contains(name), renamed[name] == nil {
        renamed[name] = port.name
      } else {
        nodes.append(ONNXNode("Identity", inputs: [name], outputs: [port.name]))
      }
    }
    for index in nodes.indices {
      nodes[index].outputs = nodes[index].outputs.map { renamed[$0] ?? $0 }
      nodes[index].inputs = nodes[index].inputs.map { renamed[$0] ?? $0 }
    }
    return model.outputs.map(valueInfo)
  }

  // MARK: Building

  /// A name that nothing else has.
  mutating func unique(_ wanted: String) -> String {
    names.claim(wanted)
  }

  /// Adds a node with one output and returns the output's name.
  mutating func add(
    _ operation: String, _ inputs: [String], as wanted: String, _ attributes: [String: ONNXAttribute] = [:],
    name: String = ""
  ) -> String {
    let output = unique(wanted)
    nodes.append(ONNXNode(operation, name: name, inputs: inputs, outputs: [output], attributes: attributes))
    return output
  }

  /// An initializer; floats of another type than the graph's are stored as they are and cast by a node.
  mutating func weight(_ tensor: Tensor, as wanted: String) throws(ONNXError) -> String {
    guard tensor.quantization == nil else {
      throw .notExpressible(layer: wanted, reason: "quantised weights; convert them to F32 first")
    }
    guard
      opset >= 13 || tensor.elementType == computeType
        || ![tensor.elementType, computeType].contains(.bfloat16)
    else {
      throw .notExpressible(
        layer: wanted,
        reason:
          "bfloat16 beside \(computeType.rawValue) needs a Cast that takes it, which opset 13 brings; write that opset, "
          + "or widen the weights to F32")
    }
    let name = unique(wanted)
    initializers.append(.init(name, tensor))
    return tensor.elementType == computeType ? name : cast(name, computeType)
  }

  mutating func integers(_ values: [Int], as wanted: String, scalar: Bool = false) -> String {
    let name = unique(wanted)
    initializers.append(.init(name, Tensor(values.map { Int64($0) }, shape: scalar ? [] : [values.count])))
    return name
  }

  mutating func cast(_ name: String, _ type: ElementType) -> String {
    add("Cast", [name], as: "\(name)_cast", ["to": .int(Int64(ONNXDataType.code(type)))])
  }

  mutating func squeeze(_ operation: String, _ name: String, _ axes: [Int], as wanted: String) -> String {
    if opset >= 13 {
      return add(operation, [name, integers(axes, as: "axes")], as: wanted)
    }
    return add(operation, [name], as: wanted, ["axes": .ints(axes.map { Int64($0) })])
  }

  mutating func slice(_ name: String, axis: Int, _ range: Range<Int>, as wanted: String) -> String {
    if opset >= 10 {
      let inputs = [
        name, integers([range.lowerBound], as: "starts"), integers([range.upperBound], as: "ends"),
        integers([axis], as: "axes"),
      ]
      return add("Slice", inputs, as: wanted)
    }
    return add(
      "Slice", [name], as: wanted,
      [
        "starts": .ints([Int64(range.lowerBound)]), "ends": .ints([Int64(range.upperBound)]),
        "axes": .ints([Int64(axis)]),
      ])
  }

  mutating func note(_ layer: Layer, _ exactness: Exactness, _ detail: String) {
    notes.append(ConversionNote(layer: layer.name, exactness, detail))
  }

  // MARK: Arrangements

  /// Records that `name` holds a layer's output.
  mutating func hold(_ value: String?, _ name: String, _ axes: [[AxisFactor]]) {
    guard let value else { return }
    holders[value, default: Holders()].append(Holder(name: name, axes: axes.map(View.normalised)))
  }

  func input(_ layer: Layer, _ position: Int) -> String? {
    position < layer.inputs.count ? layer.inputs[position] : nil
  }

  func output(_ layer: Layer, _ position: Int) -> String? {
    position < layer.outputs.count ? layer.outputs[position] : nil
  }

  /// A tensor that holds `value` in an arrangement whose last axis is all of its features, whatever comes before.
  mutating func endingInFeatures(_ value: String) throws(ONNXError) -> Holder {
    let features = View.features(kinds[value]!.features)
    if let holder = holders[value]?.all.first(where: { holder in
      holder.axes.last == features && holder.axes.dropLast().allSatisfy { $0 == [.time] || $0 == [.batch] }
    }) {
      return holder
    }
    let axes = View.canonicalAxes(kinds[value]!)
    return Holder(name: try materialise(value, axes, value), axes: axes)
  }

  /// The name of a tensor that holds `value` as `axes`; adds Squeeze, Reshape, Transpose and Unsqueeze where needed.
  mutating func materialise(
    _ value: String, _ axes: [[AxisFactor]], _ wanted: String
  ) throws(ONNXError) -> String {
    if let exact = holders[value]?.name(of: axes) { return exact }
    guard var holder = holders[value]?.all.last else {
      throw .notExpressible(layer: value, reason: "nothing holds the value")
    }
    let base = "\(value)_arranged"

    // 1. Drop axes of size 1.
    let empty = holder.axes.indices.filter { holder.axes[$0].isEmpty }
    if !empty.isEmpty {
      holder.name = squeeze("Squeeze", holder.name, empty, as: base)
      holder.axes.removeAll { $0.isEmpty }
    }
    // 2. Split axes until every factor that the target wants stands alone.
    let goal = try Self.atoms(of: axes, from: holder.axes, layer: value)
    let split = holder.axes.map { Self.split($0, by: goal) }
    if split.contains(where: { $0.count != 1 }) {
      holder.name = reshape(holder.name, from: holder.axes, to: split.joined().map { [$0] }, as: base)
      holder.axes = split.joined().map { [$0] }
    }
    // One row, where the model has no batch: an axis of its own, or none.
    if axes.joined().contains(.batch), !holder.axes.joined().contains(.batch) {
      holder.name = squeeze("Unsqueeze", holder.name, [0], as: base)
      holder.axes.insert([.batch], at: 0)
    } else if !axes.joined().contains(.batch), let axis = holder.axes.firstIndex(of: [.batch]) {
      holder.name = squeeze("Squeeze", holder.name, [axis], as: base)
      holder.axes.remove(at: axis)
    }
    // 3. Order the factors.
    let order = axes.joined().flatMap { Self.split([$0], by: goal) }
    let permutation = try order.map { (factor) throws(ONNXError) in
      guard let position = holder.axes.firstIndex(of: [factor]) else {
        throw .notExpressible(
          layer: value, reason: "\(describe(axes)) cannot be made of \(describe(holder.axes))")
      }
      return position
    }
    guard permutation.sorted() == Array(holder.axes.indices) else {
      throw .notExpressible(
        layer: value, reason: "\(describe(axes)) cannot be made of \(describe(holder.axes))")
    }
    if permutation != Array(holder.axes.indices) {
      holder.name = add("Transpose", [holder.name], as: base, ["perm": .ints(permutation.map { Int64($0) })])
      holder.axes = permutation.map { holder.axes[$0] }
    }
    // 4. Join what belongs together, 5. add axes of size 1.
    let full = axes.filter { !$0.isEmpty }
    if holder.axes.map(View.normalised) != full {
      holder.name = reshape(holder.name, from: holder.axes, to: full, as: base)
    }
    let added = axes.indices.filter { axes[$0].isEmpty }
    if !added.isEmpty { holder.name = squeeze("Unsqueeze", holder.name, added, as: base) }
    hold(value, holder.name, axes)
    return holder.name
  }

  /// The finest feature factors that occur in either arrangement.
  private static func atoms(
    of target: [[AxisFactor]], from source: [[AxisFactor]], layer: String
  ) throws(ONNXError) -> [AxisFactor] {
    // Every stride at which one of the arrangements cuts the features.
    var cuts: Set<Int> = []
    for factor in (target + source).joined() {
      guard case .features(let stride, let count) = factor else { continue }
      cuts.insert(stride)
      cuts.insert(stride * count)
    }
    let sorted = cuts.sorted()
    var atoms: [AxisFactor] = [.time, .batch]
    for (low, high) in zip(sorted, sorted.dropFirst()) {
      guard high % low == 0 else {
        throw .notExpressible(layer: layer, reason: "its features are cut at \(low) and \(high)")
      }
      atoms.append(.features(stride: low, count: high / low))
    }
    return atoms
  }

  /// The atoms, major first, that make up an axis.
  private static func split(_ axis: [AxisFactor], by atoms: [AxisFactor]) -> [AxisFactor] {
    axis.flatMap { factor -> [AxisFactor] in
      guard case .features(let stride, let count) = factor else { return [factor] }
      return atoms.filter { atom in
        if case .features(let low, let part) = atom {
          low >= stride && low * part <= stride * count
        } else {
          false
        }
      }.sorted { left, right in
        guard case .features(let a, _) = left, case .features(let b, _) = right else { return false }
        return a > b
      }
    }
  }

  /// A Reshape between arrangements of the same factors in the same order; open sizes are copied (0) or left open (−1).
  private mutating func reshape(
    _ name: String, from source: [[AxisFactor]], to target: [[AxisFactor]], as wanted: String
  ) -> String {
    let shape = target.enumerated().map { position, axis -> Int in
      var product = 1
      var isOpen = false
      for factor in axis {
        if case .features(_, let count) = factor { product *= count } else { isOpen = true }
      }
      if !isOpen { return product }
      return position < source.count && source[position] == axis ? 0 : -1
    }
    return add("Reshape", [name, integers(shape, as: "shape")], as: wanted)
  }

  // MARK: Batch

  /// A 1-D tensor with the batch size, for constants that every row shares.
  mutating func batchSize() throws(ONNXError) -> String {
    if let batchTensor { return batchTensor }
    if let port = model.inputs.first(where: { !$0.hasBatch }) {
      let one = integers([1], as: "\(port.name)_batch")
      batchTensor = one
      return one
    }
    for port in model.inputs {
      guard let axis = port.axes.firstIndex(where: { $0.factors == [.batch] }) else { continue }
      let shape = add("Shape", [port.name], as: "\(port.name)_shape")
      batchTensor = slice(shape, axis: 0, axis..<(axis + 1), as: "batch_size")
      return batchTensor!
    }
    throw .notExpressible(layer: model.name, reason: "no input tells the batch size")
  }
}
