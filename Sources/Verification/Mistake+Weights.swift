internal import Recurrent
internal import Tensors

/// Orders in which formats stack gates, by who uses them; the candidate is g or n in all of them.
private let knownOrders: [(who: String, order: GateOrder)] = [
  ("ONNX", GateOrder(.input, .output, .forget, .candidate)),
  ("PyTorch and Keras", GateOrder(.input, .forget, .candidate, .output)),
  ("Core ML", GateOrder(.input, .forget, .output, .candidate)),
  ("canonical", .lstm),
  ("PyTorch", .gru),
  ("ONNX and Keras", GateOrder(.update, .reset, .new)),
]

extension Mistake {
  static let weights: [Mistake] = [
    Mistake(
      "gate-order", "the gates are taken in another order",
      gateOrders(.lstm) + gateOrders(.gru) + gateOrders(.minGRU)),
    Mistake("kernel-transposed", "a kernel is transposed", transpositions),
    Mistake("kernel-reshaped", "a kernel is reshaped where it should be transposed", reshapes),
    Mistake(
      "kernels-swapped", "the input kernel and the recurrent kernel are exchanged",
      [
        .involution("", parts: [.inputWeight, .recurrentWeight]) {
          $0.inputSize == $0.outputSize
        } _: { layer, d in
          guard let weight = layer.directions[d].recurrentWeight else { return }
          layer.directions[d].recurrentWeight = layer.directions[d].inputWeight
          layer.directions[d].inputWeight = weight
        }
      ]),
    Mistake(
      "update-complement", "the GRU's update gate z is taken for 1 − z",
      [
        .involution("") {
          $0.cell.gateOrder.gates.contains(.update)
            && $0.directions.allSatisfy { $0.gateActivation == .sigmoid }
        } _: { layer, d in
          let rows = layer.rows(of: .update)
          layer.directions[d].mapStacked { $0.changing(rows) { -$0 } }
        }
      ]),
    Mistake(
      "peephole-order", "the peepholes are taken in another order",
      permutations(3).map { permutation in
        Change(
          detail: "f,i,o taken as \(permutation.map { "fio".map(String.init)[$0] }.joined(separator: ","))",
          fits: { $0.directions.contains { $0.peepholes != nil } },
          make: { layer, d in
            layer.directions[d].peepholes = layer.directions[d].peepholes?.permutingBlocks(permutation)
          },
          mend: { layer, d in
            layer.directions[d].peepholes = layer.directions[d].peepholes?.permutingBlocks(
              inverse(permutation))
          })
      }),
    Mistake(
      "peepholes-dropped", "the peepholes are dropped",
      [
        Change(
          detail: "", fits: { $0.directions.contains { $0.peepholes != nil } },
          make: { layer, d in layer.directions[d].peepholes = nil })
      ]),
    Mistake("layers-swapped", "the weights of two layers are exchanged") { model, purpose in
      var layers = model.recurrentLayers
      if let wanted = purpose.layers { layers = layers.filter { wanted.contains($0.index) } }
      // Two layers change; of long stacks all pairs would be more than anybody tries.
      let farthest = purpose.layers.map { $0.count > 2 ? 0 : 2 } ?? max(1, 128 / max(1, layers.count))
      return layers.indices.flatMap { a in
        layers.indices.dropFirst(a + 1).prefix(farthest).compactMap { b -> Candidate? in
          let (left, right) = (layers[a], layers[b])
          guard left.layer.cell == right.layer.cell else { return nil }
          let names = "layers '\(model.layers[left.index].name)' and '\(model.layers[right.index].name)'"
          return Candidate(place: names, touches: { layer, _ in [left.index, right.index].contains(layer) }) {
            var model = model
            var (one, other) = (left.layer, right.layer)
            swap(&one.directions, &other.directions)
            model.layers[left.index].operation = .recurrent(one)
            model.layers[right.index].operation = .recurrent(other)
            return model
          }
        }
      }
    },
    Mistake(
      "directions-swapped", "the weights of the two directions are exchanged",
      [
        .involution("", perDirection: false) {
          $0.direction == .bidirectional
        } _: { layer, _ in
          layer.directions.swapAt(0, 1)
        }
      ]),
  ]

  /// Every order but the right one, for all stacked tensors together and for each kind alone.
  private static func gateOrders(_ canonical: GateOrder) -> [Change] {
    let parts: [(String, [StackedPart])] = [
      ("", StackedPart.allCases), (", input kernel only", [.inputWeight]),
      (", recurrent kernel only", [.recurrentWeight]),
      (", both kernels only", [.inputWeight, .recurrentWeight]),
      (", biases only", [.inputBias, .recurrentBias]),
    ]
    return permutations(canonical.gates.count).flatMap { permutation in
      let detail = orderWords(canonical, permutation)
      let isKnown = detail.contains(" taken for ")
      return parts.map { words, tensors in
        Change(
          detail: detail + words, rank: (isKnown ? 0 : 3) + (words.isEmpty ? 0 : 1), parts: tensors,
          // Without a bias there is none to get wrong.
          fits: { layer in
            layer.cell.gateOrder == canonical && layer.directions.contains { $0.holds(tensors) }
          },
          make: { layer, d in
            layer.directions[d].mapStacked(tensors) { $0.permutingBlocks(permutation) }
          },
          mend: { layer, d in
            layer.directions[d].mapStacked(tensors) { $0.permutingBlocks(inverse(permutation)) }
          })
      }
    }
  }

  /// `ONNX order i,o,f,g taken for PyTorch and Keras i,f,g,o`, or which gate takes whose rows.
  private static func orderWords(_ canonical: GateOrder, _ permutation: [Int]) -> String {
    for (who, written) in knownOrders where Set(written.gates) == Set(canonical.gates) {
      for (whom, read) in knownOrders where Set(read.gates) == Set(canonical.gates) && read != written {
        // Gate k of the canonical order then holds what stands at its place in the order written.
        let found = canonical.gates.map { gate in
          canonical.gates.firstIndex(of: written.gates[read.gates.firstIndex(of: gate)!])!
        }
        if found == permutation { return "\(who) order \(written) taken for \(whom) order \(read)" }
      }
    }
    let moved = permutation.indices.filter { permutation[$0] != $0 }.map {
      "\(canonical.gates[$0].rawValue) holds \(canonical.gates[permutation[$0]].rawValue)"
    }
    return moved.joined(separator: ", ")
  }

  private static let transpositions: [Change] = {
    let recurrent: @Sendable (RecurrentLayer) -> Bool = { $0.outputSize == $0.hiddenSize }
    let input: @Sendable (RecurrentLayer) -> Bool = { $0.inputSize == $0.hiddenSize }
    return [
      .involution("the recurrent kernel, gate by gate", parts: [.recurrentWeight], recurrent) { layer, d in
        layer.directions[d].mapStacked([.recurrentWeight]) { $0.transposingBlocks(layer.hiddenSize) }
      },
      .involution("the input kernel, gate by gate", parts: [.inputWeight], input) { layer, d in
        layer.directions[d].mapStacked([.inputWeight]) { $0.transposingBlocks(layer.hiddenSize) }
      },
      .involution(
        "both kernels, gate by gate", parts: [.inputWeight, .recurrentWeight],
        { recurrent($0) && input($0) }
      ) { layer, d in
        layer.directions[d].mapStacked([.inputWeight, .recurrentWeight]) {
          $0.transposingBlocks(layer.hiddenSize)
        }
      },
    ]
  }()

  /// Keras keeps `[I, G·H]`: its bytes taken as `[G·H, I]`.
  private static let reshapes: [Change] = {
    let parts: [(String, [StackedPart])] = [
      ("the input kernel", [.inputWeight]), ("the recurrent kernel", [.recurrentWeight]),
      ("both kernels", [.inputWeight, .recurrentWeight]),
    ]
    return parts.map { words, tensors in
      Change(
        detail: words, parts: tensors,
        // Of a single square block this is the transpose.
        fits: { layer in
          layer.cell.gateCount > 1 || tensors == [.inputWeight] && layer.inputSize != layer.hiddenSize
        },
        make: { layer, d in
          layer.directions[d].mapStacked(tensors) { tensor in
            (try? tensor.transposed([1, 0]).reshaped(tensor.shape)) ?? tensor
          }
        },
        mend: { layer, d in
          layer.directions[d].mapStacked(tensors) { tensor in
            (try? tensor.reshaped(tensor.shape.reversed()))?.transposed([1, 0]) ?? tensor
          }
        })
    }
  }()
}
