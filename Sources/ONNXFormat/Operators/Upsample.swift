internal import ByteIO
internal import Recurrent
internal import Tensors

extension ONNXOperator {
  static let resize = ONNXOperator(
    "Resize", proposals: { $0.proposedChannels($1) }, trace: { $0.beforeResize($1, $2) },
    interpret: { (importer, node) throws(ONNXError) in try importer.importResize(node) })

  /// Its forerunner, up to opset 9.
  static let upsample = ONNXOperator(
    "Upsample", proposals: { $0.proposedChannels($1) }, trace: { $0.beforeResize($1, $2) },
    interpret: { (importer, node) throws(ONNXError) in try importer.importResize(node) })
}

extension InputRoles {
  /// Sizes of features and of places change.
  fileprivate func beforeResize(_ demand: Demand, _ node: ONNXNode) -> [Demand] {
    let roles = demand.roles.enumerated().map { axis, role -> AxisRole in
      guard case .features = role else { return role }
      return axis < 2 ? .features(nil) : .space
    }
    return [Demand(node.inputs[0], roles)]
  }
}

extension ONNXImporter {
  fileprivate mutating func importResize(_ node: ONNXNode) throws(ONNXError) {
    if node.operation == "Upsample", opset >= 10 {
      throw .unknownOperator(node: node.label, domain: "", hint: "; since opset 10 it is Resize")
    }
    var attributes = AttributeReader(node)
    let isFirst = opset < 11
    let mode = try attributes.string("mode") ?? "nearest"
    let wanted =
      try attributes.string("coordinate_transformation_mode") ?? (isFirst ? "asymmetric" : "half_pixel")
    let rounding = try attributes.string("nearest_mode") ?? (isFirst ? "floor" : "round_prefer_floor")
    let coefficient = try attributes.float("cubic_coeff_a") ?? -0.75
    let excludes = try attributes.int("exclude_outside", default: 0) != 0
    let given = try attributes.ints("axes")
    let factors = opset < 9 ? try attributes.floats("scales") : nil
    // Of use where the place lies outside, which no mode that is imported gives.
    _ = try attributes.float("extrapolation_value")
    func refuse(_ attribute: String, _ reason: String) -> ONNXError {
      .unsupportedAttribute(node: node.label, attribute: attribute, reason: reason)
    }
    if try attributes.int("antialias", default: 0) != 0 {
      throw refuse(
        "antialias", "a filter that grows as places become fewer has no place in the canonical model")
    }
    let policy = try attributes.string("keep_aspect_ratio_policy") ?? "stretch"
    guard policy == "stretch" else { throw refuse("keep_aspect_ratio_policy", "only 'stretch' is supported") }
    try attributes.finish()

    let view = try featureView(node, 0)
    let rank = view.axes.count
    let axes = try (given ?? Array(0..<rank)).map { (axis) throws(ONNXError) in
      try self.axis(axis, rank: rank, node)
    }
    let source = ordered(view, node)
    let changes = try resized(node, source, axes, factors)
    if changes.isEmpty { return try set(node, source) }

    var coordinates: Resize.Coordinates
    switch wanted {
    case "half_pixel": coordinates = .halfPixel
    case "half_pixel_symmetric" where opset >= 19: coordinates = .halfPixelSymmetric
    case "pytorch_half_pixel": coordinates = .pytorchHalfPixel
    case "align_corners": coordinates = .alignCorners
    case "asymmetric": coordinates = .asymmetric
    // ⌊x + ½⌋ of half_pixel's x.
    case "tf_half_pixel_for_nn" where opset < 13 && mode == "nearest" && rounding == "floor":
      coordinates = .halfPixel
    default: throw refuse("coordinate_transformation_mode", "'\(wanted)' is not supported")
    }
    let nearest: [String: Resize.Rounding] = [
      "round_prefer_floor": .halfDown, "round_prefer_ceil": .halfUp, "floor": .floor, "ceil": .ceil,
    ]
    let kind: Resize.Mode
    switch mode {
    case "nearest":
      guard var way = nearest[rounding] else { throw refuse("nearest_mode", "'\(rounding)' is no such mode") }
      if wanted == "tf_half_pixel_for_nn" { way = .halfUp }
      if opset == 10, changes.contains(where: { $0.value.scale < 1 }) {
        // The first Resize did not say; the package's own example takes the upper one where an axis shrinks.
        guard changes.allSatisfy({ $0.value.scale < 1 }) else {
          throw refuse("mode", "nearest places of axes that grow and of others that shrink, at opset 10")
        }
        way = .ceil
      }
      kind = .nearest(way)
    case "linear":
      guard !excludes else { throw refuse("exclude_outside", "it is of the cubic mode alone") }
      kind = .linear
    case "cubic" where !isFirst: kind = .cubic(a: Double(coefficient), excludesOutside: excludes)
    default: throw refuse("mode", "'\(mode)' is no mode of opset \(opset)")
    }

    var all: [Resize.Axis] = []
    for axis in 0..<rank {
      if let change = changes[axis] {
        all.append(change)
      } else if let places = source.places(axis) {
        all.append(Resize.Axis(size: places, results: places))
      }
    }
    var result = source
    result.value = add(
      .resize(Resize(kind, coordinates, axes: all)), node, inputs: [source.value], output: try output(node))
    let places = (0..<rank).map { axis in changes[axis].flatMap(\.results) ?? source.places(axis) }
    guard let features = checkedProduct(places.map { $0 ?? 1 }) else {
      throw .invalid(node: node.label, reason: "it makes too many places")
    }
    result.kind = source.kind.with(features: features)
    result.axes = View.inOrder(places, like: source.axes)
    if let time = changes.values.first(where: { $0.size == nil }) {
      result.clock = source.clock.stretched(by: Int(time.scale))
      result.timeSize = source.timeSize.map { time.results(of: $0) }
    }
    try set(node, result)
  }

  /// The axes that change, by scales or by sizes.
  private mutating func resized(
    _ node: ONNXNode, _ view: View, _ axes: [Int], _ factors: [Float]?
  ) throws(ONNXError) -> [Int: Resize.Axis] {
    var changes: [Int: Resize.Axis] = [:]
    var scales = factors
    let position = opset < 11 ? 1 : 2
    if scales == nil, has(node, position) {
      let tensor = try weight(node, position, "scales")
      if tensor.count > 0 { scales = tensor.floats }
    }
    func refuse(_ axis: Int, _ reason: String) -> ONNXError {
      .notImportable(node: node.label, reason: "it resizes axis \(axis) of \(describe(view.axes)), \(reason)")
    }
    let ofTime = "time, which can become a whole number of times as long, up to \(Resize.mostTimes), and not"
    if let scales {
      guard scales.count == axes.count, scales.allSatisfy({ $0 > 0 && $0.isFinite }) else {
        throw .invalid(node: node.label, reason: "scales \(scales.prefix(8)) of \(axes.count) axes")
      }
      for (axis, scale) in zip(axes, scales) where scale != 1 {
        if view.axes[axis] == [.time] {
          guard scale.rounded() == scale, scale <= Float(Resize.mostTimes) else {
            throw refuse(axis, "\(ofTime) \(scale) times")
          }
          changes[axis] = Resize.Axis(times: Int(scale))
          continue
        }
        guard let places = view.places(axis) else { throw refuse(axis, "along which rows do not meet") }
        let results = (Float(places) * scale).rounded(.down)
        guard results >= 1, results <= Float(ValueKind.mostFeatures) else {
          throw .invalid(node: node.label, reason: "\(places) places, \(scale) times as many")
        }
        changes[axis] = Resize.Axis(size: places, results: Int(results), scale: Double(scale))
      }
      return changes
    }
    guard has(node, 3) else { throw .missingInput(node: node.label, input: "scales or sizes") }
    let targets = try sizes(node, 3, "sizes").sizes
    guard targets.count == axes.count else {
      throw .invalid(node: node.label, reason: "\(targets.count) sizes of \(axes.count) axes")
    }
    for (axis, target) in zip(axes, targets) {
      let own = size(view.axes[axis], view)
      if target == own { continue }
      if let known = target.known, known == knownSize(view.axes[axis], view) { continue }
      if view.axes[axis] == [.time] {
        let factor: Int? =
          if let times = (target / own)?.known {
            times
          } else if let known = target.known ?? resolved(target), let steps = view.timeSize, steps > 0,
            known % steps == 0
          {
            known / steps
          } else { nil }
        guard let factor, (1...Resize.mostTimes).contains(factor) else {
          throw refuse(axis, "\(ofTime) to a size that is stated")
        }
        changes[axis] = Resize.Axis(times: factor)
        continue
      }
      guard let places = view.places(axis) else { throw refuse(axis, "along which rows do not meet") }
      guard let results = target.known ?? resolved(target), (1...ValueKind.mostFeatures).contains(results)
      else {
        throw refuse(axis, "to a size that the run decides")
      }
      changes[axis] = Resize.Axis(size: places, results: results)
    }
    return changes
  }
}

extension ONNXExporter {
  mutating func exportResize(_ layer: Layer, _ resize: Resize) throws(ONNXError) {
    func refuse(_ reason: String) -> ONNXError { .notExpressible(layer: layer.name, reason: reason) }
    guard opset >= 11 else { throw refuse("Resize needs opset 11 or newer, not \(opset)") }
    guard opset >= 19 || resize.coordinates != .halfPixelSymmetric else {
      throw refuse("half_pixel_symmetric needs opset 19 or newer, not \(opset)")
    }
    let kind = kinds[layer.inputs[0]!]!
    let inside = resize.axes.filter { $0.size != nil }
    let channels = kind.features / inside.reduce(1) { $0 * $1.size! }
    let front: [[AxisFactor]] = [[.batch], []] + (kind.hasTime ? [[.time]] : [])
    func arranged(_ places: [Int]) -> [[AxisFactor]] {
      View.inOrder(
        [nil, channels] + (kind.hasTime ? [nil] : []) + places.map { $0 },
        like: front + places.map { _ in [] })
    }
    let source = try materialise(layer.inputs[0]!, arranged(inside.map { $0.size! }), layer.name)
    let time = resize.axes.first { $0.size == nil }
    let scales =
      [1, 1] + (kind.hasTime ? [time?.scale ?? 1] : []) + inside.map(\.scale)
    // Sizes where no number of Float32 gives them.
    let isScaled = inside.allSatisfy { axis in
      Double(Float(axis.scale)) == axis.scale
        && (Float(axis.size!) * Float(axis.scale)).rounded(.down) == Float(axis.results!)
    }
    guard isScaled || time == nil && inside.allSatisfy({ $0.scale == Double($0.results!) / Double($0.size!) })
    else { throw refuse("scales that are no numbers of Float32 beside a time that is resized, too") }
    var attributes: [String: ONNXAttribute] = ["mode": .string(resize.mode.onnxName)]
    attributes["coordinate_transformation_mode"] = .string(resize.coordinates.onnxName)
    switch resize.mode {
    case .nearest(let rounding): attributes["nearest_mode"] = .string(rounding.onnxName)
    case .linear: break
    case .cubic(let a, let excludesOutside):
      attributes["cubic_coeff_a"] = .float(Float(a))
      if excludesOutside { attributes["exclude_outside"] = .int(1) }
    }
    /// Before opset 13 inputs that are left out have no elements.
    func none(_ wanted: String) -> String {
      if opset >= 13 { return "" }
      let name = unique("\(layer.name)_\(wanted)")
      initializers.append(.init(name, Tensor([] as [Float], shape: [0])))
      return name
    }
    var inputs = [source, none("roi")]
    if isScaled {
      let name = unique("\(layer.name)_scales")
      initializers.append(.init(name, Tensor(scales.map { Float($0) }, shape: [scales.count])))
      inputs.append(name)
    } else {
      let sizes = integers(inside.map { $0.results! }, as: "\(layer.name)_sizes")
      let count = front.count
      if opset >= 18 {
        attributes["axes"] = .ints(inside.indices.map { Int64(count + $0) })
        inputs += [none("scales"), sizes]
      } else {
        let shape = add("Shape", [source], as: "\(layer.name)_shape")
        let kept = slice(shape, axis: 0, 0..<count, as: "\(layer.name)_front")
        inputs += [
          none("scales"), add("Concat", [kept, sizes], as: "\(layer.name)_all", ["axis": .int(0)]),
        ]
      }
    }
    let name = add("Resize", inputs, as: result(layer), attributes, name: layer.name)
    hold(output(layer, 0), name, arranged(inside.map { $0.results! }))
  }
}

extension Resize.Mode {
  fileprivate var onnxName: String {
    switch self {
    case .nearest: "nearest"
    case .linear: "linear"
    case .cubic: "cubic"
    }
  }
}

extension Resize.Rounding {
  fileprivate var onnxName: String {
    switch self {
    case .halfDown: "round_prefer_floor"
    case .halfUp: "round_prefer_ceil"
    case .floor: "floor"
    case .ceil: "ceil"
    }
  }
}

extension Resize.Coordinates {
  fileprivate var onnxName: String {
    switch self {
    case .halfPixel: "half_pixel"
    case .halfPixelSymmetric: "half_pixel_symmetric"
    case .pytorchHalfPixel: "pytorch_half_pixel"
    case .alignCorners: "align_corners"
    case .asymmetric: "asymmetric"
    }
  }
}
