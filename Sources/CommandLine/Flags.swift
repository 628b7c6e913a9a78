internal import ByteIO

extension Setting {
  /// What sets it on the command line.
  var flag: String {
    switch self {
    case .key: "--key"
    case .modules: "--modules"
    case .nonlinearity: "--nonlinearity"
    case .batchFirst: "--batch-first"
    case .select: "--select"
    case .head: "--head"
    case .architecture: "--architecture"
    case .format: "--from"
    case .bindings: "--bind"
    case .axes: "--axes"
    case .opset: "--opset"
    case .externalData: "--external-data"
    case .compressed: "--compress"
    case .allowLoss: "--allow-loss"
    case .targetFormat: "--format"
    case .inputs: "--input"
    case .expected: "--expected"
    case .runtime: "--runtime"
    case .activationError: "--activation-error"
    case .tolerance: "--atol or --rtol"
    case .outputName: "--output-name"
    }
  }
}

extension String {
  /// A message of the library with flags in place of its own names.
  var withFlags: String {
    guard contains("`.") else { return self }
    return Setting.allCases.reduce(self) { $0.replacing($1.description, with: $1.flag) }
  }
}
