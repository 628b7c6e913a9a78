import Recurrent
import Tensors
import TestSupport
import Testing

/// One fault each, made in a valid loop, and the error that must name it; what counts for the fingerprint.
@Suite struct GenerateValidationTests {
  private func model(_ change: (inout Generate) -> Void) -> Model {
    var model = GeneratingForm.captioning.model(.lstm, seed: 1)
    guard case .generate(var generate)? = model.layers.last?.operation else { fatalError("no loop") }
    change(&generate)
    model.layers[model.layers.count - 1].operation = .generate(generate)
    return model
  }

  private func error(_ change: (inout Generate) -> Void) -> String? {
    do {
      try model(change).validated()
      return nil
    } catch { return "\(error)" }
  }

  @Test(arguments: [Cell.rnn, .lstm, .gru(resetAfter: true)], GeneratingForm.allCases)
  func `The random models of every form are valid`(_ cell: Cell, _ form: GeneratingForm) throws {
    let kinds = try form.model(cell, seed: 2).validated()
    #expect(kinds[form == .drawing ? "points" : "scores"] == .sequence(features: form == .drawing ? 3 : 6))
  }

  @Test func `Each fault is named`() {
    let faults: [(String, (inout Generate) -> Void)] = [
      ("0 steps at most", { $0.maxSteps = 0 }),
      ("1048577 steps at most", { $0.maxSteps = Generate.mostSteps + 1 }),
      ("nothing is collected", { $0.collected = [] }),
      ("nothing before it makes the value 'ghost'", { $0.collected = ["ghost"] }),
      ("nothing before it makes the value 'ghost'", { $0.carried[1].output = "ghost" }),
      ("expected 2 inputs", { $0.carried.removeLast() }),
      ("the value 'h' is made twice", { $0.carried[2].input = "h" }),
      (
        "input 'scores': expected tokens [T, B], as 'token' is, found a sequence",
        { $0.carried[0].output = "scores" }
      ),
      ("input 'scores': expected a token", { $0.stop?.value = "scores" }),
      ("expected a vector [B, 7]", { $0.carried[1].kind = .vector(features: 7) }),
      ("nothing before it makes the value 'features'", { $0.body[0].inputs = ["features"] }),
      ("two layers of its body are named 'cell'", { $0.body[2].name = "cell" }),
      (
        "its body holds another Generate",
        { generate in generate.body.append(Layer("inner", .generate(generate), inputs: [], outputs: [])) }
      ),
      (
        "the constant 'k' is not of one row",
        {
          $0.body.append(
            Layer("k", .constant(Tensor([1, 2] as [Float], shape: [2, 1])), inputs: [], outputs: ["k"]))
        }
      ),
    ]
    for (words, change) in faults {
      let found = error(change)
      #expect(found?.contains(words) ?? false, "\(found ?? "no error") lacks '\(words)'")
    }
  }

  @Test func `Everything that changes what a loop computes changes the fingerprint, names do not`() {
    let original = model { _ in }.fingerprint
    let changes: [(inout Generate) -> Void] = [
      { $0.maxSteps += 1 }, { $0.stop = nil }, { $0.stop?.token = 3 }, { $0.stop?.padding = 9 },
      { $0.collected.swapAt(0, 1) }, { $0.carried[1].output = "c_next" }, { $0.carried.swapAt(1, 2) },
      {
        $0.body[3].operation = .argMax
        $0.body[3].inputs = ["y"]
      },
    ]
    for (index, change) in changes.enumerated() {
      #expect(model(change).fingerprint != original, "change \(index)")
    }
    let renamed = model { generate in
      for index in generate.body.indices {
        generate.body[index].name += "!"
        generate.body[index].inputs = generate.body[index].inputs.map { $0.map { "in " + $0 } }
        generate.body[index].outputs = generate.body[index].outputs.map { $0.map { "in " + $0 } }
      }
      for index in generate.carried.indices {
        generate.carried[index].input = "in " + generate.carried[index].input
        generate.carried[index].output = "in " + generate.carried[index].output
      }
      generate.collected = generate.collected.map { "in " + $0 }
      generate.stop?.value = "in next"
    }
    #expect(renamed.fingerprint == original)
  }

  @Test func `A constant counts where it is read, wherever its layer stands`() throws {
    let model = GeneratingForm.translation.model(.gru(resetAfter: true), seed: 3)
    var moved = model
    let place = try #require(moved.layers.firstIndex { $0.name == "bos" })
    let constant = moved.layers.remove(at: place)
    moved.layers.insert(constant, at: 0)
    #expect(moved.fingerprint == model.fingerprint)
    moved.layers[0].operation = .constant(Tensor([Int64(3)], shape: [1]))
    #expect(moved.fingerprint != model.fingerprint)
  }
}
