internal import ArgumentParser
internal import ByteIO
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

  @Option(
    help: "Which modules run and how, in place of all of these: a file of JSON (docs/pytorch.md).",
    completion: .file(extensions: ["json"]))
  var architecture: String?

  var options: ArchitectureOptions { get throws { try words.options(ArchitectureOptions()) } }

  var words: ArchitectureWords {
    ArchitectureWords(
      key: key, modules: modules, nonlinearity: nonlinearity, batchFirst: batchFirst, select: select,
      head: head, architecture: architecture)
  }
}

/// The same of one of two files; what is said of one wins over what is said of both.
///
/// They are written `--left-key`, `--no-right-batch-first` and so on. That is six options for each side, which the library would
/// reflect on at every start, so that `rewritten` makes one of them.
struct PairedArchitectureArguments: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "An option of these for the first file alone: written --left-key VALUE, --left-batch-first and so on.",
      valueName: "name=value"))
  var left: [String] = []

  @Option(help: ArgumentHelp("The same for the second file, such as --right-key.", valueName: "name=value"))
  var right: [String] = []

  /// `--left-key VALUE` as `--left key=VALUE`.
  static func rewritten(_ words: [String]) -> [String] {
    var (result, rest) = ([String](), words[...])
    while let word = rest.popFirst() {
      guard word != "--" else { return result + [word] + rest }
      let isOff = word.hasPrefix("--no-")
      let name = word.dropFirst(isOff ? 5 : 2)
      guard word.hasPrefix("--"), let side = ["left", "right"].first(where: { name.hasPrefix("\($0)-") })
      else {
        result.append(word)
        continue
      }
      let option = name.dropFirst(side.count + 1)
      let takesValue = option != "batch-first" && !option.contains("=")
      result += [
        "--\(side)", (isOff ? "no-" : "") + option + (takesValue ? "=" + (rest.popFirst() ?? "") : ""),
      ]
    }
    return result
  }

  /// What is said of each file; nil where nothing is said of it alone.
  func options(
    _ common: ArchitectureArguments
  ) throws -> (left: ArchitectureOptions?, right: ArchitectureOptions?) {
    let both = try common.options
    func own(_ settings: [String], _ side: String) throws -> ArchitectureOptions? {
      settings.isEmpty ? nil : try ArchitectureWords(settings, side).options(both)
    }
    return (try own(left, "left"), try own(right, "right"))
  }
}

/// Options as they were written.
struct ArchitectureWords {
  var key, modules, nonlinearity: String?
  var batchFirst: Bool?
  var select, head, architecture: String?
  /// What the options' names begin with.
  var prefix = ""
}

extension ArchitectureWords {
  private static let names:
    [(name: String, word: any WritableKeyPath<ArchitectureWords, String?> & Sendable)] = [
      ("key", \.key), ("modules", \.modules), ("nonlinearity", \.nonlinearity), ("select", \.select),
      ("head", \.head), ("architecture", \.architecture),
    ]

  /// - Parameter settings: such as `key=model_state` and `no-batch-first`.
  init(_ settings: [String], _ side: String) throws {
    self.init(prefix: "\(side)-")
    for setting in settings {
      let parts = setting.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(
        String.init)
      if parts.count == 1, ["batch-first", "no-batch-first"].contains(setting) {
        batchFirst = setting == "batch-first"
      } else if parts.count == 2, let known = Self.names.first(where: { $0.name == parts[0] }) {
        self[keyPath: known.word] = parts[1]
      } else {
        let known = (Self.names.map(\.name) + ["batch-first"]).map { "--\(side)-\($0)" }
        throw RNNConvError.arguments(
          "--\(side)-\(parts[0]): of one file there are \(known.joined(separator: ", "))")
      }
    }
  }

  /// Those that were given, over others.
  func options(_ others: ArchitectureOptions) throws -> ArchitectureOptions {
    var options = others
    options.key = key ?? options.key
    options.batchFirst = batchFirst ?? options.batchFirst
    if let architecture {
      do {
        options.architecture = String(
          decoding: try ByteBuffer.open(path: architecture, limit: 1 << 24).array, as: UTF8.self)
      } catch { throw RNNConvError.file(error) }
    }
    if let modules {
      options.modules = modules.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
    }
    if let nonlinearity {
      guard ["tanh", "relu"].contains(nonlinearity) else {
        throw RNNConvError.arguments("--\(prefix)nonlinearity \(nonlinearity): use tanh or relu")
      }
      options.nonlinearity = nonlinearity
    }
    if let select {
      guard let selection = Architecture.Selection(rawValue: select) else {
        let known = Architecture.Selection.allCases.map(\.rawValue).joined(separator: ", ")
        throw RNNConvError.arguments("--\(prefix)select \(select): use \(known)")
      }
      options.select = selection
    }
    if let head {
      options.head = try head.split(separator: ",", omittingEmptySubsequences: false).map { text in
        if text == "none" { return nil }
        guard let activation = Architecture.Activation(rawValue: String(text)) else {
          let known = Architecture.Activation.allCases.map(\.rawValue).joined(separator: ", ")
          throw RNNConvError.arguments("--\(prefix)head \(head): '\(text)' is none of \(known), none")
        }
        return activation
      }
    }
    return options
  }
}

extension Finding {
  /// For people: `assumed   input: sequences are [T, B, F] … (--batch-first)`.
  var line: String {
    let label = kind == .assumed ? Terminal.paint(kind.rawValue, .yellow) : kind.rawValue
    return "\(label)  \(subject.isEmpty ? "." : subject): \(detail)"
      + (setting.map { "; settle it with \($0.flag)" } ?? "")
  }
}
