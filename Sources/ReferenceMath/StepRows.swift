/// The rows of one time step, whose products are made together with those of the steps around it: a weight is read once for
/// all of them. Each row's sums are its own, so that nothing changes a bit.
public struct StepRows<S: ReferenceScalar> {
  private let block: Block
  private let rows: Range<Int>

  /// Several steps.
  private final class Block {
    let rows: Matrix<S>
    var products: [Weight<S>.Identity: Matrix<S>] = [:]

    init(_ rows: Matrix<S>) { self.rows = rows }

    func product(_ weight: Weight<S>) -> Matrix<S> {
      if let known = products[weight.identity] { return known }
      let product = rows • weight
      products[weight.identity] = product
      return product
    }
  }

  /// Steps of equal sizes, in order, as many of them together as fill the tiles of a product a few times.
  public static func steps(
    _ count: Int, batch: Int, columns: Int, _ rows: @escaping (Int) -> Matrix<S>
  ) -> some Sequence<StepRows> {
    let together = max(1, 16 / max(1, batch))
    return stride(from: 0, to: count, by: together).lazy.flatMap { start in
      let steps = start..<min(start + together, count)
      var elements: [S] = []
      elements.reserveCapacity(steps.count * batch * columns)
      for step in steps { elements += rows(step).elements }
      let block = Block(Matrix(rows: steps.count * batch, columns: columns, elements: elements))
      return steps.map { step in
        StepRows(block: block, rows: ((step - start) * batch)..<((step - start + 1) * batch))
      }
    }
  }

  @specialized(where S == Float)
  @specialized(where S == Double)
  public static func • (x: StepRows, weight: Weight<S>) -> Matrix<S> {
    x.block.product(weight).rows(x.rows)
  }
}
