public import Tensors

extension Model {
  /// An input or output as the outside world sees it: how the axes of the tensor hold a canonical value.
  public struct Port: Sendable, Equatable {
    /// The name outside, such as an ONNX graph input's.
    public var name: String
    /// The canonical value inside.
    public var value: String
    /// Of the tensor outside: a float type for features, an integer type for tokens and indices, or a float type that holds such integers,
    /// whose fraction is dropped.
    public var elementType: ElementType
    /// What the value inside is.
    public var kind: ValueKind
    /// The tensor's axes, outermost first. They hold each dimension of the value once; without batch there is one row.
    public var axes: [PortAxis]

    /// A port that holds `value` in a tensor of these axes.
    public init(name: String, value: String, elementType: ElementType, kind: ValueKind, axes: [PortAxis]) {
      self.name = name
      self.value = value
      self.elementType = elementType
      self.kind = kind
      self.axes = axes
    }
  }
}

extension Model.Port {
  /// Whether an axis holds the rows; where none does there is one row.
  public var hasBatch: Bool { axes.contains { $0.factors.contains(.batch) } }

  /// The axes that a tensor of this shape has, without those that it is told to drop; nil where it cannot be told which these are.
  package func axes(of shape: [Int]) -> [PortAxis]? {
    if shape.count == axes.count { return axes }
    let kept = axes.filter { !$0.isDroppedAtOne }
    return shape.count == kept.count ? kept : nil
  }
}

extension Model.Port {
  /// A port whose axes are those of the value: `[T, B, F]`, or what is left of them; time and batch change places where the
  /// batch comes first.
  ///
  /// - Parameters:
  ///   - value: what layers call it; nil for the port's name.
  ///   - elementType: nil for float32, and int64 where the value is made of integers.
  package init(
    _ name: String, _ kind: ValueKind, batchFirst: Bool = false, value: String? = nil,
    elementType: ElementType? = nil
  ) {
    let rows = [PortAxis([.batch])]
    let steps = kind.hasTime ? [PortAxis([.time])] : []
    self.init(
      name: name, value: value ?? name, elementType: elementType ?? (kind.isInteger ? .int64 : .float32),
      kind: kind,
      axes: (batchFirst ? rows + steps : steps + rows) + (kind.isInteger ? [] : [.features(kind.features)]))
  }

  /// A float32 sequence: axes `[T, B, features]`, or `[B, T, features]` where the batch comes first.
  ///
  /// - Parameters:
  ///   - name: the name outside.
  ///   - features: F.
  ///   - batchFirst: whether the batch comes before time.
  ///   - value: what layers call it; nil for the port's name.
  public static func sequence(
    _ name: String, features: Int, batchFirst: Bool = false, value: String? = nil
  ) -> Model.Port {
    Model.Port(name, .sequence(features: features), batchFirst: batchFirst, value: value)
  }

  /// A float32 vector: axes `[B, features]`.
  public static func vector(_ name: String, features: Int, value: String? = nil) -> Model.Port {
    Model.Port(name, .vector(features: features), value: value)
  }

  /// Int64 tokens: axes `[T, B]`, or `[B, T]` where the batch comes first.
  public static func tokens(_ name: String, batchFirst: Bool = false, value: String? = nil) -> Model.Port {
    Model.Port(name, .tokens, batchFirst: batchFirst, value: value)
  }

  /// Int64 numbers of rows, such as lengths: axis `[B]`.
  public static func indices(_ name: String, value: String? = nil) -> Model.Port {
    Model.Port(name, .indices, value: value)
  }
}

/// The canonical values that flow between layers.
public enum ValueKind: Sendable, Hashable {
  /// `[T, B, F]`
  case sequence(features: Int)
  /// `[B, F]`
  case vector(features: Int)
  /// Integers `[T, B]`
  case tokens
  /// Integers `[B]`: token ids, or valid lengths of rows
  case indices

  /// Whether it has steps: a sequence or tokens.
  public var hasTime: Bool {
    switch self {
    case .sequence, .tokens: true
    case .vector, .indices: false
    }
  }

  /// F; 1 for integers.
  public var features: Int {
    switch self {
    case .sequence(let features), .vector(let features): features
    case .tokens, .indices: 1
    }
  }

  /// Whether it is made of integers: tokens or indices.
  public var isInteger: Bool {
    switch self {
    case .tokens, .indices: true
    case .sequence, .vector: false
    }
  }
}

/// One axis of a port's tensor: the product of its factors, major first; no factors for an axis of size 1.
///
/// In normal form, so that one arrangement is written in one way: no features of count 1, and none that continue one another.
public struct PortAxis: Sendable, Hashable {
  /// What the axis holds, major first.
  public let factors: [AxisFactor]
  /// The size where the source fixes it; always set for axes of features only, or of nothing.
  public var size: Int?
  /// The source's name for a size that it leaves open, such as `batch`.
  public var symbol: String?
  /// Whether an output comes without this axis where its size is 1, as behind an ONNX Squeeze without axes.
  public var isDroppedAtOne: Bool

  /// An axis of these factors, brought to normal form; `size` counts only where time or batch is one of them.
  public init(
    _ factors: [AxisFactor], size: Int? = nil, symbol: String? = nil, isDroppedAtOne: Bool = false
  ) {
    self.isDroppedAtOne = isDroppedAtOne
    self.factors = factors.normalised
    let count = self.factors.featureCount
    self.size = count ?? size
    self.symbol = symbol
  }
}

extension PortAxis {
  /// All features of a value, in their order.
  public static func features(_ count: Int) -> PortAxis {
    PortAxis([.features(stride: 1, count: count)], size: count)
  }
}

extension [AxisFactor] {
  /// Without features of count 1, and with neighbours joined that continue one another.
  package var normalised: [AxisFactor] {
    var result: [AxisFactor] = []
    for factor in self {
      guard case .features(let stride, let count) = factor else {
        result.append(factor)
        continue
      }
      if count == 1 { continue }
      if case .features(let outer, let outerCount)? = result.last {
        let (step, overflow) = stride.multipliedReportingOverflow(by: count)
        let (product, tooMany) = outerCount.multipliedReportingOverflow(by: count)
        if !overflow, !tooMany, outer == step {
          result[result.count - 1] = .features(stride: stride, count: product)
          continue
        }
      }
      result.append(factor)
    }
    return result
  }

  /// The size of an axis that holds features alone, or nothing; nil where time or batch is part of it.
  fileprivate var featureCount: Int? {
    var product = 1
    for factor in self {
      guard case .features(_, let count) = factor else { return nil }
      let (next, overflow) = product.multipliedReportingOverflow(by: count)
      guard !overflow else { return nil }
      product = next
    }
    return product
  }
}

/// A dimension of a canonical value, or a regular part of its features.
public enum AxisFactor: Sendable, Hashable {
  /// T steps.
  case time
  /// B rows.
  case batch
  /// `count` features, `stride` apart. D·O features as direction × unit: `(O, D)` and `(1, O)`.
  case features(stride: Int, count: Int)

  /// Whether it is neither time nor batch.
  package var isFeatures: Bool { if case .features = self { true } else { false } }
}
