package import Recurrent
package import Tensors

/// A model whose weights are converted and packed once, for many passes.
///
/// A pass gives what `forward` gives, bit for bit.
package struct PackedModel: Sendable {
  private enum Engine {
    case float32([PreparedLayer<Float>])
    case float64([PreparedLayer<Double>])
  }

  package let model: Model
  private let engine: Engine
  private let forgetsSteps: Bool

  /// Checks the model and packs its weights.
  package init(
    _ model: Model, precision: Precision, execution: Execution = .current
  ) throws(ForwardError) {
    do { try model.validated() } catch { throw .invalidModel(error) }
    self.model = model
    forgetsSteps = model.forgetsSteps
    engine =
      switch precision {
      case .float32: .float32(model.layers.map { PreparedLayer($0, execution) })
      case .float64: .float64(model.layers.map { PreparedLayer($0, execution) })
      }
  }

  /// Runs the model: `inputs` and the result are those of `forward`.
  package func run(_ inputs: [String: Tensor]) throws(ForwardError) -> [String: Tensor] {
    switch engine {
    case .float32(let layers):
      let values = try Forward.run(model, inputs, as: Float.self, forgetsSteps: forgetsSteps) { layers[$0] }
      return try model.arrangedOutputs(values) { Tensor($0, shape: $1) }
    case .float64(let layers):
      let values = try Forward.run(model, inputs, as: Double.self, forgetsSteps: forgetsSteps) { layers[$0] }
      return try model.arrangedOutputs(values) { Tensor($0, shape: $1) }
    }
  }
}
