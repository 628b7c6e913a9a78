public import Forward
internal import Recurrent
internal import Synchronization
public import Tensors

/// A model whose weights are packed as passes want them, once: to be kept by a server, and run by many tasks at once.
///
/// A pass gives what `ModelFile.run` gives, bit for bit, whatever the number of threads.
public struct PreparedModel: Sendable {
  /// What messages call the model.
  public let path: String
  private let packed: PackedModel

  init(_ file: ModelFile, threads: Int?, precision: Precision) throws(RNNConvError) {
    path = file.path
    let model = try file.model
    let execution = threads.map { Execution(threads: $0) } ?? .current
    do { packed = try PackedModel(model, precision: precision, execution: execution) } catch {
      throw .run(path: path, error)
    }
  }

  /// Runs the model; inputs, result and errors are those of `ModelFile.run`.
  public func run(_ inputs: [String: Tensor]) throws(RNNConvError) -> [String: Tensor] {
    do { return try packed.run(inputs) } catch { throw .run(path: path, error) }
  }
}

extension ModelFile {
  /// The model ready for many runs; its weights are then in memory twice, here and in the file.
  ///
  /// - Parameters:
  ///   - threads: how many a pass may use; nil for as many as there are cores. Where tasks run at once, each pass does
  ///     best with one.
  ///   - precision: the arithmetic of the passes.
  public func prepared(
    threads: Int? = nil, precision: Precision = .float32
  ) throws(RNNConvError) -> PreparedModel {
    try PreparedModel(self, threads: threads, precision: precision)
  }
}

/// The passes of one model: from the second on over packed weights, so that who runs it once holds nothing.
final class Passes: Sendable {
  private struct State {
    var hasRun: Set<Precision> = []
    var packed: [Precision: PackedModel] = [:]
  }

  private let state = Mutex(State())

  func run(
    _ model: Model, _ inputs: [String: Tensor], _ precision: Precision
  ) throws(ForwardError) -> [String: Tensor] {
    let packed = state.withLock { state -> Result<PackedModel, ForwardError>? in
      if state.hasRun.insert(precision).inserted { return nil }
      if let packed = state.packed[precision] { return .success(packed) }
      do throws(ForwardError) {
        let packed = try PackedModel(model, precision: precision)
        state.packed[precision] = packed
        return .success(packed)
      } catch { return .failure(error) }
    }
    guard let packed else { return try forward(model, inputs: inputs, precision: precision) }
    return try packed.get().run(inputs)
  }
}
