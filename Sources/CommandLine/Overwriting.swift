internal import ArgumentParser
internal import RNNConv

/// Of every command that writes what somebody may want to keep.
struct OverwritingOptions: ParsableArguments {
  @Flag(help: "Write over files that are there already, the input among them.")
  var force = false

  /// Refuses to write over a file that is there, before any work is done; devices and pipes take what they are given.
  ///
  /// - Parameters:
  ///   - areResults: whether what is there may be written anew, since it is made of the inputs again.
  ///   - isInPlace: whether what is read may be written over at all. Reports may not, nor over one another.
  func check(
    _ outputs: [String?], reading inputs: [String], areResults: Bool = false, isInPlace: Bool = true
  ) throws {
    let paths = outputs.compactMap(\.self).filter { $0 != "-" }
    if !isInPlace, let twice = paths.first(where: { path in paths.count { $0 == path } > 1 }) {
      throw RNNConvError.arguments("\(twice) is named twice: one would be written over the other")
    }
    let sources = inputs.compactMap { FileIdentity($0) }
    for path in paths {
      guard let target = FileIdentity(path), target.isRegular else { continue }
      if !isInPlace, sources.contains(target) {
        throw RNNConvError.arguments("\(path): that is what is read; name another file")
      }
      if force { continue }
      if sources.contains(target) {
        throw RNNConvError.arguments("\(path): that is what is read; --force writes over it")
      }
      if !areResults {
        throw RNNConvError.arguments("\(path): the file is there already; --force writes over it")
      }
    }
  }
}
