public import Tensors

/// A tensor of a layer, by its role.
public struct NamedTensor: Sendable, Equatable {
  public let layer: String
  /// Such as `forward.inputWeight` or `table`.
  public let role: String
  public let tensor: Tensor
}

extension DirectionParameters {
  /// Every tensor with its role, in canonical order.
  public var tensors: [(role: String, tensor: Tensor)] {
    let all: [(String, Tensor?)] = [
      ("inputWeight", inputWeight), ("recurrentWeight", recurrentWeight), ("inputBias", inputBias),
      ("recurrentBias", recurrentBias), ("peepholes", peepholes), ("projection", projection),
    ]
    return all.compactMap { role, tensor in tensor.map { (role, $0) } }
  }
}

extension RecurrentLayer {
  /// `forward` or `reverse` for each weight set.
  public var directionNames: [String] {
    switch direction {
    case .forward: ["forward"]
    case .reverse: ["reverse"]
    case .bidirectional: ["forward", "reverse"]
    }
  }
}

extension Operation {
  /// Every tensor with its role, in canonical order.
  public var tensors: [(role: String, tensor: Tensor)] {
    switch self {
    case .recurrent(let layer):
      zip(layer.directionNames, layer.directions).flatMap { name, direction in
        direction.tensors.map { ("\(name).\($0.role)", $0.tensor) }
      }
    case .embedding(let table): [("table", table)]
    case .dense(let weight, let bias): [("weight", weight)] + (bias.map { [("bias", $0)] } ?? [])
    case .arithmetic(_, let constant, _): constant.map { [("constant", $0)] } ?? []
    case .constant(let tensor): [("value", tensor)]
    case .generate(let generate):
      generate.body.flatMap { layer in layer.operation.tensors.map { ("\(layer.name).\($0.role)", $0.tensor) }
      }
    case .activation, .softmax, .logSoftmax, .select, .concat, .slice, .reverse, .dropout, .argMax: []
    }
  }
}

extension Model {
  /// Every tensor of every layer, in order.
  public var tensors: [NamedTensor] {
    layers.flatMap { layer in
      layer.operation.tensors.map { NamedTensor(layer: layer.name, role: $0.role, tensor: $0.tensor) }
    }
  }

  public var parameterCount: Int { tensors.reduce(0) { $0 + $1.tensor.count } }
}

extension Operation {
  /// The operation with each of its tensors replaced.
  public func mapTensors(_ transform: (Tensor) -> Tensor) -> Operation {
    switch self {
    case .recurrent(var layer):
      layer.directions = layer.directions.map { direction in
        var direction = direction
        direction.inputWeight = transform(direction.inputWeight)
        direction.recurrentWeight = transform(direction.recurrentWeight)
        direction.inputBias = direction.inputBias.map(transform)
        direction.recurrentBias = direction.recurrentBias.map(transform)
        direction.peepholes = direction.peepholes.map(transform)
        direction.projection = direction.projection.map(transform)
        return direction
      }
      return .recurrent(layer)
    case .embedding(let table): return .embedding(table: transform(table))
    case .dense(let weight, let bias): return .dense(weight: transform(weight), bias: bias.map(transform))
    case .arithmetic(let arithmetic, let constant, let constantFirst):
      return .arithmetic(arithmetic, constant: constant.map(transform), constantFirst: constantFirst)
    case .constant(let tensor): return .constant(transform(tensor))
    case .generate(var generate):
      for index in generate.body.indices {
        generate.body[index].operation = generate.body[index].operation.mapTensors(transform)
      }
      return .generate(generate)
    case .activation, .softmax, .logSoftmax, .select, .concat, .slice, .reverse, .dropout, .argMax:
      return self
    }
  }
}
