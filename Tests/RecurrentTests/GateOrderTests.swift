import Recurrent
import Tensors
import Testing

@Suite struct GateOrderTests {
  /// Two rows a gate, each element telling its gate: i 0, o 1, f 2, g 3.
  private let onnx = Tensor([0, 0, 10, 10, 20, 20, 30, 30] as [Float], shape: [8, 1])
  private let order = GateOrder(.input, .output, .forget, .candidate)

  @Test func reorderingMovesWholeGateBlocks() {
    // ONNX LSTM: i, o, f, c; canonical: f, i, o, g.
    #expect(order.reorder(onnx, to: .lstm).floats == [20, 20, 0, 0, 10, 10, 30, 30])
  }

  @Test func reorderingBackGivesTheSameBits() {
    #expect(GateOrder.lstm.reorder(order.reorder(onnx, to: .lstm), to: order) == onnx)
  }

  @Test(arguments: [Cell.rnn, .lstm, .gru(resetAfter: true)])
  func everyCellHasItsGates(_ cell: Cell) {
    #expect(Set(cell.gateOrder.gates).count == cell.gateCount)
  }

  @Test func canonicalOrdersAreThoseOfTheEquations() {
    #expect(GateOrder.lstm.description == "f,i,o,g")
    #expect(GateOrder.gru.description == "r,z,n")
    #expect(GateOrder.peepholes.description == "f,i,o")
  }
}
