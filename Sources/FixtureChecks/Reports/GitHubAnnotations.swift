internal import ByteIO

/// Workflow commands, which a GitHub runner turns into annotations of a pull request.
enum GitHubAnnotations {
  static func text(_ run: CheckRun) -> String {
    var lines: [String] = []
    for entry in run.entries {
      for problem in entry.outcome.problems {
        lines.append(
          annotation(
            "error", problem.message, file: run.path(problem.file),
            title: "\(entry.outcome.fixture): \(problem.kind.rawValue)"))
      }
      for note in entry.outcome.notes where entry.outcome.status == .passed && entry.fixture.refused == nil {
        lines.append("::notice title=\(entry.outcome.fixture.property)::\(note.data)")
      }
    }
    if let warning = run.warning {
      lines.append(annotation("warning", warning, file: run.manifest.path, title: "not listed"))
    }
    lines.append("rnnconv check \(run.manifest.path): \(run.summary)".data)
    return lines.joined(separator: "\n") + "\n"
  }

  /// Of a manifest that cannot be used.
  static func text(_ error: ManifestError) -> String {
    switch error {
    case .notJSON(let path, let position, _), .wrong(let path, let position, _):
      annotation("error", error.description, file: path, position, title: "rnnconv check") + "\n"
    case .file, .none, .nothingFound: "::error title=rnnconv check::\(error.description.data)\n"
    }
  }

  private static func annotation(
    _ level: String, _ message: String, file: String, _ position: TextPosition? = nil, title: String
  ) -> String {
    let place = position.map { [("line", "\($0.line)"), ("col", "\($0.column)")] } ?? []
    let properties = [("file", workspacePath(file))] + place + [("title", title)]
    return "::\(level) " + properties.map { "\($0)=\($1.property)" }.joined(separator: ",")
      + "::\(message.data)"
  }

  /// From the top of the checkout, as annotations want it.
  static func workspacePath(_ path: String) -> String {
    guard let workspace = getenv("GITHUB_WORKSPACE").map({ String(cString: $0) }),
      let top = Folder.real(workspace), let folder = Folder.real(Folder.parent(of: path)),
      folder == top || folder.hasPrefix(top + "/")
    else { return path }
    let file = Folder.join(folder, Folder.lastName(of: path))
    return String(file.dropFirst(top.count + 1))
  }
}

extension String {
  /// After the second `::`.
  fileprivate var data: String { escaped(["%", "\r", "\n"]) }

  /// Between the two, where `:` and `,` have a meaning too.
  fileprivate var property: String { escaped(["%", "\r", "\n", ":", ","]) }

  private func escaped(_ scalars: Set<Unicode.Scalar>) -> String {
    var text = ""
    for scalar in unicodeScalars {
      if scalars.contains(scalar) {
        let digits = String(scalar.value, radix: 16, uppercase: true)
        text += "%" + (digits.count == 1 ? "0" : "") + digits
      } else {
        text += String(scalar).printable
      }
    }
    return text
  }
}
