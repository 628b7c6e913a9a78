internal import ArgumentParser
internal import RNNConv

/// What settles a file that holds weights and no architecture.
struct ArchitectureArguments: ParsableArguments {
  @Option(help: "Where in a nested checkpoint the state dict is, such as model_state; . for the top.")
  var key: String?

  @Option(help: "The modules that run one after another, such as embedding,lstm,fc.")
  var modules: String?

  @Option(help: "nn.RNN's nonlinearity: tanh or relu.", completion: .list(["tanh", "relu"]))
  var nonlinearity: String?

  @Flag(inversion: .prefixedNo, help: "Whether sequences are [B, T, F] instead of [T, B, F].")
  var batchFirst: Bool?

  @Option(
    help: "What enters the head: last, hidden (final state), mean or max; else every time step.",
    completion: .list(Architecture.Selection.allCases.map(\.rawValue)))
  var select: String?

  @Option(
    help: "What follows each Linear of the head, such as relu,softmax; none for nothing.",
    completion: .list(Architecture.Activation.allCases.map(\.rawValue) + ["none"]))
  var head: String?

  var options: ArchitectureOptions {
    get throws {
      var options = ArchitectureOptions()
      options.key = key
      options.modules = modules.map {
        $0.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
      }
      options.batchFirst = batchFirst
      if let nonlinearity {
        guard ["tanh", "relu"].contains(nonlinearity) else {
          throw RNNConvError.arguments("--nonlinearity \(nonlinearity): use tanh or relu")
        }
        options.nonlinearity = nonlinearity
      }
      if let select {
        guard let selection = Architecture.Selection(rawValue: select) else {
          let known = Architecture.Selection.allCases.map(\.rawValue).joined(separator: ", ")
          throw RNNConvError.arguments("--select \(select): use \(known)")
        }
        options.select = selection
      }
      if let head {
        options.head = try head.split(separator: ",", omittingEmptySubsequences: false).map { text in
          if text == "none" { return nil }
          guard let activation = Architecture.Activation(rawValue: String(text)) else {
            let known = Architecture.Activation.allCases.map(\.rawValue).joined(separator: ", ")
            throw RNNConvError.arguments("--head \(head): '\(text)' is none of \(known), none")
          }
          return activation
        }
      }
      return options
    }
  }
}

extension Finding {
  /// For people: `assumed   input: sequences are [T, B, F] … (--batch-first)`.
  var line: String {
    let label = kind == .assumed ? Terminal.paint(kind.rawValue, .yellow) : kind.rawValue
    return "\(label)  \(subject.isEmpty ? "." : subject): \(detail)"
      + (option.map { "; settle it with \($0)" } ?? "")
  }
}
