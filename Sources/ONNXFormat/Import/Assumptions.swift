internal import Tensors

/// What an import takes for granted where the graph does not say it.
///
/// Whether it is right shows when everything fits: a recurrence that reads `[T, B, F]` refuses an input taken for `[B, T, F]`.
struct Assumptions: Equatable {
  /// The axes of graph inputs, by name.
  var roles: [String: [AxisRole]] = [:]
  /// T and B, where a Reshape fixes a size that the input leaves open.
  var steps: Int?
  var rows: Int?
  /// Whether the batch is one row that no value has an axis for, since the graph drops that axis somewhere.
  var isUnbatched = false

  /// How many are tried at most.
  static let limit = 48

  /// What the axes of an input may be, the likeliest first.
  ///
  /// - Parameter batches: what other inputs call their batch.
  static func roles(_ info: ONNXValueInfo, batches: Set<String> = []) -> [[AxisRole]] {
    guard let shape = info.shape, let type = info.elementType else { return [] }
    let isBatch = shape.map { if case .symbol(let name) = $0 { batches.contains(name) } else { false } }
    let isFixed = shape.allSatisfy {
      if case .fixed = $0 {
        true
      } else if case .symbol(let name) = $0 {
        batches.contains(name)
      } else {
        false
      }
    }
    let others = Self.likely(info, type, shape)
    // Where the batch goes by its name, and all else is fixed, that is features, be it of several states.
    guard type.isFloat, isFixed, isBatch.count(where: { $0 }) == 1 else { return others }
    let named = isBatch.map { $0 ? AxisRole.batch : .features(nil) }
    return [named] + others.filter { $0 != named }
  }

  private static func likely(
    _ info: ONNXValueInfo, _ type: ElementType, _ shape: [ONNXValueInfo.Dimension]
  ) -> [[AxisRole]] {
    let rank = shape.count
    let features = AxisRole.features(nil)
    if rank > 3, type.isFloat {
      // Open are the batch and time; what is fixed belongs to the features.
      let open = shape.indices.filter { if case .fixed = shape[$0] { false } else { true } }
      func roles(_ first: AxisRole, _ second: AxisRole) -> [AxisRole] {
        shape.indices.map { $0 == open.first ? first : $0 == open.last ? second : features }
      }
      switch open.count {
      case 0: return [[.batch] + [AxisRole](repeating: features, count: rank - 1)]
      case 1: return [roles(.batch, .batch), roles(.time, .time)]
      case 2: return [roles(.batch, .time), roles(.time, .batch)]
      default: return []
      }
    }
    return switch (rank, type.isFloat) {
    case (3, true):
      // What is fixed may as well be features alone.
      [[.batch, .time, features], [.time, .batch, features]]
        + (shape.dropFirst().allSatisfy { if case .fixed = $0 { true } else { false } }
          ? [[.batch, features, features]] : [])
    case (2, true): [[.batch, features], [.time, features], [.batch, .time], [.time, .batch]]
    case (1, true): [[features], [.time]]
    case (2, false): [[.batch, .time], [.time, .batch]]
    case (1, false): [[.time], [.batch]]
    default: []
    }
  }
}
