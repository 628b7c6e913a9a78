public import ByteIO
internal import Recurrent
internal import Tensors

/// A tensor as a file holds it.
public struct StoredTensor: Sendable {
  /// As the file names it; for a format without such names, as `layer.role`.
  public let name: String
  /// Such as `F32`.
  public let elementType: String
  /// The size of each axis, outermost first.
  public let shape: [Int]
  /// Of its elements.
  public let byteCount: Int
  private let tensor: Tensor

  init(_ name: String, _ tensor: Tensor) {
    self.name = name
    elementType = tensor.elementType.rawValue
    shape = tensor.shape
    byteCount = tensor.bytes.count
    self.tensor = tensor
  }

  /// What its elements are like; reads all of them, a part at a time.
  public var statistics: Statistics {
    var statistics = Statistics()
    var part = [Double](repeating: 0, count: min(tensor.count, 1 << 16))
    for start in stride(from: 0, to: tensor.count, by: 1 << 16) {
      let elements = start..<min(start + 1 << 16, tensor.count)
      // Inside: there is room for as many.
      part.withUnsafeMutableBufferPointer { tensor.copy(elements, to: $0.baseAddress!) }
      for value in part[..<elements.count] { statistics.add(value) }
      tensor.releasePages(elements)
    }
    return statistics
  }

  /// What the elements of a tensor are like.
  public struct Statistics: Sendable, Equatable {
    /// The least finite element; nil where there is none.
    public private(set) var least: Double?
    /// The greatest finite element; nil where there is none.
    public private(set) var most: Double?
    /// Elements that are NaN.
    public private(set) var nanCount = 0
    /// Elements that are ∞ or −∞.
    public private(set) var infiniteCount = 0

    fileprivate mutating func add(_ value: Double) {
      if value.isNaN {
        nanCount += 1
      } else if value.isInfinite {
        infiniteCount += 1
      } else {
        least = min(least ?? value, value)
        most = max(most ?? value, value)
      }
    }

    var json: [JSONMember] {
      [
        JSONMember("min", least.map(JSONValue.number) ?? .null),
        JSONMember("max", most.map(JSONValue.number) ?? .null),
        JSONMember("nan", .integer(Int64(nanCount))), JSONMember("infinite", .integer(Int64(infiniteCount))),
      ]
    }
  }

  func json(statistics isWithStatistics: Bool) -> JSONValue {
    .object(
      [
        JSONMember("name", .string(name)), JSONMember("elementType", .string(elementType)),
        JSONMember("shape", .array(shape.map { .integer(Int64($0)) })),
        JSONMember("bytes", .integer(Int64(byteCount))),
      ] + (isWithStatistics ? statistics.json : []))
  }
}

extension ModelFile {
  /// What `inspect --tensors` shows.
  ///
  /// - Parameter statistics: whether to read every element for its tensor's range.
  public func tensorSummary(statistics: Bool = false) throws(RNNConvError) -> JSONValue {
    .object([
      JSONMember("path", .string(path)), JSONMember("format", .string(format.name)),
      JSONMember("fileBytes", .integer(Int64(byteCount))),
      JSONMember("tensors", .array(try storedTensors.map { $0.json(statistics: statistics) })),
      JSONMember("findings", .array(findings.map(\.json))),
    ])
  }
}
