internal import ByteIO
internal import Recurrent
internal import Tensors

// Products over axes: what MatMul and Einsum have in common.
extension ONNXImporter {
  /// `y[…, g, f, …] = Σ_k weight[g, f, k] · x[…, g, k, …]`: a product over some axes of features, the same one at every place of
  /// the others, and one of its own at each place of `groups`. A window of one place where it is no dense layer.
  ///
  /// - Parameters:
  ///   - groups: axes of `x` that hold features alone.
  ///   - over: the same of those that are summed over.
  ///   - weight: `[G, F, K]`, with as many places as the axes of `groups` and `over` hold.
  ///   - name: of the value that it makes; nil for one of its own.
  /// - Returns: its axes are those of `groups`, one of F features, and the others of `x` in order.
  mutating func product(
    _ node: ONNXNode, _ x: View, groups: [Int], over: [Int], weight: Tensor, as name: String? = nil
  ) throws(ONNXError) -> View {
    let (g, f, k) = (weight.shape[0], weight.shape[1], weight.shape[2])
    guard weight.count > 0 else {
      throw .invalid(node: node.label, reason: "its constant of shape \(weight.shape) is empty")
    }
    let others = x.axes.indices.filter { !groups.contains($0) && !over.contains($0) }
    var source = x
    source.axes = groups.map { x.axes[$0] } + [over.flatMap { x.axes[$0] }] + others.map { x.axes[$0] }
    source = ordered(source, node)
    let places = x.kind.features / (g * k)
    guard let made = checkedProduct([g, f, places]), made <= ValueKind.mostFeatures,
      max(g * f, k, places) <= WindowAxis.most
    else {
      throw .notImportable(
        node: node.label, reason: "its product of \(describe(x.axes)) by \(weight.shape) is too large")
    }
    let layer: Layer.Operation
    // As many elements each.
    if g == 1, places == 1 {
      layer = .dense(weight: try! weight.reshaped([f, k]), bias: nil)
    } else {
      let axis = WindowAxis(size: places == 1 && x.kind.hasTime ? nil : places, kernel: 1)
      layer = .convolution(
        Convolution(weight: try! weight.reshaped([g * f, k, 1]), axes: [axis], groups: g))
    }
    var result = source
    result.value = add(
      layer, node, inputs: [source.value], output: name ?? uniqueValue("\(source.value)_product"))
    result.kind = x.kind.with(features: made)
    var stride = f * places
    for axis in groups.indices.reversed() {
      let count = x.places(groups[axis])!
      result.axes[axis] = View.normalised([.features(stride: stride, count: count)])
      stride *= count
    }
    result.axes[groups.count] = View.normalised([.features(stride: places, count: f)])
    return result
  }

  /// No value of products of two values may have more features.
  private static let mostProducts = 1 << 16

  /// Products of two values' numbers, side by side, and sums of them: sets the node's output.
  ///
  /// - Parameters:
  ///   - left, right: of as many axes; those of size 1 are repeated. One axis may be time.
  ///   - over: the axes that are summed over, and go.
  mutating func sumOfProducts(
    _ node: ONNXNode, _ left: View, _ right: View, over: [Int]
  ) throws(ONNXError) {
    func refuse(_ reason: String) -> ONNXError {
      .notImportable(
        node: node.label, reason: "it multiplies \(describe(left.axes)) by \(describe(right.axes)), \(reason)"
      )
    }
    let places = left.axes.indices.map { max(left.places($0) ?? 1, right.places($0) ?? 1) }
    guard let most = checkedProduct(places),
      max(most, left.kind.features, right.kind.features) <= Self.mostProducts
    else { throw refuse("which is more than \(Self.mostProducts) products of a step") }
    guard let (x, y) = broadcast(left, right, node) else {
      throw refuse("which would be open along a second axis beside time, or have none in common")
    }
    var product = x.kind.hasTime || !y.kind.hasTime ? x : y
    product.axes = zip(x.axes, y.axes).map { $0.isEmpty ? $1 : $0 }
    let name = try output(node)
    product.value = add(
      .arithmetic(Arithmetic(.multiply)), node, inputs: [x.value, y.value],
      output: over.isEmpty ? name : uniqueValue("\(name)_products"))
    try reduce(node, product, axes: over, keepsAxes: false, .sum, .sum)
  }
}
