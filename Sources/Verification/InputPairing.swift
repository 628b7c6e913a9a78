internal import Recurrent
internal import Tensors

/// Which input of one side is which of the other: by name, else by position.
///
/// Where one side's inputs are some of the other's, the rest goes to the other side alone: a converter that ignores
/// lengths writes a model without them. So do lengths and initial states that one side has more of, whatever the names: a graph
/// may take h₀ and c₀ where weights alone are run from zeros.
package struct InputPairing {
  /// The right side's name of each of the left side's inputs that both have.
  package let names: [String: String]
  /// Inputs that one side alone has.
  let leftOnly: Set<String>
  let rightOnly: Set<String>

  package init(_ left: Subject, _ right: Subject) throws(VerificationError) {
    let (mine, theirs) = (Set(left.inputNames), Set(right.inputNames))
    let common = mine.intersection(theirs)
    if common == mine || common == theirs {
      names = Dictionary(uniqueKeysWithValues: common.map { ($0, $0) })
    } else {
      let isEven = left.inputNames.count == right.inputNames.count
      names = try matched(
        isEven ? left.inputNames : left.namesOfSequences, isEven ? right.inputNames : right.namesOfSequences
      ) { _, _ in .inputsDiffer(left: left.inputNames, right: right.inputNames) }
    }
    leftOnly = mine.subtracting(names.keys)
    rightOnly = theirs.subtracting(names.values)
    let (kinds, others) = (left.kindsOfInputs, right.kindsOfInputs)
    for (name, other) in names.sorted(by: { $0.key < $1.key }) {
      guard let one = kinds[name], let two = others[other],
        one.features != two.features
      else { continue }
      throw .inputsDiffer(
        left: ["\(name) of \(one.features) features"], right: ["\(other) of \(two.features) features"])
    }
  }

  /// A probe's inputs, bound weights included, as each side takes them.
  func ofLeft(_ inputs: [String: Tensor]) -> [String: Tensor] {
    inputs.filter { !rightOnly.contains($0.key) }
  }

  func ofRight(_ inputs: [String: Tensor]) -> [String: Tensor] {
    var result: [String: Tensor] = [:]
    for (name, tensor) in inputs where !leftOnly.contains(name) { result[names[name] ?? name] = tensor }
    return result
  }

  /// What the sides do not share, in words.
  func reasons(_ left: String, _ right: String) -> [String] {
    leftOnly.sorted().map { "\(right) does not read the input '\($0)' of \(left)" }
      + rightOnly.sorted().map { "\(left) does not read the input '\($0)' of \(right)" }
  }
}

extension Subject {
  fileprivate var kindsOfInputs: [String: ValueKind] {
    Dictionary((model?.inputs ?? []).map { ($0.name, $0.kind) }) { first, _ in first }
  }

  /// Inputs that are no lengths and no initial states; all of them where there is no model to tell.
  fileprivate var namesOfSequences: [String] {
    guard let model else { return inputNames }
    let beside = model.valuesBesideSequences
    return model.inputs.filter { !beside.contains($0.value) }.map(\.name)
  }
}

extension Model {
  /// Values that are read as lengths and initial states and as nothing else, cut or joined before or not.
  fileprivate var valuesBesideSequences: Set<String> {
    var (read, readOtherwise): (Set<String>, Set<String>) = ([], Set(outputs.map(\.value)))
    // Who reads a value stands behind it.
    for layer in layers.reversed() {
      for (position, value) in layer.inputs.enumerated() {
        guard let value else { continue }
        let isBeside =
          switch layer.operation {
          case .recurrent, .select, .reverse: position > 0
          case .slice, .concat:
            layer.outputs.allSatisfy { $0.map { read.contains($0) && !readOtherwise.contains($0) } ?? true }
          case .embedding, .dense, .activation, .softmax, .logSoftmax, .layerNormalization, .arithmetic,
            .constant, .argMax,
            .dropout,
            .generate, .convolution, .pool, .padding, .gather, .unfold, .fold, .reduce, .timeSoftmax,
            .repeated, .stepPacking, .batchNormalization, .normalization, .transposedConvolution, .resize,
            .cumulativeSum, .attention, .choice:
            false
          }
        if isBeside { read.insert(value) } else { readOtherwise.insert(value) }
      }
    }
    return read.subtracting(readOtherwise)
  }
}
