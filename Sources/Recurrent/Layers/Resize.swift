internal import ByteIO
package import Tensors

/// More or fewer places along axes, each made of those around its own place: interpolation, as ONNX' Resize and PyTorch's `interpolate`
/// have it, one axis after another.
public struct Resize: Sendable, Hashable {
  /// What is made of the places around.
  public enum Mode: Sendable, Hashable {
    /// The nearest one.
    case nearest(Rounding)
    /// The two around, by how near they are.
    case linear
    /// The four around, by the cubic convolution with coefficient a (Keys 1981); places outside are the first or the last, or count for
    /// nothing, and the others for more.
    case cubic(a: Double, excludesOutside: Bool)
  }

  /// Which place is nearest to one between two.
  public enum Rounding: String, Sendable, CaseIterable, Hashable {
    /// Halves to the lower one.
    case halfDown
    /// Halves to the upper one.
    case halfUp
    /// The lower one.
    case floor
    /// The upper one.
    case ceil
  }

  /// Where the result's place m lies, of n places and l results.
  public enum Coordinates: String, Sendable, CaseIterable, Hashable {
    /// (m + ½) ÷ scale − ½
    case halfPixel
    /// The same, moved so that the middles of both lie on one another where l was rounded.
    case halfPixelSymmetric
    /// The same as `halfPixel`; 0 of one result.
    case pytorchHalfPixel
    /// m · (n − 1) ÷ (l − 1); 0 of one result.
    case alignCorners
    /// m ÷ scale
    case asymmetric
  }

  /// How one axis changes.
  public struct Axis: Sendable, Hashable {
    /// n, how many places it has; nil for time.
    public var size: Int?
    /// l, how many the result has; nil for time, where it is `scale` · T.
    public var results: Int?
    /// By what coordinates are divided: a whole number for time, else l ÷ n, or what was rounded to l.
    public var scale: Double

    /// An axis inside the features of `size` places that gets `results`; the scale is by default their ratio.
    public init(size: Int, results: Int, scale: Double? = nil) {
      (self.size, self.results) = (size, results)
      self.scale = scale ?? Double(results) / Double(max(size, 1))
    }

    /// Time, of which each step becomes `times`.
    public init(times: Int) { (size, results, scale) = (nil, nil, Double(times)) }

    fileprivate init(size: Int?, results: Int?, scale: Double) {
      (self.size, self.results, self.scale) = (size, results, scale)
    }

    /// Whether it stays as it is.
    package var isUnchanged: Bool { scale == 1 && size == results }

    /// How many results there are of n places.
    package func results(of n: Int) -> Int { results ?? n * Int(scale) }
  }

  /// What is made of the places around.
  public var mode: Mode
  /// Where a result lies.
  public var coordinates: Coordinates
  /// Time, or axes inside the features, which are channels × axes, major first.
  public let axes: [Axis]

  /// How axes change, in normal form: time first, and no axis that stays where its places can be counted among the channels or those of
  /// its neighbour.
  public init(_ mode: Mode, _ coordinates: Coordinates, axes: [Axis]) {
    (self.mode, self.coordinates) = (mode, coordinates)
    var normal = axes.filter { $0.size == nil && !$0.isUnchanged }
    let time = normal.count
    for axis in axes where axis.size != nil {
      if axis.isUnchanged, normal.count == time || axis.size == 1 { continue }
      if axis.isUnchanged, let last = normal.last, last.isUnchanged, let size = last.size,
        let product = checkedProduct([size, axis.size!])
      {
        normal[normal.count - 1] = Axis(size: product, results: product)
      } else {
        normal.append(axis)
      }
    }
    self.axes = normal
  }

  /// The most that time can be multiplied by.
  package static let mostTimes = 1 << 10
}

extension Resize.Coordinates {
  /// Where the result's place m lies; and whether that is exact in Float32 however it is computed: dyadic numbers that are small.
  package func place(_ m: Int, scale: Double, of n: Int, results l: Int) -> (place: Double, isExact: Bool) {
    let x = Double(m)
    let isDyadic = scale.significand == 1 && abs(scale.exponent) <= 10 && max(n, l) < 1 << 12
    switch self {
    case .halfPixel: return ((x + 0.5) / scale - 0.5, isDyadic)
    case .halfPixelSymmetric:
      let offset = Double(n) / 2 * (1 - Double(l) / (scale * Double(n)))
      return (offset + (x + 0.5) / scale - 0.5, isDyadic && offset == 0)
    case .pytorchHalfPixel: return l > 1 ? ((x + 0.5) / scale - 0.5, isDyadic) : (0, true)
    case .alignCorners: return l > 1 ? (x * Double(n - 1) / Double(l - 1), n == 1) : (0, true)
    case .asymmetric: return (x / scale, isDyadic)
    }
  }
}

extension Resize.Rounding {
  /// The nearest place.
  package func place(_ x: Double) -> Double {
    switch self {
    case .halfDown: (x - 0.5).rounded(.up)
    case .halfUp: (x + 0.5).rounded(.down)
    case .floor: x.rounded(.down)
    case .ceil: x.rounded(.up)
    }
  }
}

extension Resize: LayerKind {
  private enum Word: String { case nearest, linear, cubic }

  private var word: Word {
    switch mode {
    case .nearest: .nearest
    case .linear: .linear
    case .cubic: .cubic
    }
  }

  package var name: LayerName { .resize }
  package var operation: Layer.Operation { .resize(self) }

  package func write<Fields: FieldWriter>(to fields: inout Fields) throws(Fields.Failure) {
    try fields.text("mode", word.rawValue)
    switch mode {
    case .nearest(let rounding): try fields.text("rounding", rounding.rawValue)
    case .linear: break
    case .cubic(let a, let excludesOutside):
      try fields.real("coefficient", a)
      try fields.flag("excludesOutside", excludesOutside)
    }
    try fields.text("coordinates", coordinates.rawValue)
    for (index, axis) in axes.enumerated() {
      fields.begin("axes", part: "axis\(index)")
      if let size = axis.size { try fields.integer("size", size) }
      if let results = axis.results { try fields.integer("results", results) }
      try fields.real("scale", axis.scale)
      fields.end()
    }
  }

  package init<Fields: FieldReader>(_ name: LayerName, from fields: inout Fields) throws(Fields.Failure) {
    let word: Word = try fields.name("mode", "mode")
    let mode: Mode =
      switch word {
      case .nearest: .nearest(try fields.name("rounding", "rounding"))
      case .linear: .linear
      case .cubic:
        .cubic(a: try fields.real("coefficient"), excludesOutside: try fields.flag("excludesOutside"))
      }
    let coordinates: Coordinates = try fields.name("coordinates", "coordinates")
    var axes: [Axis] = []
    for index in 0..<(try fields.partCount("axes")) {
      try fields.begin("axes", part: index)
      axes.append(
        Axis(
          size: try fields.optionalSize("size"), results: try fields.optionalSize("results"),
          scale: try fields.real("scale")))
      try fields.end()
    }
    self.init(mode, coordinates, axes: axes)
  }

  package func mapTensors(_ transform: (Tensor) -> Tensor) {}

  package func outputKinds(_ inputs: LayerInputs) throws(ModelError) -> [ValueKind] {
    let input = try inputs.features()
    guard !axes.isEmpty, axes.filter({ $0.size == nil }).count <= (input.hasTime ? 1 : 0) else {
      throw inputs.invalid("it has no axes, or time more than once, or there is none")
    }
    if case .cubic(let a, _) = mode, !(abs(a) <= 16) { throw inputs.invalid("a coefficient of \(a)") }
    let most = ValueKind.mostFeatures
    for axis in axes {
      guard (axis.size == nil) == (axis.results == nil), (1...most).contains(axis.size ?? 1),
        (1...most).contains(axis.results ?? 1), axis.scale >= 1 / Double(most), axis.scale <= Double(most)
      else { throw inputs.invalid("an axis of \(axis)") }
      if let size = axis.size, let results = axis.results {
        guard abs(Double(size) * axis.scale - Double(results)) < 1.5 else {
          throw inputs.invalid("\(size) places, \(axis.scale) times as many, are not \(results)")
        }
      }
      guard axis.size != nil || axis.scale.rounded() == axis.scale && axis.scale <= Double(Self.mostTimes)
      else { throw inputs.invalid("\(axis.scale) times as many steps: 1 to \(Self.mostTimes) times can be") }
    }
    guard let places = checkedProduct(axes.map { $0.size ?? 1 }), input.features % places == 0 else {
      throw inputs.invalid("its axes are not those of \(input.features) features")
    }
    guard let features = checkedProduct([input.features / places] + axes.map { $0.results ?? 1 }),
      features <= most
    else { throw inputs.invalid("it makes more than \(most) features") }
    return [input.with(features: features)]
  }

  package var stretch: Int { axes.first { $0.size == nil }.map { Int($0.scale) } ?? 1 }

  package func steps(of input: Int?) -> Int? {
    guard let time = axes.first(where: { $0.size == nil }), let input else { return input ?? 0 }
    return time.results(of: input)
  }

  package func reasonNotToStream(_ inputs: [String?], varying: Set<String>) -> String? {
    axes.contains { $0.size == nil && $0.scale != 1 } ? "it makes several steps of one" : nil
  }
}
