internal import Recurrent
internal import Tensors

extension ONNXExporter {
  mutating func export(_ layer: Layer) throws(ONNXError) {
    switch layer.operation {
    case .recurrent(let recurrent): return try exportRecurrent(layer, recurrent)
    case .generate(let generate): return try exportGenerate(layer, generate)
    case .embedding(let embedding):
      let ids = layer.inputs[0]!
      let indices = anyHolder(ids)
      let name = add(
        "Gather", [try weight(embedding.table, as: "\(layer.name)_table"), indices.name], as: result(layer),
        name: layer.name)
      hold(output(layer, 0), name, indices.axes + [View.features(embedding.table.shape[1])])
    case .dense(let dense): return try exportDense(layer, dense.weight, dense.bias)
    case .activation(let activation):
      let holder = anyHolder(layer.inputs[0]!)
      hold(output(layer, 0), try apply(activation, holder.name, layer), holder.axes)
    case .softmax, .logSoftmax:
      let holder = try endingInFeatures(layer.inputs[0]!)
      // The last axis: before opset 13 all axes from it on, which is the same.
      let name = add(
        layer.operation.name, [holder.name], as: result(layer), ["axis": .int(Int64(holder.axes.count - 1))],
        name: layer.name)
      hold(output(layer, 0), name, holder.axes)
    case .select(let selection): return try exportSelect(layer, selection)
    case .concat:
      let values = layer.inputs.compactMap { $0 }
      if exportStackedConcat(layer, values) { break }
      let axes = View.canonicalAxes(kinds[values[0]]!).dropLast()
      let names = try values.map { (value) throws(ONNXError) in
        try materialise(value, axes + [View.features(kinds[value]!.features)], value)
      }
      let name = add("Concat", names, as: result(layer), ["axis": .int(Int64(axes.count))], name: layer.name)
      hold(output(layer, 0), name, axes + [View.features(kinds[output(layer, 0)!]!.features)])
    case .slice(let slice):
      let (start, count) = (slice.start, slice.count)
      if let (holder, axis, stride) = stackedHolder(layer.inputs[0]!), start % stride == 0,
        count % stride == 0
      {
        let range = (start / stride)..<((start + count) / stride)
        var axes = holder.axes
        axes[axis] = [.features(stride: stride, count: range.count)]
        hold(output(layer, 0), self.slice(holder.name, axis: axis, range, as: result(layer)), axes)
        break
      }
      let holder = try endingInFeatures(layer.inputs[0]!)
      let name = self.slice(
        holder.name, axis: holder.axes.count - 1, start..<(start + count), as: result(layer))
      hold(output(layer, 0), name, holder.axes.dropLast() + [View.features(count)])
    case .arithmetic(let arithmetic): try exportArithmetic(layer, arithmetic)
    case .reverse:
      let value = layer.inputs[0]!
      let axes = View.canonicalAxes(kinds[value]!)
      let name = try materialise(value, axes, value)
      hold(output(layer, 0), try exportReverse(layer, name), axes)
    case .constant(let constant) where constant.value.shape[0] == 1 && opset < 8:
      throw .notExpressible(
        layer: layer.name, reason: "a constant for every row needs Expand, opset 8 or newer")
    case .constant(let constant) where constant.value.shape.count == 1:
      let tensor = constant.value
      let name = unique("\(layer.name)_value")
      initializers.append(.init(name, tensor))
      let isBroadcast = tensor.shape[0] == 1
      hold(
        output(layer, 0),
        isBroadcast ? add("Expand", [name, try batchSize()], as: result(layer), name: layer.name) : name,
        [[.batch]])
    case .constant(let constant):
      let tensor = constant.value
      let features = tensor.shape[1]
      let name = try weight(tensor, as: "\(layer.name)_value")
      if tensor.shape[0] == 1 {
        let width = integers([features], as: "features")
        let shape = add("Concat", [try batchSize(), width], as: "\(layer.name)_shape", ["axis": .int(0)])
        hold(
          output(layer, 0), add("Expand", [name, shape], as: result(layer), name: layer.name),
          [[.batch], View.features(features)])
      } else {
        hold(output(layer, 0), name, [[.batch], View.features(features)])
      }
    case .dropout(let dropout):
      let holder = anyHolder(layer.inputs[0]!)
      let narrow = narrow(dropout.ratio, "ratio", layer)
      let name: String
      if opset >= 12 {
        let value = unique("\(layer.name)_ratio")
        initializers.append(.init(value, Tensor([narrow], shape: [])))
        name = add("Dropout", [holder.name, value], as: result(layer), name: layer.name)
      } else {
        name = add("Dropout", [holder.name], as: result(layer), ["ratio": .float(narrow)], name: layer.name)
      }
      hold(output(layer, 0), name, holder.axes)
    case .argMax:
      let holder = try endingInFeatures(layer.inputs[0]!)
      let name = add(
        "ArgMax", [holder.name], as: result(layer),
        ["axis": .int(Int64(holder.axes.count - 1)), "keepdims": .int(0)], name: layer.name)
      hold(output(layer, 0), name, Array(holder.axes.dropLast()))
    }
    note(layer, .exact, layer.operation.name)
  }

  private func result(_ layer: Layer) -> String { output(layer, 0) ?? layer.name }

  private func anyHolder(_ value: String) -> Holder { holders[value]!.first! }

  /// A tensor that holds the major part of a value's features on an axis of its own, such as directions or layers.
  private func stackedHolder(_ value: String) -> (holder: Holder, axis: Int, stride: Int)? {
    let features = kinds[value]!.features
    for holder in holders[value] ?? [] {
      for (axis, factors) in holder.axes.enumerated() {
        if case .features(let stride, let count)? = factors.first, factors.count == 1, stride > 1,
          stride * count == features
        {
          return (holder, axis, stride)
        }
      }
    }
    return nil
  }

  /// Joins states `[D, B, H]` along their first axis as they are; false where they are arranged differently.
  private mutating func exportStackedConcat(_ layer: Layer, _ values: [String]) -> Bool {
    var names: [String] = []
    var joined: (axes: [[AxisFactor]], axis: Int, stride: Int)?
    var total = 0
    for value in values {
      // With one direction the axis of directions is of size 1 and holds no factor.
      let unit = View.features(kinds[value]!.features)
      let single = holders[value]?.first { $0.axes == [[], [.batch], unit] }
      guard let found = stackedHolder(value) ?? single.map({ ($0, 0, kinds[value]!.features) }) else {
        return false
      }
      var axes = found.holder.axes
      axes[found.axis] = []
      guard joined == nil || joined! == (axes, found.axis, found.stride) else { return false }
      joined = (axes, found.axis, found.stride)
      names.append(found.holder.name)
      total += kinds[value]!.features / found.stride
    }
    guard var joined else { return false }
    joined.axes[joined.axis] = [.features(stride: joined.stride, count: total)]
    let name = add("Concat", names, as: result(layer), ["axis": .int(Int64(joined.axis))], name: layer.name)
    hold(output(layer, 0), name, joined.axes)
    return true
  }

  private mutating func exportDense(_ layer: Layer, _ weight: Tensor, _ bias: Tensor?) throws(ONNXError) {
    let holder = try endingInFeatures(layer.inputs[0]!)
    let rows = weight.shape[0]
    let name: String
    if holder.axes.count == 2 {
      var inputs = [holder.name, try self.weight(weight, as: "\(layer.name)_weight")]
      if let bias { inputs.append(try self.weight(bias, as: "\(layer.name)_bias")) }
      // Gemm's third input is optional from opset 11 on.
      if bias == nil, opset < 11 {
        let product = try self.weight(weight.transposed([1, 0]), as: "\(layer.name)_kernel")
        initializers.removeAll { $0.name == inputs[1] }
        name = add("MatMul", [holder.name, product], as: result(layer), name: layer.name)
      } else {
        name = add("Gemm", inputs, as: result(layer), ["transB": .int(1)], name: layer.name)
      }
    } else {
      let kernel = try self.weight(weight.transposed([1, 0]), as: "\(layer.name)_kernel")
      var product = add(
        "MatMul", [holder.name, kernel], as: bias == nil ? result(layer) : "\(layer.name)_product",
        name: layer.name)
      if let bias {
        product = add("Add", [product, try self.weight(bias, as: "\(layer.name)_bias")], as: result(layer))
      }
      name = product
    }
    hold(output(layer, 0), name, holder.axes.dropLast() + [View.features(rows)])
    note(layer, .exact, "weight [\(rows), \(weight.shape[1])]")
  }

  private mutating func exportReverse(_ layer: Layer, _ name: String) throws(ONNXError) -> String {
    guard opset >= 10 else {
      throw .notExpressible(layer: layer.name, reason: "reversing steps needs opset 10 or newer")
    }
    if let lengths = input(layer, 1) {
      let rows = cast(try materialise(lengths, [[.batch]], lengths), .int64)
      return add(
        "ReverseSequence", [name, rows], as: result(layer), ["time_axis": .int(0), "batch_axis": .int(1)],
        name: layer.name)
    }
    // [::-1]; the end lies before any first step.
    let inputs = [
      name, integers([-1], as: "starts"), integers([Int(Int64.min + 1)], as: "ends"),
      integers([0], as: "axes"),
      integers([-1], as: "steps"),
    ]
    return add("Slice", inputs, as: result(layer), name: layer.name)
  }

  private mutating func exportSelect(_ layer: Layer, _ selection: Selection) throws(ONNXError) {
    let value = layer.inputs[0]!
    let kind = kinds[value]!
    var holder = anyHolder(value)
    if holder.axes.firstIndex(of: [.time]) == nil {
      let axes = View.canonicalAxes(kind)
      holder = Holder(name: try materialise(value, axes, value), axes: axes)
    }
    var axis = holder.axes.firstIndex(of: [.time])!
    var name: String
    switch selection {
    case .step(let step):
      let index = integers([step], as: "step", scalar: true)
      name = add(
        "Gather", [holder.name, index], as: result(layer), ["axis": .int(Int64(axis))], name: layer.name)
    case .mean, .max:
      let operation = selection == .mean ? "ReduceMean" : "ReduceMax"
      if opset >= 18 {
        name = add(
          operation, [holder.name, integers([axis], as: "axes")], as: result(layer), ["keepdims": .int(0)],
          name: layer.name)
      } else {
        name = add(
          operation, [holder.name], as: result(layer), ["axes": .ints([Int64(axis)]), "keepdims": .int(0)],
          name: layer.name)
      }
    case .lastValid:
      guard opset >= 11 else {
        throw .notExpressible(
          layer: layer.name, reason: "the last valid step needs GatherElements, opset 11 or newer")
      }
      // GatherElements([T, B, F], (lengths − 1) as [1, B, F], axis 0).
      let axes = View.canonicalAxes(kind)
      holder = Holder(name: try materialise(value, axes, value), axes: axes)
      axis = 0
      var lengths = try materialise(layer.inputs[1]!, [[.batch]], layer.name)
      lengths = cast(lengths, .int64)
      let one = integers([1], as: "one")
      let last = add("Sub", [lengths, one], as: "\(layer.name)_last")
      let column = squeeze("Unsqueeze", last, [0, 2], as: "\(layer.name)_column")
      let shape = integers([1, 1, kind.features], as: "shape")
      let indices = add("Expand", [column, shape], as: "\(layer.name)_indices")
      name = add(
        "GatherElements", [holder.name, indices], as: "\(layer.name)_step", ["axis": .int(0)],
        name: layer.name)
      name = squeeze("Squeeze", name, [0], as: result(layer))
    }
    var axes = holder.axes
    axes.remove(at: axis)
    hold(output(layer, 0), name, axes)
  }

  private mutating func exportArithmetic(
    _ layer: Layer, _ arithmetic: Arithmetic
  ) throws(ONNXError) {
    let names: [Arithmetic.Operator: String] = [
      .add: "Add", .subtract: "Sub", .multiply: "Mul", .divide: "Div",
    ]
    let operation = names[arithmetic.operator]!
    guard let constant = arithmetic.constant else {
      let left = anyHolder(layer.inputs[0]!)
      let right = try materialise(layer.inputs[1]!, left.axes, layer.name)
      return hold(
        output(layer, 0), add(operation, [left.name, right], as: result(layer), name: layer.name), left.axes)
    }
    let holder = constant.count == 1 ? anyHolder(layer.inputs[0]!) : try endingInFeatures(layer.inputs[0]!)
    let other = try weight(constant, as: "\(layer.name)_constant")
    let name = add(
      operation, arithmetic.constantFirst ? [other, holder.name] : [holder.name, other], as: result(layer),
      name: layer.name)
    hold(output(layer, 0), name, holder.axes)
  }

  /// A pointwise function as one operator, or as the few that make it up.
  private mutating func apply(_ activation: Activation, _ x: String, _ layer: Layer) throws(ONNXError)
    -> String
  {
    let wanted = result(layer)
    func alpha() -> Double { activation.alpha }
    func simple(_ operation: String, _ attributes: [String: ONNXAttribute] = [:]) -> String {
      add(operation, [x], as: wanted, attributes, name: layer.name)
    }
    func number(_ value: Double) throws(ONNXError) -> String {
      do {
        return try weight(
          try Tensor([value], shape: [1]).converted(to: computeType).tensor, as: "\(layer.name)_number")
      } catch let error as ONNXError { throw error } catch {
        throw .notExpressible(layer: layer.name, reason: "\(value) in \(computeType.rawValue)")
      }
    }
    switch activation.kind {
    case .identity: return simple("Identity")
    case .tanh: return simple("Tanh")
    case .sigmoid: return simple("Sigmoid")
    case .relu: return simple("Relu")
    case .softsign: return simple("Softsign")
    case .softplus: return simple("Softplus")
    case .leakyRelu: return simple("LeakyRelu", ["alpha": .float(narrow(activation.alpha, "α", layer))])
    case .elu: return simple("Elu", ["alpha": .float(narrow(activation.alpha, "α", layer))])
    case .hardSigmoid:
      return simple(
        "HardSigmoid",
        [
          "alpha": .float(narrow(activation.alpha, "α", layer)),
          "beta": .float(narrow(activation.beta, "β", layer)),
        ])
    case .thresholdedRelu:
      guard opset >= 10 else {
        throw .notExpressible(layer: layer.name, reason: "ThresholdedRelu needs opset 10 or newer")
      }
      return simple("ThresholdedRelu", ["alpha": .float(narrow(activation.alpha, "α", layer))])
    case .inclusiveThresholdedRelu:
      throw .notExpressible(
        layer: layer.name,
        reason:
          "x = α passes here; the operator ThresholdedRelu, unlike that of the recurrent operators, lets only x > α pass"
      )
    case .affine:
      let scaled = add("Mul", [x, try number(activation.alpha)], as: "\(wanted)_scaled")
      return add("Add", [scaled, try number(activation.beta)], as: wanted, name: layer.name)
    case .scaledTanh:
      let scaled = add("Mul", [x, try number(activation.beta)], as: "\(wanted)_scaled")
      let tanh = add("Tanh", [scaled], as: "\(wanted)_tanh")
      return add("Mul", [tanh, try number(activation.alpha)], as: wanted, name: layer.name)
    case .silu:
      return add("Mul", [x, add("Sigmoid", [x], as: "\(wanted)_gate")], as: wanted, name: layer.name)
    case .gelu:
      if opset >= 20 { return simple("Gelu") }
      guard opset >= 9 else { throw .notExpressible(layer: layer.name, reason: "Gelu needs opset 9 (Erf)") }
      let scaled = add("Div", [x, try number(2.0.squareRoot())], as: "\(wanted)_scaled")
      let erf = add("Erf", [scaled], as: "\(wanted)_erf")
      let shifted = add("Add", [erf, try number(1)], as: "\(wanted)_shifted")
      let half = add("Mul", [x, try number(0.5)], as: "\(wanted)_half")
      note(layer, .rounded, "Gelu written as 0.5·x·(1 + erf(x/√2)), √2 rounded to \(computeType.rawValue)")
      return add("Mul", [half, shifted], as: wanted, name: layer.name)
    }
  }
}
