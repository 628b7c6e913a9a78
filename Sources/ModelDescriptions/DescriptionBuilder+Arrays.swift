internal import ByteIO
internal import Recurrent
internal import Tensors

extension DescriptionBuilder {
  /// An array by its name in the file of weights, or written out as numbers.
  func array(_ node: DescriptionNode) throws(DescriptionError) -> Tensor {
    guard case .string(let name) = node.value else { return try written(node) }
    if let tensor = weights[name] { return tensor }
    let known = weights.keys.sorted()
    let some = known.prefix(12).joined(separator: ", ") + (known.count > 12 ? ", …" : "")
    throw node.wrong(
      known.isEmpty
        ? "there is no file of weights to find '\(name)' in"
        : "\(source) holds no array '\(name)', only \(some)")
  }

  /// A matrix as `[out, in]`, whichever way round it is stored.
  func matrix(_ node: DescriptionNode) throws(DescriptionError) -> Tensor {
    let tensor = try array(node)
    guard tensor.shape.count == 2 else {
      throw node.wrong("a matrix has two axes, this has shape \(tensor.shape)")
    }
    guard let outputsFirst else {
      throw node.wrong(
        "say how matrices are stored: \"matrices\": \"out,in\" (W x, PyTorch) or \"in,out\" (x W, Keras), at the top"
      )
    }
    return outputsFirst ? tensor : tensor.transposed([1, 0])
  }

  /// Numbers, or rows of numbers, as F32.
  private func written(_ node: DescriptionNode) throws(DescriptionError) -> Tensor {
    let elements = try node.list()
    func numbers(_ nodes: [DescriptionNode]) throws(DescriptionError) -> [Float] {
      try nodes.map { node throws(DescriptionError) in Float(try node.number()) }
    }
    guard let first = elements.first, case .array(let row) = first.value else {
      return Tensor(try numbers(elements), shape: [elements.count])
    }
    var all: [Float] = []
    for element in elements {
      let part = try numbers(try element.list())
      guard part.count == row.count else {
        throw element.wrong("\(part.count) numbers, the first row has \(row.count)")
      }
      all += part
    }
    return Tensor(all, shape: [elements.count, row.count])
  }

  /// `"tanh"`, or `{"kind": "hardSigmoid", "alpha": 0.2, "beta": 0.5}`.
  func activation(_ node: DescriptionNode) throws(DescriptionError) -> Activation {
    func kind(_ node: DescriptionNode) throws(DescriptionError) -> Activation.Kind {
      Activation.Kind(rawValue: try node.word(Activation.Kind.allCases.map(\.rawValue)))!
    }
    guard node.isObject else {
      let kind = try kind(node)
      guard kind.parameterCount == 0 else {
        throw node.wrong(
          "\(kind.rawValue) has \(kind.parameterCount == 1 ? "alpha" : "alpha and beta"): state them")
      }
      return Activation(kind)
    }
    return try node.object { object throws(DescriptionError) in
      let kind = try kind(object.required("kind"))
      return Activation(
        kind, alpha: kind.parameterCount >= 1 ? try object.required("alpha").number() : 0,
        beta: kind.parameterCount >= 2 ? try object.required("beta").number() : 0)
    }
  }

  // MARK: Gates

  /// The blocks of all gates in canonical order, from one stacked array in the order `given`, or from one array a gate.
  func stacked(
    _ node: DescriptionNode, _ canonical: GateOrder, given: [Gate]?,
    _ read: (DescriptionNode) throws(DescriptionError) -> Tensor
  ) throws(DescriptionError) -> Tensor {
    if node.isObject {
      return try node.object { object throws(DescriptionError) in
        var parts: [Tensor] = []
        for gate in canonical.gates { parts.append(try read(try object.required(gate.rawValue))) }
        guard parts.allSatisfy({ $0.shape == parts[0].shape && $0.elementType == parts[0].elementType })
        else {
          throw node.wrong("the gates' arrays are of shapes \(parts.map(\.shape))")
        }
        return Tensor.concatenated(parts)
      }
    }
    let tensor = try read(node)
    if canonical.gates.count == 1 { return tensor }
    guard let given else {
      throw node.wrong(
        "say in which order the gates are stacked, such as \"gates\": \"\(canonical.gates.map(\.rawValue).joined(separator: " "))\", "
          + "or give one array for each gate")
    }
    let order = given.filter { canonical.gates.contains($0) }
    guard let rows = tensor.shape.first, rows % order.count == 0 else {
      throw node.wrong("shape \(tensor.shape) does not divide into \(order.count) gates")
    }
    let height = rows / order.count
    return tensor.rows(
      canonical.gates.map { gate in
        let block = order.firstIndex(of: gate)!
        return (block * height)..<((block + 1) * height)
      })
  }

  /// `"i f g o"`: every gate of the cell once.
  func gates(_ node: DescriptionNode?, _ canonical: GateOrder) throws(DescriptionError) -> [Gate]? {
    guard let node else { return nil }
    let letters = try node.text().filter { $0 != " " && $0 != "," }
    let gates = letters.compactMap { Gate(rawValue: String($0)) }
    guard gates.count == letters.count, Set(gates) == Set(canonical.gates),
      gates.count == canonical.gates.count
    else {
      throw node.wrong("the gates are \(canonical.gates.map(\.rawValue).joined(separator: " ")), each once")
    }
    return gates
  }
}
