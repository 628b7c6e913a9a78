internal import Recurrent

/// A canonical value under some arrangement of its dimensions: what an ONNX tensor of the graph holds.
///
/// Transpose, Reshape, Squeeze, Unsqueeze and Flatten only change the arrangement, so they leave no trace in the
/// canonical model; an operator that needs an arrangement compares it with the one it finds.
struct View: Equatable {
  var value: String
  var kind: ValueKind
  /// The factors of each axis, major first. Features of count 1 are left out, so an axis of size 1 is empty.
  var axes: [[AxisFactor]]
  /// The number of steps where the source fixes it.
  var timeSize: Int?
  /// How its steps are counted.
  var clock = Clock()
  /// For integers: what was added to the value, so that `lengths − 1` can be recognised.
  var offset = 0
  /// For token ids: a part of the expression by which Keras lets negative ids count from the end.
  var wrapping: Wrapping?

  enum Wrapping: Equatable {
    /// id where it is not negative, else 0
    case keptWhereNonNegative
    /// id + vocabulary where id is negative, else 0
    case shiftedWhereNegative(vocabulary: Int)
    /// The sum of both: what Gather makes of negative ids itself.
    case wrapped(vocabulary: Int)
    /// No id, but whether it is (or is not) this token.
    case equals(Int, isTrue: Bool)
  }

  init(
    value: String, kind: ValueKind, axes: [[AxisFactor]], timeSize: Int? = nil, clock: Clock = Clock()
  ) {
    self.value = value
    self.kind = kind
    self.axes = axes.map(Self.normalised)
    self.timeSize = kind.hasTime ? timeSize : nil
    self.clock = kind.hasTime ? clock : Clock()
  }

  /// Drops features of count 1 and joins neighbours that continue one another.
  static func normalised(_ axis: [AxisFactor]) -> [AxisFactor] { axis.normalised }

  /// All features of a value on one axis.
  static func features(_ count: Int) -> [AxisFactor] {
    count == 1 ? [] : [.features(stride: 1, count: count)]
  }

  /// The arrangement in which the canonical model thinks: `[T, B, F]`, `[B, F]`, `[T, B]` or `[B]`.
  static func canonicalAxes(_ kind: ValueKind) -> [[AxisFactor]] {
    switch kind {
    case .sequence(let count): [[.time], [.batch], features(count)]
    case .vector(let count): [[.batch], features(count)]
    case .tokens: [[.time], [.batch]]
    case .indices: [[.batch]]
    }
  }

  /// Whether the last axis holds all features, in order.
  var endsInFeatures: Bool { axes.last == View.features(kind.features) }
}

extension AxisFactor {
  /// A letter for messages: T, B, F.
  var letter: String {
    switch self {
    case .time: "T"
    case .batch: "B"
    case .features(_, let count): "\(count)"
    }
  }
}

/// `[T, B, 2·8]`
func describe(_ axes: [[AxisFactor]]) -> String {
  "[" + axes.map { $0.isEmpty ? "1" : $0.map(\.letter).joined(separator: "·") }.joined(separator: ", ") + "]"
}
