internal import ByteIO
internal import Forward
internal import Recurrent
public import Verification

extension VerificationRequest.Outcome {
  /// The report as one page, with the weights side by side where both files could be imported, and how gradients flow.
  public var page: HTMLReport {
    var difference: ModelDifference?
    if models.count == 2, let left = try? models[0].model, let right = try? models[1].model {
      difference = diff(left, right)
    }
    var page = HTMLReport(report, difference: difference, tool: "rnnconv \(RNNConvVersion.current)")
    // One model on both sides has one picture.
    page.flows = (difference?.isSame ?? false ? models.prefix(1) : models[...]).compactMap(\.pageFlow)
    page.origins = models.map(\.origin)
    return page
  }
}

extension HTMLReport {
  /// Writes the page to a file.
  ///
  /// - Parameters:
  ///   - path: of the file; one that is there is replaced.
  ///   - said: puts what a reader knows in place of the library's names for what can be set (`Setting`).
  public func write(to path: String, as said: (String) -> String = { $0 }) throws(RNNConvError) {
    do { try AtomicFile.write(Array(said(html).utf8), to: path) } catch { throw .file(error) }
  }
}

extension ModelFile {
  /// Larger states would hold up the page for more than a second or two.
  private static let largestPageState = 256

  /// The flow along 100 made-up steps, or why there is none; nil where nothing recurs.
  fileprivate var pageFlow: (name: String, flows: [GradientFlow], remark: String?)? {
    guard let model = try? model else { return nil }
    let states = model.layers.compactMap { layer -> Int? in
      guard case .recurrent(let recurrent) = layer.operation else { return nil }
      return recurrent.outputSize + (recurrent.cell.hasCellState ? recurrent.hiddenSize : 0)
    }
    guard let largest = states.max() else { return nil }
    guard largest <= Self.largestPageState else {
      return (path, [], "a state of \(largest) numbers takes a while: run rnnconv gradient-flow")
    }
    do { return (path, try gradientFlow().flows, nil) } catch { return (path, [], error.description) }
  }

  /// The format and what the file says of its versions, or what the ONNX file said that it was made of.
  fileprivate var origin: String {
    let said = (try? model)?.metadata ?? [:]
    let opset = said["onnx:opset"].map {
      format.name == Format.onnx.name ? "opset \($0)" : "from ONNX opset \($0)"
    }
    return [format.name, opset, said["onnx:producer"]].compactMap { $0 }.joined(separator: ", ")
  }
}
