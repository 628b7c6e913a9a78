public import Foundation

/// The repository's own folders, found from this file's place.
public enum Repository {
  public static let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent()
  public static let fixtures = root.appending(path: "fixtures")
  public static let schemas = root.appending(path: "schemas")
}

/// The path of a file below schemas/.
public func schemaPath(_ name: String) -> String { Repository.schemas.appending(path: name).path }

public struct PythonFailure: Error, CustomStringConvertible {
  public let description: String
}

/// Runs Python with the pinned peers: `RNNCONV_PYTHON`, or the environment that `make test` makes.
///
/// A missing peer is an error, never a pass.
public func runPython(_ arguments: [String]) throws -> String {
  let python =
    ProcessInfo.processInfo.environment["RNNCONV_PYTHON"]
    ?? Repository.root.appending(path: ".peers/bin/python").path
  guard FileManager.default.isExecutableFile(atPath: python) else {
    throw PythonFailure(description: "no peers: \(python) is missing; run `make test`, which installs them")
  }
  let (child, text) = try Child.output(
    of: URL(filePath: python), arguments, in: Repository.root, joiningError: true)
  guard child.code == 0 else {
    throw PythonFailure(description: "python \(arguments) ended with \(child.code ?? -1): \(text)")
  }
  return text
}
