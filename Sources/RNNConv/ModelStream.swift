internal import ByteIO
public import Forward
internal import Recurrent
public import Tensors

/// A model run one time step at a time, carrying h and c of every recurrent layer.
///
/// Step by step or all at once, the results are the same bit for bit. Models that need the whole sequence cannot stream: a reverse
/// or bidirectional layer, lengths, a reduction over the steps, a state that starts from what another layer makes of the sequence.
public struct ModelStream: Sendable {
  /// What messages call the model.
  public let path: String
  private var session: StepSession

  init(_ file: ModelFile, batch: Int, precision: Precision) throws(RNNConvError) {
    path = file.path
    let model = try file.model
    do { session = try StepSession(model, batch: batch, precision: precision) } catch {
      throw .run(path: path, error)
    }
  }

  /// Runs one time step.
  ///
  /// - Parameter inputs: by port name: those with a time axis with one step, such as `[1, B, I]`; at the first step also those
  ///   without, such as initial states.
  /// - Returns: the outputs by port name: sequences of one step, and vectors as if the sequence ended here.
  /// - Throws: `RNNConvError.run`; the stream is then as it was.
  public mutating func step(_ inputs: [String: Tensor]) throws(RNNConvError) -> [String: Tensor] {
    do { return try session.step(inputs) } catch { throw .run(path: path, error) }
  }

  /// What the next step goes on from; empty before the first. A copy of the stream has a state of its own.
  ///
  /// - `layer.hidden` `[B, O]` and `layer.cell` `[B, H]` of each recurrent layer, by the layer's name (`layer#2.hidden` of the
  ///   second of that name), in the stream's precision;
  /// - the inputs without a time axis as the first step was given them, by the port's name.
  ///
  /// `TensorFile.write` saves one, bit for bit: `try TensorFile.write(stream.state, to: "state.npz")`.
  public var state: [String: Tensor] { session.state }

  /// Goes on from a state that `state` gave, of a stream of the same model and batch size.
  ///
  /// - Throws: `RNNConvError.run` naming what is missing or does not fit; the stream is then as it was.
  public mutating func restore(_ state: [String: Tensor]) throws(RNNConvError) {
    do { try session.restore(state) } catch { throw .run(path: path, error) }
  }

  /// Goes back to before the first step.
  public mutating func reset() {
    // The empty state fits every model.
    try! session.restore([:])
  }
}

extension ModelFile {
  /// The model step by step.
  ///
  /// - Parameters:
  ///   - batch: B of every step.
  ///   - precision: the arithmetic of every step, and of the state.
  /// - Throws: `RNNConvError.run(_, .cannotStream)` naming the layer that needs the whole sequence.
  public func stream(batch: Int = 1, precision: Precision = .float32) throws(RNNConvError) -> ModelStream {
    try ModelStream(self, batch: batch, precision: precision)
  }
}
