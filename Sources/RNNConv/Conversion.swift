internal import ByteIO
internal import Forward
public import Recurrent
public import Tensors
public import Verification

/// A finished conversion: what was written where, how exact, and what verification found.
public struct Conversion: Sendable {
  /// Of the file that was written.
  public let path: String
  /// How exact the import, a narrowing of weights and the export were, layer by layer.
  public private(set) var notes: [ConversionNote]
  /// Layers of the model that was written.
  public let layerCount: Int
  /// Nil where verification was turned off.
  public let report: VerificationReport?
  /// Where weights were narrowed: the written file against the source with its own weights. What it allows certifies how
  /// far the outputs moved.
  public var movement: VerificationReport?

  /// Adds what happened before.
  mutating func prepend(_ earlier: [ConversionNote]) { notes = earlier + notes }

  /// The worst of all notes.
  public var exactness: Exactness { notes.map(\.exactness).max() ?? .exact }
}

extension Conversion: CustomStringConvertible {
  /// What was written and how exact, and a line for each layer that is not.
  public var description: String {
    let verdict = report.map { "proven \($0.verdict)" } ?? "not verified"
    let changes = notes.filter { $0.exactness != .exact }.map {
      "\n  \($0.exactness): \($0.layer): \($0.detail)"
    }
    return "\(path): \(layerCount) layers, \(exactness), \(verdict)" + changes.joined()
  }
}

/// How a conversion is done.
public struct ConversionOptions: Sendable {
  /// What the target's writer is asked for.
  public var write = WriteOptions()
  /// Convert every float tensor to this type; I8 quantises those of two axes and more, one scale a tensor.
  public var elementType: ElementType?
  /// Whether something may be given up; otherwise that is the error `RNNConvError.loss`.
  public var allowLoss = false
  /// Whether the result is proven before it is written.
  public var verify = true
  /// Of the probes that it is proven on.
  public var seed: UInt64 = 1
  /// The target's format; nil to go by the extension.
  public var format: Format?

  /// Every tensor as it is, nothing lost, and proven.
  public init() {}
}

extension ConversionNote {
  /// What a note about no single layer names as its layer.
  public static let wholeFile = "file"
}

extension ModelFile {
  /// Converts to another file and proves the result before anything is written.
  ///
  /// The target is written without a name, read again by its own reader and compared with this file; only then does it
  /// replace what was at `path`.
  /// - Throws: `RNNConvError.loss` where something would be lost without leave, `.notExpressible` where the target
  ///   lacks what a layer means, `.disproved` where the converted model computes something else. Nothing is written then.
  public func convert(to path: String, _ options: ConversionOptions = ConversionOptions())
    throws(RNNConvError) -> Conversion
  {
    let target: Format
    if let format = options.format { target = format } else { target = try Format.forPath(path) }
    let unheeded = options.write.settings.filter { !target.heeds.contains($0) }
    guard unheeded.isEmpty else {
      throw .arguments(
        "\(unheeded.map(\.description).joined(separator: ", ")): not for files of the format \(target.name)")
    }
    if let name = options.write.externalData {
      guard path != "-" else {
        throw .arguments("\(Setting.externalData) needs a file to lie beside, not standard output")
      }
      guard path.split(separator: "/").last.map(String.init) != name else {
        throw .arguments("\(Setting.externalData) \(name): that is the model's own name")
      }
    }
    try verifyIntegrity()
    var model = try model
    var notes = notes
    if let elementType = options.elementType { notes += try model.convertTensors(to: elementType) }
    let written = try target.write(model, options.write)
    notes += written.notes
    let losses = notes.filter { $0.exactness == .lossy }
    if !losses.isEmpty {
      guard options.allowLoss else { throw .loss(format: target.name, notes: losses) }
    }
    let changes = notes.filter { $0.exactness != .exact }
    var final = written
    if !changes.isEmpty {
      // What was not exact is written into the file itself.
      model.metadata["rnnconv:loss"] = changes.map { "\($0.exactness.rawValue): \($0.layer): \($0.detail)" }
        .joined(separator: "\n")
      final = try target.write(model, options.write)
    }
    var files = [AtomicFile.NewFile(final.chunks, path: path)]
    if let external = final.external {
      files.insert(
        AtomicFile.NewFile(external.chunks, path: external.name, beneath: path.folderPrefix), at: 0)
    }
    let staged: StagedFiles
    do { staged = try AtomicFile.stage(files) } catch { throw .file(error) }
    var report: VerificationReport?
    var movement: VerificationReport?
    if options.verify {
      // What is proven is what waits for its name: the very bytes, external data included.
      let content: ByteBuffer
      var companions: [String: ByteBuffer] = [:]
      do {
        content = try staged.bytes(ofFile: files.count - 1)
        if let external = final.external { companions[external.name] = try staged.bytes(ofFile: 0) }
      } catch { throw .file(error) }
      let copy = try ModelFile(bytes: content, path: path, companions: companions, format: target)
      var asked = VerificationOptions(seed: options.seed)
      (asked.isSingleNeeded, asked.isDiagnosing) = (false, false)
      // Where the user asked for narrower weights, the rounded model is what the file must hold.
      let reference =
        options.elementType == nil
        ? self : ModelFile(model, name: "\(self.path) as \(options.elementType!.rawValue)")
      do { _ = try copy.model } catch {
        throw .notExpressible(
          format: target.name,
          reason: "what would be written cannot be imported again, which leaves it unproven: \(error)")
      }
      let found = try reference.verify(against: copy, asked)
      if found.verdict == .different { throw .disproved(found) }
      report = found
      if let storage = options.elementType.flatMap({ WeightStorage(rawValue: $0.rawValue) }) {
        asked.storage = storage
        movement = try verify(against: copy, asked)
      }
    }
    do { try staged.commit() } catch { throw .file(error) }
    return Conversion(
      path: path, notes: notes, layerCount: model.layers.count, report: report, movement: movement)
  }
}

extension Model {
  /// Converts every float tensor; says of each layer how far its weights moved.
  mutating func convertTensors(to type: ElementType) throws(RNNConvError) -> [ConversionNote] {
    guard type.isFloat || type == .int8 else {
      throw .arguments("weights cannot be converted to \(type.rawValue)")
    }
    var notes: [ConversionNote] = []
    var unfit: [String] = []
    for index in layers.indices {
      var rounded = 0
      var largest = 0.0
      // In the order in which they are mapped.
      var roles = layers[index].operation.tensors.map(\.role)[...]
      layers[index].operation = layers[index].operation.mapTensors { tensor in
        let role = roles.removeFirst()
        guard tensor.elementType.isFloat, let result = tensor.narrowed(to: type) else { return tensor }
        let (before, after) = (tensor.doubles, result.doubles)
        var lost = 0
        for (old, new) in zip(before, after) where old != new && !old.isNaN {
          rounded += 1
          if old.isFinite, !new.isFinite { lost += 1 }
          if old != 0 { largest = max(largest, abs(new - old) / abs(old)) }
        }
        func refuse(_ what: String) { unfit.append("layer '\(layers[index].name)', \(role) holds \(what)") }
        if lost > 0 { refuse("numbers beyond the greatest \(type.rawValue) (\(lost) of \(before.count))") }
        if type == .int8, tensor.shape.count > 1, result.quantization == nil {
          let count = before.count { !$0.isFinite }
          refuse(count > 0 ? "NaN or ∞ (\(count) of \(before.count))" : "numbers too great for a scale")
        }
        return result
      }
      if rounded > 0 {
        notes.append(
          ConversionNote(
            layer: layers[index].name, type.isFloat ? .rounded : .lossy,
            "\(rounded) weights rounded to \(type.rawValue), by at most \(largest.brief) of their value"))
      }
    }
    guard unfit.isEmpty else {
      throw .notExpressible(format: type.rawValue, reason: unfit.joined(separator: "; "))
    }
    return notes
  }
}

extension Tensor {
  /// The tensor in another type; nil where that type cannot hold it.
  fileprivate func narrowed(to type: ElementType) -> Tensor? {
    type == .int8 ? WeightStorage.int8.stored(self) : try? converted(to: type).tensor
  }
}
