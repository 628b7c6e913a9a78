internal import ByteIO

// Modules that go over channels and places. A sequence `[T, B, F]` is to them `[B, C, …]`: T is one of the places' axes or none of
// them, and F is channels × the other axes, major first.

extension Architecture {
  /// `nn.Conv1d`, `nn.Conv2d` or `nn.Conv3d`.
  package struct Convolution: Sendable, Equatable {
    package var names: Parameters
    /// In the kernel's order.
    package var axes: [Window]
    package var groups: Int

    package init(_ names: Parameters, axes: [Window], groups: Int = 1) {
      (self.names, self.axes, self.groups) = (names, axes, groups)
    }
  }

  /// `nn.MaxPool1d`, `nn.AvgPool2d` and the like, which have no weights.
  package struct Pool: Sendable, Equatable {
    package enum Function: String, Sendable, CaseIterable {
      case max
      /// `nn.AvgPool…` with count_include_pad=False.
      case mean
      /// `nn.AvgPool…` with its default count_include_pad=True.
      case paddedMean = "padded_mean"
    }

    package var function: Function
    package var axes: [Window]
    /// `ceil_mode`
    package var roundsUp: Bool

    package init(_ function: Function, axes: [Window], roundsUp: Bool = false) {
      (self.function, self.axes, self.roundsUp) = (function, axes, roundsUp)
    }
  }

  /// How a window goes along one axis.
  package struct Window: Sendable, Hashable {
    /// How many places the axis has; nil for time.
    package var size: Int?
    package var kernel: Int
    package var stride: Int
    /// On both sides.
    package var padding: Int
    package var dilation: Int

    package init(size: Int?, kernel: Int, stride: Int = 1, padding: Int = 0, dilation: Int = 1) {
      (self.size, self.kernel, self.stride) = (size, kernel, stride)
      (self.padding, self.dilation) = (padding, dilation)
    }
  }

  /// `nn.BatchNorm1d`, `2d` or `3d`, as it is at inference; without affine parameters it has no weight and no bias.
  package struct BatchNorm: Sendable, Equatable {
    package var name: String
    package var weight: String?
    package var bias: String?
    package var mean: String
    package var variance: String
    package var epsilon: Double

    package init(
      name: String, weight: String?, bias: String?, mean: String, variance: String, epsilon: Double = 1e-5
    ) {
      (self.name, self.weight, self.bias) = (name, weight, bias)
      (self.mean, self.variance, self.epsilon) = (mean, variance, epsilon)
    }

    package var tensorNames: [String] { [weight, bias].compactMap { $0 } + [mean, variance] }
  }
}

// MARK: As text

extension [Architecture.Window] {
  /// A list for each number, as PyTorch's own arguments are; the kernel of a convolution is its weight's.
  func json(hasKernel: Bool) -> [JSONMember] {
    func list(_ key: String, _ numbers: [Int?]) -> JSONMember {
      JSONMember(key, .array(numbers.map { $0.map { .integer(Int64($0)) } ?? .null }))
    }
    return [list("axes", map(\.size))] + (hasKernel ? [list("kernel", map(\.kernel))] : []) + [
      list("stride", map(\.stride)), list("padding", map(\.padding)), list("dilation", map(\.dilation)),
    ]
  }

  /// - Parameter kernel: that of a convolution's weight; nil to read it.
  init(_ json: JSONValue, kernel: [Int]?, of step: String) throws(StateDictError) {
    func refuse(_ reason: String) -> StateDictError { .badArchitecture(reason: "\(step): \(reason)") }
    func list(_ key: String, _ range: ClosedRange<Int64>, standard: Int?) throws(StateDictError) -> [Int?]? {
      guard let value = json[key] else { return nil }
      guard case .array(let values) = value else { throw refuse("\(key) is no list") }
      return try values.map { (value) throws(StateDictError) in
        switch value {
        case .integer(let number) where range.contains(number): return Int(number)
        case .null where standard == nil: return nil
        default:
          throw refuse("\(key) holds something outside \(range.lowerBound) to \(range.upperBound)")
        }
      }
    }
    let sizes = 1...(Int64(1) << 20)
    let given = try list("kernel", sizes, standard: 1)?.map { $0! }
    guard let kernel = kernel ?? given, kernel.allSatisfy({ (1...(1 << 20)).contains($0) }) else {
      throw refuse("it has no kernel")
    }
    // A single axis is time's unless something else is said.
    guard let axes = try list("axes", sizes, standard: nil) ?? (kernel.count == 1 ? [nil] : nil) else {
      throw refuse("axes is missing: the size of each, null for time")
    }
    let strides = try list("stride", sizes, standard: 1) ?? kernel.map { _ in 1 }
    let paddings = try list("padding", 0...(1 << 16), standard: 0) ?? kernel.map { _ in 0 }
    let dilations = try list("dilation", sizes, standard: 1) ?? kernel.map { _ in 1 }
    guard (1...3).contains(kernel.count),
      [axes.count, strides.count, paddings.count, dilations.count].allSatisfy({ $0 == kernel.count })
    else { throw refuse("axes, stride, padding and dilation are not of \(kernel.count) axes, 1 to 3") }
    guard axes.count(where: { $0 == nil }) <= 1 else { throw refuse("two of its axes are time") }
    self = kernel.indices.map { axis in
      Architecture.Window(
        size: axes[axis], kernel: kernel[axis], stride: strides[axis]!, padding: paddings[axis]!,
        dilation: dilations[axis]!)
    }
  }
}

extension Architecture.Step {
  /// The modules of this file; nil for others.
  init?(windowed json: JSONValue, _ index: ModuleIndex) throws(StateDictError) {
    if let name = json.text("conv") {
      guard let found = index.convolution(name) else {
        throw .badArchitecture(reason: "there is no convolution '\(name)'")
      }
      var groups = 1
      if let value = json["groups"] {
        guard case .integer(let number) = value, (1...(1 << 20)).contains(number) else {
          throw .badArchitecture(reason: "'\(name)': groups is no number from 1 on")
        }
        groups = Int(number)
      }
      self = .convolution(
        Architecture.Convolution(
          found.names,
          axes: try [Architecture.Window](json, kernel: Array(found.shape.dropFirst(2)), of: "'\(name)'"),
          groups: groups))
    } else if let text = json.text("pool") {
      guard let function = Architecture.Pool.Function(rawValue: text) else {
        let known = Architecture.Pool.Function.allCases.map(\.rawValue).joined(separator: ", ")
        throw .badArchitecture(reason: "pool '\(text)' is none of \(known)")
      }
      self = .pool(
        Architecture.Pool(
          function, axes: try [Architecture.Window](json, kernel: nil, of: "pool '\(text)'"),
          roundsUp: json["ceil_mode"] == .bool(true)))
    } else if let name = json.text("batch_norm") {
      guard var found = index.batchNorm(name) else {
        throw .badArchitecture(reason: "there is no BatchNorm '\(name)'")
      }
      if json["eps"] != nil {
        guard let epsilon = json.text("eps").flatMap(Double.init), epsilon >= 0, epsilon.isFinite else {
          throw .badArchitecture(reason: "'\(name)': eps is no number in quotes, such as \"1e-05\"")
        }
        found.epsilon = epsilon
      }
      self = .batchNorm(found)
    } else {
      return nil
    }
  }
}
