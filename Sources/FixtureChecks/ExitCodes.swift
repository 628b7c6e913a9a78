package import RNNConv
package import Verification

// The codes that `rnnconv` ends with, as its help documents them: commands and checked fixtures alike.

extension Verdict {
  /// 0 good · 1 different · 5 inconclusive.
  package var exitCode: Int32 {
    switch self {
    case .identical, .equal, .close: 0
    case .different: 1
    case .inconclusive: 5
    }
  }
}

extension RNNConvError {
  /// 1 disproved · 2 bad arguments · 3 not expressible in the target format · 4 a file is malformed, unsupported or inaccessible.
  package var exitCode: Int32 {
    switch self {
    case .disproved: 1
    case .arguments, .model, .run, .evaluation, .comparison: 2
    case .notExpressible, .loss: 3
    case .file, .unknownFormat, .foreignFormat, .unreadable, .notImported: 4
    }
  }
}
