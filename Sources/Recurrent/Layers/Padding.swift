internal import ByteIO
package import Tensors

/// Places added at the ends of axes, or taken away there.
public struct Padding: Sendable, Hashable {
  /// What stands in an added place.
  public enum Mode: Sendable, Hashable {
    /// This number.
    case constant(Double)
    /// The axis, mirrored at its first and last place, which are not repeated.
    case reflect
    /// The first place, or the last.
    case edge
    /// The axis, once more from its other end.
    case wrap
  }

  /// How much is added to one axis.
  public struct Axis: Sendable, Hashable {
    /// How many places it has; nil for time.
    public var size: Int?
    /// Places added in front; negative for places taken away.
    public var before: Int
    /// Places added behind; negative for places taken away.
    public var after: Int

    /// By default nothing is added.
    public init(size: Int?, before: Int = 0, after: Int = 0) {
      (self.size, self.before, self.after) = (size, before, after)
    }
  }

  /// What stands in an added place.
  public var mode: Mode
  /// Time, or axes inside the features, which are channels × axes, major first.
  public let axes: [Axis]

  /// What is added to each axis, in normal form: time first, and no axis to which nothing is added where its places can be counted among
  /// the channels or those of its neighbour.
  public init(_ mode: Mode, axes: [Axis]) {
    self.mode = mode
    var normal = axes.filter { $0.size == nil && !$0.isUnchanged }
    let time = normal.count
    for axis in axes where axis.size != nil {
      if axis.isUnchanged, normal.count == time || axis.size == 1 { continue }
      if axis.isUnchanged, let last = normal.last, last.isUnchanged, let size = last.size,
        let product = checkedProduct([size, axis.size!])
      {
        normal[normal.count - 1].size = product
      } else {
        normal.append(axis)
      }
    }
    self.axes = normal
  }
}

extension Padding.Axis {
  fileprivate var isUnchanged: Bool { before == 0 && after == 0 }
}

extension Padding.Axis {
  /// How many of n places are left when those at the ends are taken away; not positive where none is.
  package func kept(of n: Int) -> Int { n + min(before, 0) + min(after, 0) }

  /// Which of n places stands at the result's place m; nil for the constant. Places are taken away before others are added, which are made
  /// of those that are left.
  package func source(_ m: Int, of n: Int, _ mode: Padding.Mode) -> Int? {
    mode.source(m - max(before, 0), of: kept(of: n)).map { $0 - min(before, 0) }
  }
}

extension Padding.Mode {
  enum Word: String { case constant, reflect, edge, wrap }

  var word: Word {
    switch self {
    case .constant: .constant
    case .reflect: .reflect
    case .edge: .edge
    case .wrap: .wrap
    }
  }

  /// Which of n places stands at `place`, counted from the first; nil for the constant.
  fileprivate func source(_ place: Int, of n: Int) -> Int? {
    if (0..<n).contains(place) { return place }
    switch self {
    case .constant: return nil
    case .edge: return place < 0 ? 0 : n - 1
    case .wrap: return ((place % n) + n) % n
    case .reflect:
      if n == 1 { return 0 }
      let period = 2 * (n - 1)
      let turn = ((place % period) + period) % period
      return turn < n ? turn : period - turn
    }
  }
}

extension Padding: LayerKind {
  package var name: LayerName { .padding }
  package var operation: Layer.Operation { .padding(self) }

  package func write<Fields: FieldWriter>(to fields: inout Fields) throws(Fields.Failure) {
    try fields.text("mode", mode.word.rawValue)
    if case .constant(let value) = mode { try fields.real("value", value) }
    for (index, axis) in axes.enumerated() {
      fields.begin("axes", part: "axis\(index)")
      if let size = axis.size { try fields.integer("size", size) }
      try fields.integer("before", axis.before)
      try fields.integer("after", axis.after)
      fields.end()
    }
  }

  package init<Fields: FieldReader>(_ name: LayerName, from fields: inout Fields) throws(Fields.Failure) {
    let word: Mode.Word = try fields.name("mode", "mode")
    let mode: Mode =
      switch word {
      case .constant: .constant(try fields.real("value"))
      case .reflect: .reflect
      case .edge: .edge
      case .wrap: .wrap
      }
    var axes: [Axis] = []
    for index in 0..<(try fields.partCount("axes")) {
      try fields.begin("axes", part: index)
      axes.append(
        Axis(
          size: try fields.optionalSize("size"), before: try fields.integer("before"),
          after: try fields.integer("after")))
      try fields.end()
    }
    self.init(mode, axes: axes)
  }

  package func mapTensors(_ transform: (Tensor) -> Tensor) {}

  package func outputKinds(_ inputs: LayerInputs) throws(ModelError) -> [ValueKind] {
    let input = try inputs.features()
    guard axes.filter({ $0.size == nil }).count <= (input.hasTime ? 1 : 0) else {
      throw inputs.invalid("two of its axes are time, or its input has none")
    }
    for axis in axes {
      let most = axis.size == nil ? WindowAxis.mostAdded : ValueKind.mostFeatures
      let all = [axis.before, axis.after, axis.size ?? 1]
      guard all.allSatisfy({ (-most...most).contains($0) }), axis.size ?? 1 >= 1,
        axis.size.map({ axis.kept(of: $0) >= 1 }) ?? true
      else { throw inputs.invalid("\(axis.before) and \(axis.after) places added to \(axis.size ?? 1)") }
    }
    guard let places = checkedProduct(axes.map { $0.size ?? 1 }), input.features % places == 0 else {
      throw inputs.invalid("its axes are not those of \(input.features) features")
    }
    let results = axes.map { axis in axis.size.map { $0 + axis.before + axis.after } ?? 1 }
    guard let features = checkedProduct([input.features / places] + results),
      features <= ValueKind.mostFeatures
    else { throw inputs.invalid("it makes more than \(ValueKind.mostFeatures) features") }
    return [input.with(features: features)]
  }

  package func steps(of input: Int?) -> Int? {
    guard let time = axes.first(where: { $0.size == nil }), let input else { return input ?? 0 }
    return time.kept(of: input) >= 1 ? input + time.before + time.after : nil
  }

  package func reasonNotToStream(_ inputs: [String?], varying: Set<String>) -> String? {
    axes.contains { $0.size == nil && ($0.before, $0.after) != (0, 0) }
      ? "it adds or takes away steps" : nil
  }
}
