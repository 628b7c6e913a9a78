public import Forward
internal import Recurrent
public import Tensors

/// Finds out where two sides part and which known mistake explains it.
///
/// A mistake explains it if the right side computes what the left side's model computes once the mistake is made in
/// it; or, where the left side has no model or something was lost, if the right side's model computes what the left
/// side does once the mistake is taken back.
public func diagnose(left: Subject, right: Subject, probes: [Probe]) throws(VerificationError) -> Diagnosis {
  var diagnosis = Diagnosis(suspect: right.name, reference: left.name)
  let (ofLeft, ofRight) = try knownOutputs(left, right, probes)
  let mine = left.model.flatMap { try? MistakeSearch($0, ofLeft, rounding: .float32) }
  let theirs = right.model.flatMap { try? MistakeSearch($0, ofRight, rounding: .float32) }
  diagnosis.places = (mine ?? theirs)?.firstSteps ?? []
  if let mine, let theirs {
    diagnosis.places += differences(
      mine.base, theirs.base, ofLeft.map(\.inputs), ofRight.map(\.inputs))
  }
  guard let mine else {
    if let theirs { diagnosis.mend(theirs) }
    return diagnosis
  }
  diagnosis.take(mine.run(for: .make, target: right.model))
  if diagnosis.explanations.isEmpty, let theirs {
    // What the left side lacks the right side may still hold: then the mistake is the left side's.
    diagnosis.take(theirs.run(for: .make, target: mine.base))
    guard !diagnosis.explanations.isEmpty else { return diagnosis }
    (diagnosis.suspect, diagnosis.reference) = (left.name, right.name)
    diagnosis.mended = mended(mine, diagnosis, like: theirs.base)
  } else {
    diagnosis.mended = mended(theirs, diagnosis, like: mine.base)
  }
  return diagnosis
}

/// Finds out which known mistake of a model explains the outputs that are known to be right.
public func diagnose(
  _ suspect: Subject, expected: [String: Tensor], from source: String, probe: Probe,
  rounding: RoundingModel = .float32
) throws(VerificationError) -> Diagnosis {
  var diagnosis = Diagnosis(suspect: suspect.name, reference: source)
  guard let model = suspect.model else { return diagnosis }
  let known = KnownOutputs(
    probe: probe.name, inputs: suspect.own(probe.inputs), outputs: model.own(expected))
  if let search = try? MistakeSearch(model, [known], rounding: rounding) {
    diagnosis.places = search.firstSteps
    diagnosis.mend(search)
  }
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
    diagnosis.mend(search)
  }
  return diagnosis
}

/// For each side what the other one computes, under its own names.
private func knownOutputs(
  _ left: Subject, _ right: Subject, _ probes: [Probe]
) throws(VerificationError) -> (ofLeft: [KnownOutputs], ofRight: [KnownOutputs]) {
  let pairing = try InputPairing(left, right)
  var (ofLeft, ofRight): ([KnownOutputs], [KnownOutputs]) = ([], [])
  for probe in probes {
    let (mine, theirs) = (pairing.ofLeft(probe.inputs), pairing.ofRight(probe.inputs))
    let a = try left.doubles(probe.name, mine)
    let b = try right.doubles(probe.name, theirs)
    let names = try matched(
      left.model?.outputs.map(\.name) ?? a.keys.sorted(), right.model?.outputs.map(\.name) ?? b.keys.sorted()
    ) { .outputsDiffer(left: $0, right: $1) }
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

/// The suspect's own model with the certain mistake taken back; the reference where what was lost is only there.
private func mended(_ suspect: MistakeSearch?, _ diagnosis: Diagnosis, like reference: Model) -> Model? {
  diagnosis.isCertain ? suspect?.takingBack(diagnosis.explanations[0], like: reference) ?? reference : nil
}

extension Diagnosis {
  fileprivate mutating func take(_ outcome: MistakeSearch.Outcome) {
    explanations = outcome.found.map(\.explanation)
    tried += outcome.tried
    isComplete = isComplete && outcome.isComplete
  }

  fileprivate mutating func mend(_ search: MistakeSearch) {
    let outcome = search.run(for: .mend)
    take(outcome)
    if isCertain { mended = outcome.found.first?.model }
  }
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
