internal import Tensors

/// The modules that the names of a state dict speak of, in the order of their first tensors.
package struct ModuleIndex {
  package enum Kind {
    case recurrent(Architecture.Recurrent)
    /// `[rows, columns]`, with or without a bias `[rows]`: a Linear or an Embedding.
    case matrix(Architecture.Parameters, rows: Int, columns: Int)
    /// `[size]`, with or without a bias `[size]`: a LayerNorm, unless a pickled module says that it is something else.
    case vector(Architecture.Parameters, size: Int)
    /// `[O, C/groups, k…]`, with or without a bias `[O]`.
    case convolution(Architecture.Parameters, shape: [Int])
    /// Running statistics `[C]`, with or without a weight and a bias `[C]`.
    case batchNorm(Architecture.BatchNorm, size: Int)
    /// Anything else.
    case other
  }

  package struct Module {
    package let name: String
    package let kind: Kind
    package let tensors: [String]

    package var recurrent: Architecture.Recurrent? {
      if case .recurrent(let module) = kind { module } else { nil }
    }
  }

  package let modules: [Module]

  /// The module of this name that is made of vectors.
  func vector(_ name: String) -> (names: Architecture.Parameters, size: Int)? {
    modules.lazy.compactMap { module in
      if module.name == name, case .vector(let names, let size) = module.kind { (names, size) } else { nil }
    }.first
  }

  /// The convolution of this name, with the shape of its weight.
  func convolution(_ name: String) -> (names: Architecture.Parameters, shape: [Int])? {
    modules.lazy.compactMap { module in
      if module.name == name, case .convolution(let names, let shape) = module.kind {
        (names, shape)
      } else {
        nil
      }
    }.first
  }

  /// The BatchNorm of this name.
  func batchNorm(_ name: String) -> Architecture.BatchNorm? {
    modules.lazy.compactMap { module in
      if module.name == name, case .batchNorm(let norm, _) = module.kind { norm } else { nil }
    }.first
  }

  package init(_ state: StateDict) throws(StateDictError) {
    var names: [String] = []
    var members: [String: [StateDict.Entry]] = [:]
    for entry in state.entries {
      let module = TorchNames.parse(entry.name)?.module ?? Self.split(entry.name).module
      if members[module] == nil { names.append(module) }
      members[module, default: []].append(entry)
    }
    var modules: [Module] = []
    for name in names {
      let entries = members[name]!
      let recurrent = entries.filter { TorchNames.parse($0.name) != nil }
      if !recurrent.isEmpty {
        let module = try Self.recurrent(name, recurrent)
        modules.append(Module(name: name, kind: .recurrent(module), tensors: recurrent.map(\.name)))
      }
      let rest = entries.filter { TorchNames.parse($0.name) == nil }
      if !rest.isEmpty {
        let kind = recurrent.isEmpty ? Self.weighted(name, rest, state.modules[name]?.className) : .other
        modules.append(Module(name: name, kind: kind, tensors: rest.map(\.name)))
      }
    }
    self.modules = modules
  }

  /// `fc.weight` is the weight of `fc`, and so is `fc_w`; a name without such an ending is a module by itself.
  private static func split(_ name: String) -> (module: String, leaf: String?) {
    for (endings, leaf) in [(["weight", "w"], "weight"), (["bias", "b"], "bias")] {
      for ending in endings {
        if name == ending { return ("", leaf) }
        for separator in [".", "_"] where name.hasSuffix(separator + ending) {
          return (String(name.dropLast(ending.count + 1)), leaf)
        }
      }
    }
    // `bn.running_mean` belongs to `bn`.
    if let dot = name.lastIndex(of: ".") { return (String(name[..<dot]), nil) }
    return (name, "weight")
  }

  private static func weighted(
    _ name: String, _ entries: [StateDict.Entry], _ className: String?
  ) -> Kind {
    if let norm = batchNorm(name, entries) { return norm }
    var weight: StateDict.Entry?
    var bias: StateDict.Entry?
    for entry in entries {
      switch split(entry.name).leaf {
      case "weight" where weight == nil: weight = entry
      case "bias" where bias == nil: bias = entry
      default: return .other
      }
    }
    guard let weight, weight.tensor.elementType.isFloat else { return .other }
    if weight.tensor.shape.count == 1 {
      guard className?.hasSuffix("torch.nn.modules.normalization.LayerNorm") ?? true,
        bias.map({ $0.tensor.shape == weight.tensor.shape }) ?? true
      else { return .other }
      return .vector(
        Architecture.Parameters(name: name, weight: weight.name, bias: bias?.name), size: weight.tensor.count)
    }
    if (3...5).contains(weight.tensor.shape.count) {
      guard weight.tensor.count > 0, bias.map({ $0.tensor.shape == [weight.tensor.shape[0]] }) ?? true else {
        return .other
      }
      return .convolution(
        Architecture.Parameters(name: name, weight: weight.name, bias: bias?.name),
        shape: weight.tensor.shape)
    }
    guard weight.tensor.shape.count == 2 else { return .other }
    let (rows, columns) = (weight.tensor.shape[0], weight.tensor.shape[1])
    if let bias, bias.tensor.shape != [rows] { return .other }
    return .matrix(
      Architecture.Parameters(name: name, weight: weight.name, bias: bias?.name), rows: rows, columns: columns
    )
  }

  /// `running_mean` and `running_var` are of a BatchNorm; its `num_batches_tracked` is of training.
  private static func batchNorm(_ name: String, _ entries: [StateDict.Entry]) -> Kind? {
    func entry(_ leaf: String) -> StateDict.Entry? {
      entries.first { $0.name == (name.isEmpty ? leaf : "\(name).\(leaf)") }
    }
    guard let mean = entry("running_mean"), let variance = entry("running_var") else { return nil }
    let (weight, bias) = (entry("weight"), entry("bias"))
    let vectors = [mean, variance] + [weight, bias].compactMap { $0 }
    guard mean.tensor.shape.count == 1, (weight == nil) == (bias == nil),
      vectors.allSatisfy({ $0.tensor.shape == mean.tensor.shape && $0.tensor.elementType.isFloat })
    else { return nil }
    return .batchNorm(
      Architecture.BatchNorm(
        name: name, weight: weight?.name, bias: bias?.name, mean: mean.name, variance: variance.name),
      size: mean.tensor.count)
  }

  // MARK: Recurrent modules

  /// Layers, directions and the kind of cell, from names and shapes.
  ///
  /// H is the columns of W_hr where there is one, else those of W_hh; W_hh's rows are 4·H, 3·H or H.
  private static func recurrent(
    _ name: String, _ entries: [StateDict.Entry]
  ) throws(StateDictError) -> Architecture.Recurrent {
    func refuse(_ reason: String) -> StateDictError { .badModule(name, reason: reason) }
    struct Place: Hashable {
      var layer: Int
      var isReverse: Bool
    }
    var tensors: [Place: [TorchNames.Kind: StateDict.Entry]] = [:]
    for entry in entries {
      let parsed = TorchNames.parse(entry.name)!
      let place = Place(layer: parsed.layer ?? 0, isReverse: parsed.isReverse)
      guard tensors[place, default: [:]].updateValue(entry, forKey: parsed.kind) == nil else {
        throw refuse("'\(entry.name)' has a twin under another name")
      }
    }
    let count = tensors.keys.map(\.layer).max()! + 1
    let isBidirectional = tensors.keys.contains { $0.isReverse }
    guard tensors.count == count * (isBidirectional ? 2 : 1) else {
      throw refuse(
        "its layers 0 to \(count - 1) are not all there\(isBidirectional ? ", forward and reverse" : "")")
    }

    var result: Architecture.Recurrent?
    var layers: [[Architecture.Names]] = []
    for layer in 0..<count {
      var directions: [Architecture.Names] = []
      for isReverse in isBidirectional ? [false, true] : [false] {
        guard let found = tensors[Place(layer: layer, isReverse: isReverse)] else {
          throw refuse("layer \(layer) is not there\(isReverse ? " in reverse" : "")")
        }
        guard let input = found[.inputWeight], let hidden = found[.hiddenWeight] else {
          throw refuse("layer \(layer) has no \(found[.inputWeight] == nil ? "weight_ih" : "weight_hh")")
        }
        for entry in found.values where !entry.tensor.elementType.isFloat {
          throw refuse("'\(entry.name)' holds \(entry.tensor.elementType.rawValue), not floats")
        }
        guard hidden.tensor.shape.count == 2, input.tensor.shape.count == 2 else {
          throw refuse("'\(hidden.name)' or '\(input.name)' is not a matrix")
        }
        let projection = found[.projection]
        if let projection, projection.tensor.shape.count != 2 {
          throw refuse("'\(projection.name)' is not a matrix")
        }
        let (rows, columns) = (hidden.tensor.shape[0], hidden.tensor.shape[1])
        let size = projection?.tensor.shape[1] ?? columns
        let mode = Architecture.Recurrent.Mode.allCases.first {
          rows % $0.blocks == 0 && rows / $0.blocks == size
        }
        guard let mode, size > 0 else {
          throw refuse(
            "'\(hidden.name)' of shape \(hidden.tensor.shape) is no 4·H, 3·H or H rows for H = \(size)")
        }
        guard projection == nil || mode == .lstm else { throw refuse("only an LSTM has a projection") }
        let module =
          result
          ?? Architecture.Recurrent(
            name: name, mode: mode, inputSize: input.tensor.shape[1], hiddenSize: size,
            projectionSize: projection?.tensor.shape[0], isBidirectional: isBidirectional, layers: [])
        result = module
        guard module.mode == mode, module.hiddenSize == size else {
          throw refuse(
            "layer \(layer) is \(mode.rawValue) of \(size), layer 0 \(module.mode.rawValue) of \(module.hiddenSize)"
          )
        }
        let width = layer == 0 ? module.inputSize : module.directions * module.outputSize
        let shapes: [TorchNames.Kind: [Int]] = [
          .inputWeight: [rows, width], .hiddenWeight: [rows, module.outputSize], .inputBias: [rows],
          .hiddenBias: [rows], .projection: [module.outputSize, size],
        ]
        for (kind, entry) in found where entry.tensor.shape != shapes[kind]! {
          throw .wrongShape(entry.name, expected: shapes[kind]!, found: entry.tensor.shape)
        }
        guard (projection == nil) == (module.projectionSize == nil) else {
          throw refuse("only some of its layers have a projection")
        }
        directions.append(
          Architecture.Names(
            inputWeight: input.name, hiddenWeight: hidden.name, inputBias: found[.inputBias]?.name,
            hiddenBias: found[.hiddenBias]?.name, projection: projection?.name))
      }
      layers.append(directions)
    }
    result!.layers = layers
    return result!
  }
}
