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
  let inputNames = try matched(left.inputNames, right.inputNames) { .inputsDiffer(left: $0, right: $1) }
  var ofLeft: [Evidence] = []
  var ofRight: [Evidence] = []
  for probe in probes {
    let renamed = Dictionary(
      uniqueKeysWithValues: probe.inputs.map { (inputNames[$0.key] ?? $0.key, $0.value) })
    let a = try left.doubles(probe.name, probe.inputs)
    let b = try right.doubles(probe.name, renamed)
    let names = try matched(
      left.model?.outputs.map(\.name) ?? a.keys.sorted(), right.model?.outputs.map(\.name) ?? b.keys.sorted()
    ) { .outputsDiffer(left: $0, right: $1) }
    var forLeft: [String: Tensor] = [:]
    var forRight: [String: Tensor] = [:]
    for (mine, theirs) in names {
      forLeft[mine] = b[theirs]
      forRight[theirs] = a[mine]
    }
    ofLeft.append(Evidence(probe: probe.name, inputs: left.own(probe.inputs), outputs: forLeft))
    ofRight.append(Evidence(probe: probe.name, inputs: right.own(renamed), outputs: forRight))
    diagnosis.addFirstStep(
      ports: left.model?.outputs ?? right.model?.outputs ?? [], probe: probe.name, left: a, right: forLeft)
  }
  if let one = left.model, let other = right.model {
    diagnosis.places += differences(one, other, ofLeft.map(\.inputs), ofRight.map(\.inputs))
  }

  if let model = left.model {
    let search = MistakeSearch(model, ofLeft, rounding: .float32)
    let outcome = search.run(for: .make, target: right.model)
    diagnosis.take(outcome)
    if diagnosis.isCertain {
      diagnosis.mended = mended(right.model, ofRight, diagnosis, rounding: .float32) ?? model
    }
  }
  if diagnosis.explanations.isEmpty, let model = right.model {
    // What the left side lacks the right side may still hold: then the mistake is the left side's.
    let search = MistakeSearch(model, ofRight, rounding: .float32)
    if left.model == nil {
      let outcome = search.run(for: .mend)
      diagnosis.take(outcome)
      if diagnosis.isCertain { diagnosis.mended = outcome.found.first?.model }
    } else {
      let outcome = search.run(for: .make, target: left.model)
      diagnosis.take(outcome)
      if !outcome.found.isEmpty { (diagnosis.suspect, diagnosis.reference) = (left.name, right.name) }
    }
  }
  return diagnosis
}

/// Finds out which known mistake of a model explains the outputs that are known to be right.
public func diagnose(
  _ suspect: Subject, expected: [String: Tensor], from source: String, probe: Probe,
  rounding: RoundingModel = .float32
) throws(VerificationError) -> Diagnosis {
  let own = try suspect.doubles(probe.name, probe.inputs)
  let evidence = Evidence(
    probe: probe.name, inputs: suspect.own(probe.inputs), outputs: expected.filter { own[$0.key] != nil })
  var diagnosis = Diagnosis(suspect: suspect.name, reference: source)
  diagnosis.addFirstStep(
    ports: suspect.model?.outputs ?? [], probe: probe.name, left: evidence.outputs, right: own)
  diagnosis.mend(suspect.model, [evidence], rounding: rounding)
  return diagnosis
}

/// Finds out which mistake of the importer explains that a file's own evaluator and its model disagree.
func diagnoseImport(of side: Subject, probes: [Probe]) throws(VerificationError) -> Diagnosis {
  var diagnosis = Diagnosis(suspect: "the import of \(side.name)", reference: "its own evaluator")
  guard let model = side.model else { return diagnosis }
  var evidence: [Evidence] = []
  for probe in probes {
    let outputs = try side.doubles(probe.name, probe.inputs)
    let inputs = side.own(probe.inputs)
    evidence.append(
      Evidence(
        probe: probe.name, inputs: inputs,
        outputs: outputs.filter { output in model.outputs.contains { $0.name == output.key } }))
    if let own = try? forward(model, inputs: inputs, precision: .float64) {
      diagnosis.addFirstStep(ports: model.outputs, probe: probe.name, left: outputs, right: own)
    }
  }
  diagnosis.mend(model, evidence, rounding: .float64)
  return diagnosis
}

/// The suspect's own model with the mistake taken back, where that can be done from what it holds.
private func mended(
  _ model: Model?, _ evidence: [Evidence], _ diagnosis: Diagnosis, rounding: RoundingModel
) -> Model? {
  guard let model, let mistake = diagnosis.explanations.first.flatMap({ Mistake.named($0.mistake) }) else {
    return nil
  }
  return MistakeSearch(model, evidence, rounding: rounding).run([mistake], for: .mend).found.first?.model
}

extension Diagnosis {
  fileprivate mutating func take(_ outcome: MistakeSearch.Outcome) {
    explanations = outcome.found.map(\.explanation)
    tried += outcome.tried
    isComplete = isComplete && outcome.isComplete
  }

  fileprivate mutating func mend(_ model: Model?, _ evidence: [Evidence], rounding: RoundingModel) {
    guard let model else { return }
    let outcome = MistakeSearch(model, evidence, rounding: rounding).run(for: .mend)
    take(outcome)
    if isCertain { mended = outcome.found.first?.model }
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
  fileprivate func own(_ inputs: [String: Tensor]) -> [String: Tensor] {
    guard let model else { return inputs }
    return inputs.filter { input in model.inputs.contains { $0.name == input.key } }
  }
}
