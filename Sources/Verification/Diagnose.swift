package import Forward
internal import Recurrent
package import Tensors

/// Finds out where two sides part and which known mistake explains it.
///
/// The parameters tell where both sides have models that can be laid side by side; only where they cannot, the sides run.
/// The left side is the trusted one: a mistake that, made in it, gives the right side is the right side's. The left side is
/// charged only with what loses something that the right side still has.
///
/// - Parameter storage: what the right side may have stored the left side's weights as.
package func diagnose(
  left: Subject, right: Subject, probes: [Probe], storage: WeightStorage? = nil
) throws(VerificationError) -> Diagnosis {
  var diagnosis = Diagnosis(suspect: right.name, reference: left.name)
  let pairing = try InputPairing(left, right)
  diagnosis.places = try firstSteps(left, right, pairing, probes)
  if let mine = left.model, let theirs = right.model {
    let names = try matched(mine.outputs.map(\.name), theirs.outputs.map(\.name)) {
      .outputsDiffer(left: $0, right: $1)
    }
    let search = WeightSearch(mine, theirs, inputs: pairing.names, outputs: names, storage: storage)
    diagnosis.places += search.places(pairing, probes)
    diagnosis.take(search.run())
    if diagnosis.explanations.isEmpty {
      let reversed = search.reversed
      diagnosis.take(reversed.run(isLossy: true))
      guard diagnosis.explanations.isEmpty else {
        (diagnosis.suspect, diagnosis.reference) = (left.name, right.name)
        if diagnosis.isCertain { diagnosis.mended = search.mending(diagnosis.explanations[0]) }
        return diagnosis
      }
    } else {
      if diagnosis.isCertain { diagnosis.mended = search.reversed.mending(diagnosis.explanations[0]) }
      return diagnosis
    }
    // Parameters that differ, whatever else is done with them, make other outputs.
    guard [.unaligned, .otherAttributes].contains(search.structure.outcome) else { return diagnosis }
  }
  try diagnosis.tryOutputs(left, right, pairing, probes)
  return diagnosis
}

/// Finds out which known mistake of a model, or of the runtime that recorded them, explains the outputs that are known.
package func diagnose(
  _ suspect: Subject, expected: [String: Tensor], from source: String, probe: Probe,
  rounding: RoundingModel = .float32
) throws(VerificationError) -> Diagnosis {
  var diagnosis = Diagnosis(suspect: suspect.name, reference: source)
  guard let model = suspect.model else { return diagnosis }
  let known = KnownOutputs(
    probe: probe.name, inputs: suspect.own(probe.inputs), outputs: model.own(expected))
  guard let search = try? MistakeSearch(model, [known], rounding: rounding) else { return diagnosis }
  diagnosis.places = search.firstSteps
  var budget = MistakeSearch.Budget.standard
  var outcome = search.run(.mended, budget: &budget)
  let ofRecording = search.run(.recorded, budget: &budget)
  if outcome.found.isEmpty, !ofRecording.found.isEmpty {
    (diagnosis.suspect, diagnosis.reference) = (source, suspect.name)
  }
  let mended = ofRecording.found.isEmpty ? outcome.found.first?.model : nil
  outcome.found += ofRecording.found
  outcome.tried += ofRecording.tried
  outcome.isComplete = outcome.isComplete && ofRecording.isComplete
  diagnosis.take(outcome)
  if diagnosis.isCertain { diagnosis.mended = mended }
  return diagnosis
}

/// Finds out which mistake of the importer explains that a file's own evaluator and its model disagree.
func diagnoseImport(of side: Subject, probes: [Probe]) throws(VerificationError) -> Diagnosis {
  var diagnosis = Diagnosis(suspect: "the import of \(side.name)", reference: "its own evaluator")
  guard let model = side.model else { return diagnosis }
  let known = try probes.map { (probe) throws(VerificationError) in
    KnownOutputs(
      probe: probe.name, inputs: side.own(probe.inputs),
      outputs: model.own(try side.doubles(probe.name, probe.inputs)))
  }
  if let search = try? MistakeSearch(model, known, rounding: .float64) {
    diagnosis.places = search.firstSteps
    var budget = MistakeSearch.Budget.standard
    diagnosis.mend(search, &budget)
  }
  return diagnosis
}

extension Diagnosis {
  /// Runs the sides with every mistake.
  fileprivate mutating func tryOutputs(
    _ left: Subject, _ right: Subject, _ pairing: InputPairing, _ probes: [Probe]
  ) throws(VerificationError) {
    let (ofLeft, ofRight) = try knownOutputs(left, right, pairing, probes)
    var budget = MistakeSearch.Budget.standard
    let mine = left.model.flatMap { try? MistakeSearch($0, ofLeft, rounding: .float64) }
    let theirs = right.model.flatMap { try? MistakeSearch($0, ofRight, rounding: .float64) }
    guard let mine else {
      if let theirs { mend(theirs, &budget) }
      return
    }
    take(mine.run(.made(isLossy: false), budget: &budget))
    if explanations.isEmpty, let theirs {
      // What the left side lacks the right side may still hold: then the mistake is the left side's.
      take(theirs.run(.made(isLossy: true), budget: &budget))
      if !explanations.isEmpty {
        (suspect, reference) = (left.name, right.name)
        if isCertain { mended = mine.takingBack(explanations[0]) }
      }
    } else if isCertain {
      mended = theirs?.takingBack(explanations[0])
    }
  }

  fileprivate mutating func take(_ outcome: MistakeSearch.Outcome) {
    explanations = outcome.found.map(\.explanation)
    suggestion = explanations.count == 1 ? outcome.found[0].suggestion : nil
    tried += outcome.tried
    isComplete = isComplete && outcome.isComplete
  }

  fileprivate mutating func mend(_ search: MistakeSearch, _ budget: inout MistakeSearch.Budget) {
    let outcome = search.run(.mended, budget: &budget)
    take(outcome)
    if isCertain { mended = outcome.found.first?.model }
  }
}

/// For each side what the other one computes, under its own names.
private func knownOutputs(
  _ left: Subject, _ right: Subject, _ pairing: InputPairing, _ probes: [Probe]
) throws(VerificationError) -> (ofLeft: [KnownOutputs], ofRight: [KnownOutputs]) {
  var (ofLeft, ofRight): ([KnownOutputs], [KnownOutputs]) = ([], [])
  for probe in probes {
    let (mine, theirs) = (pairing.ofLeft(probe.inputs), pairing.ofRight(probe.inputs))
    let (a, b, names) = try bothOutputs(left, right, pairing, probe)
    var (forLeft, forRight): ([String: Tensor], [String: Tensor]) = ([:], [:])
    for (one, other) in names {
      forLeft[one] = b[other]
      forRight[other] = a[one]
    }
    ofLeft.append(KnownOutputs(probe: probe.name, inputs: left.own(mine), outputs: forLeft))
    ofRight.append(KnownOutputs(probe: probe.name, inputs: right.own(theirs), outputs: forRight))
  }
  return (ofLeft, ofRight)
}

/// What both sides compute, and which of the right one's outputs is which of the left one's.
func bothOutputs(
  _ left: Subject, _ right: Subject, _ pairing: InputPairing, _ probe: Probe
) throws(VerificationError) -> (left: [String: Tensor], right: [String: Tensor], names: [String: String]) {
  let a = try left.doubles(probe.name, pairing.ofLeft(probe.inputs))
  let b = try right.doubles(probe.name, pairing.ofRight(probe.inputs))
  let names = try matched(
    left.model?.outputs.map(\.name) ?? a.keys.sorted(), right.model?.outputs.map(\.name) ?? b.keys.sorted()
  ) { .outputsDiffer(left: $0, right: $1) }
  return (a, b, names)
}

extension Model {
  /// Those of the tensors that are outputs of the model.
  fileprivate func own(_ tensors: [String: Tensor]) -> [String: Tensor] {
    tensors.filter { tensor in outputs.contains { $0.name == tensor.key } }
  }
}

extension Subject {
  fileprivate func doubles(
    _ probe: String, _ inputs: [String: Tensor]
  ) throws(VerificationError) -> [String: Tensor] {
    do { return try evaluate(inputs, .float64) } catch {
      throw .cannotRun(side: name, probe: probe, reason: "\(error)")
    }
  }

  /// Those inputs that the model has; the rest are bound weights.
  func own(_ inputs: [String: Tensor]) -> [String: Tensor] {
    guard let model else { return inputs }
    return inputs.filter { input in model.inputs.contains { $0.name == input.key } }
  }
}
