internal import ArgumentParser
internal import RNNConv

/// Of every command that writes what somebody may want to keep.
struct OverwritingOptions: ParsableArguments {
  @Flag(help: "Write over files that are there already, the input among them.")
  var force = false

  /// Refuses to write over a file that is there, before any work is done; devices and pipes take what they are given.
  ///
  /// - Parameter areResults: whether what is there may be written anew, since it is made of the inputs again.
  func check(_ outputs: [String?], reading inputs: [String], areResults: Bool = false) throws {
    guard !force else { return }
    let sources = inputs.compactMap { FileIdentity($0) }
    for case let path? in outputs where path != "-" {
      guard let target = FileIdentity(path), target.isRegular else { continue }
      if sources.contains(target) {
        throw RNNConvError.arguments("\(path): that is what is read; --force writes over it")
      }
      if !areResults {
        throw RNNConvError.arguments("\(path): the file is there already; --force writes over it")
      }
    }
  }
}
