/// The activation functions as the ONNX operators of these names define them. A NaN goes through all of them.
public enum Functions<S: ReferenceScalar> {
  @inlinable public static func relu(_ x: S) -> S { S.larger(0, x) }
  @inlinable public static func sigmoid(_ x: S) -> S { S.sigmoid(x) }
  @inlinable public static func tanh(_ x: S) -> S { S.tanh(x) }
  @inlinable public static func softsign(_ x: S) -> S { x / (1 + abs(x)) }

  /// log(1 + eˣ), written so that eˣ cannot overflow.
  @inlinable
  public static func softplus(_ x: S) -> S { relu(x) + S.log1p(S.exp(-abs(x))) }

  @inlinable public static func affine(_ x: S, _ alpha: S, _ beta: S) -> S { alpha * x + beta }
  @inlinable public static func scaledTanh(_ x: S, _ alpha: S, _ beta: S) -> S { alpha * S.tanh(beta * x) }
  @inlinable public static func leakyRelu(_ x: S, _ alpha: S) -> S {
    S.piecewise(x, 0) {
      alpha * $0
    } otherwise: {
      $0
    }
  }
  @inlinable public static func elu(_ x: S, _ alpha: S) -> S {
    S.piecewise(x, 0) {
      alpha * S.expm1($0)
    } otherwise: {
      $0
    }
  }

  @inlinable
  public static func hardSigmoid(_ x: S, _ alpha: S, _ beta: S) -> S { clamp(alpha * x + beta, 0, 1) }

  /// min(max(x, low), high): `high` wins where the bounds cross.
  @inlinable
  public static func clamp(_ x: S, _ low: S, _ high: S) -> S {
    let raised = S.piecewise(x, low) { _ in
      low
    } otherwise: {
      $0
    }
    return S.piecewise(high, raised) {
      $0
    } otherwise: { _ in
      raised
    }
  }

  @inlinable
  public static func selu(_ x: S, _ alpha: S, _ gamma: S) -> S {
    S.piecewise(x, 0) {
      gamma * (alpha * S.expm1($0))
    } otherwise: {
      gamma * $0
    }
  }

  @inlinable
  public static func celu(_ x: S, _ alpha: S) -> S {
    S.piecewise(x, 0) {
      alpha * S.expm1($0 / alpha)
    } otherwise: {
      $0
    }
  }

  @inlinable
  public static func gelu(_ x: S) -> S { x * (1 + S.erf(x / (2 as S).squareRoot())) / 2 }

  /// Gelu by tanh: x/2 · (1 + tanh(√(2/π)·(x + 0.044715·x³))).
  @inlinable
  public static func geluTanh(_ x: S) -> S {
    let scale = (2 / S.pi).squareRoot()
    return x * (1 + S.tanh(scale * (x + S(0.044715) * x * x * x))) / 2
  }

  @inlinable public static func swish(_ x: S, _ alpha: S) -> S { x * sigmoid(alpha * x) }
  @inlinable public static func mish(_ x: S) -> S { x * S.tanh(softplus(x)) }
  @inlinable public static func hardSwish(_ x: S) -> S { x * clamp(x / 6 + S(0.5), 0, 1) }
}
