import Forward
import Synchronization
import Tensors
import Testing

@testable import RNNConv

@Suite struct OwnFaultTests {
  private func probe(_ elements: Int) -> [String: Tensor] {
    ["x": Tensor([Float](repeating: 0, count: elements), shape: [elements])]
  }

  @Test func `what is beyond the limits on one probe is not tried on those that are no smaller`() throws {
    let tried = Mutex<[Int]>([])
    func evaluation(_ fails: @escaping @Sendable (Int) -> RNNConvError?) -> Format.Content.Evaluate {
      tried.withLock { $0 = [] }
      return OwnFault().remembering { (inputs, _) throws(RNNConvError) in
        let count = inputs["x"]!.count
        tried.withLock { $0.append(count) }
        if let error = fails(count) { throw error }
        return inputs
      }
    }
    let beyond = RNNConvError.unreadable(path: "m", reason: "over the limit")
    let evaluate = evaluation { $0 > 4 ? beyond : nil }
    for count in [8, 9, 8, 3, 6, 7, 4] {
      let outputs = try? evaluate(probe(count), .float32)
      #expect((outputs != nil) == (count <= 4))
    }
    // 9 and 8 are no smaller than 8, nor 7 than 6.
    #expect(tried.withLock { $0 } == [8, 3, 6, 4])
    // Inputs that do not fit say nothing of others.
    let picky = evaluation { _ in .evaluation(path: "m", reason: "wrong shape") }
    for count in [2, 3] { #expect(throws: RNNConvError.self) { try picky(probe(count), .float32) } }
    #expect(tried.withLock { $0 } == [2, 3])
  }
}
