internal import ONNXFormat

extension ONNXNode {
  /// The module that a node was exported from, as PyTorch's exporters leave it: in the node's name (`/encoder/rnn/LSTM` of `encoder.rnn`),
  /// or in its metadata; nil where nothing says it, empty for the model itself.
  var moduleScope: String? {
    if let text = metadata["pkg.torch.onnx.name_scopes"] {
      // ['', 'encoder.rnn', 'lstm']: the last is the operation's own name.
      let scopes = text.split(separator: ",").map { part in
        part.filter { !" []'\"".contains($0) }
      }
      return scopes.count >= 2 ? scopes[scopes.count - 2] : nil
    }
    guard name.hasPrefix("/") else { return nil }
    var path: [Substring] = []
    for part in name.split(separator: "/").dropLast() {
      // What is inside nn.Sequential and the like has its parent's name in its own: /net/net.0/Conv.
      if let last = path.last, part.hasPrefix(last + ".") { path.removeLast() }
      path.append(part)
    }
    return path.joined(separator: ".")
  }
}

/// Whether two names are of one module, of which the state dict or the graph may hold only a part.
func isSameModule(_ one: String, _ other: String) -> Bool {
  one == other || one.hasSuffix("." + other) || other.hasSuffix("." + one)
}
