internal import ByteIO
public import Forward
internal import Recurrent
public import Tensors
internal import Verification

extension [GradientFlowReport] {
  /// Draws all of them as one picture.
  public func writeSVG(to path: String) throws(RNNConvError) {
    let text = gradientFlowSVG(map { ($0.model, $0.flows) })
    do { try AtomicFile.write([UInt8](text.utf8), to: path) } catch { throw .file(error) }
  }
}

/// How gradients flow back through one model.
public struct GradientFlowReport: Sendable {
  /// What the file is called.
  public let model: String
  /// The sequence that was followed, such as `T=100 B=1 random` or `given inputs`.
  public let probe: String
  /// Of made-up inputs; nil for given ones.
  public let seed: UInt64?
  /// One for each direction of each recurrent layer, in the order of the layers, forward before reverse.
  public let flows: [GradientFlow]

  /// Each direction's Jacobians, named `layer.forward` or `layer.reverse`; empty unless they were kept.
  public var jacobians: [(name: String, tensor: Tensor)] {
    flows.compactMap { flow in
      flow.jacobians.map { ("\(flow.layer).\(flow.isReverse ? "reverse" : "forward")", $0) }
    }
  }
}

extension ModelFile {
  /// Follows the gradient back through every recurrent layer and direction of the imported model.
  ///
  /// - Parameters:
  ///   - inputs: by port name; nil to make up one random sequence from `seed`.
  ///   - length: T; given inputs are cut to their first T steps, made-up ones have 100 unless it says otherwise.
  ///   - seed: of the made-up sequence.
  ///   - options: which row is followed, and what is kept.
  /// - Throws: `.inputs` where they do not fit; `.arguments` where the length does not, or nothing recurs.
  public func gradientFlow(
    inputs: [String: Tensor]? = nil, length: Int? = nil, seed: UInt64 = 1,
    _ options: GradientFlowOptions = GradientFlowOptions()
  ) throws(RNNConvError) -> GradientFlowReport {
    var model = try model
    // Made-up sequences of sizes that would take too long are shorter, as where files are compared.
    if inputs == nil, model.sizesNotTried != nil { model = model.shortened }
    guard length ?? 1 > 0 else { throw .arguments("a sequence of \(length!) steps: give at least 1") }
    let probe: Probe
    if let inputs {
      probe = Probe(
        name: "given inputs",
        inputs: try length.map { (steps) throws(RNNConvError) in
          try model.cut(inputs, to: steps, path)
        } ?? inputs)
    } else {
      do { probe = try Probe.sequence(for: model, steps: length ?? 100, seed: seed) } catch {
        throw .arguments("\(path): \(error)")
      }
    }
    let flows: [GradientFlow]
    do { flows = try Forward.gradientFlow(model, inputs: probe.inputs, options) } catch {
      throw .run(path: path, error)
    }
    guard let first = flows.first else { throw .arguments("\(path): the model has no recurrent layer") }
    if let length, inputs == nil, first.steps != length {
      throw .arguments("\(path): the model fixes its sequences at \(first.steps) steps, not \(length)")
    }
    return GradientFlowReport(
      model: path, probe: probe.name, seed: inputs == nil ? seed : nil, flows: flows)
  }
}

extension Model {
  /// The first `steps` steps of every input with a time axis.
  fileprivate func cut(
    _ inputs: [String: Tensor], to steps: Int, _ path: String
  ) throws(RNNConvError) -> [String: Tensor] {
    var result = inputs
    for port in self.inputs where port.kind.hasTime {
      guard let tensor = inputs[port.name] else { continue }
      guard let axis = port.axes.firstIndex(where: { $0.factors == [.time] }), axis < tensor.shape.count
      else {
        throw .arguments("\(path): input '\(port.name)' has no axis of its own for time: it cannot be cut")
      }
      guard tensor.shape[axis] >= steps else {
        throw .arguments("\(path): input '\(port.name)' has \(tensor.shape[axis]) steps, not \(steps)")
      }
      // Time first, cut, and back: swapping two axes undoes itself.
      var order = Array(tensor.shape.indices)
      order.swapAt(0, axis)
      result[port.name] = tensor.transposed(order).rows(0..<steps).transposed(order)
    }
    return result
  }
}
