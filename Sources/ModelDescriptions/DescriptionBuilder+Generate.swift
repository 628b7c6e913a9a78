internal import ByteIO
internal import Recurrent

extension DescriptionBuilder {
  /// A loop: what is fed back and the states, the body, what is collected, when it stops.
  func generate(_ name: String, _ object: inout DescriptionObject) throws(DescriptionError) -> Layer {
    var body = DescriptionBuilder(weights: weights, source: source, outputsFirst: outputsFirst)
    var carried: [Generate.Carried] = []
    var inputs: [String] = []
    for (key, isFedBack) in [("feedback", true), ("states", false)] {
      for node in try object.optional(key)?.list() ?? [] {
        let (start, value) = try carriedValue(node, isFedBack)
        guard body.kinds.updateValue(value.kind, forKey: value.input) == nil else {
          throw node.wrong("the value '\(value.input)' is made twice")
        }
        inputs.append(start)
        carried.append(value)
      }
    }
    for node in try object.required("body").list() { try body.add(node) }
    var outputs: [String?] = []
    var collected: [String] = []
    for node in try object.required("collect").list() {
      try node.object { object throws(DescriptionError) in
        collected.append(try object.required("value").text())
        outputs.append(try object.required("output").text())
      }
    }
    let stop = try object.optional("stop")?.object { object throws(DescriptionError) in
      Generate.Stop(
        value: try object.required("value").text(), token: Int64(try object.required("token").integer()),
        padding: Int64(try object.required("padding").integer()))
    }
    if let lengths = object.optional("lengths") {
      guard stop != nil else { throw lengths.wrong("without \"stop\" every row makes max_steps steps") }
      outputs.append(try lengths.text())
    }
    body.dropUnread(keeping: carried.map(\.output) + collected + (stop.map { [$0.value] } ?? []))
    let generate = Generate(
      body: body.layers, carried: carried, collected: collected, stop: stop,
      maxSteps: try object.required("max_steps").integer())
    return Layer(name, .generate(generate), inputs: inputs, outputs: outputs)
  }

  /// `name` at the start of a step, `start` outside before the first one, `next` in the body at its end.
  private func carriedValue(
    _ node: DescriptionNode, _ isFedBack: Bool
  ) throws(DescriptionError) -> (start: String, Generate.Carried) {
    try node.object { object throws(DescriptionError) in
      let name = try object.required("name").text()
      let start = try object.required("start")
      let value = try start.text()
      let kind: ValueKind
      switch kinds[value] {
      case .vector(let features)?:
        kind = isFedBack ? .sequence(features: features) : .vector(features: features)
      case .indices? where isFedBack: kind = .tokens
      case let other?: throw start.wrong("'\(value)' is \(other), which a step cannot start from")
      case nil: throw start.wrong("no layer makes the value '\(value)'")
      }
      return (value, Generate.Carried(input: name, output: try object.required("next").text(), kind: kind))
    }
  }
}
