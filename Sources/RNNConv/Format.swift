package import ByteIO
internal import Forward
internal import NativeFormat
internal import ONNXFormat
internal import Recurrent
package import StateDicts
package import Tensors
internal import Verification

/// A file format, as one value: to add a format, write its target and register it in `Format.all`.
public struct Format: Sendable {
  /// Such as `onnx`.
  public let name: String
  /// Those of its files, without the dot.
  public let extensions: [String]
  /// What it is, in one line.
  public let summary: String
  let recognises: @Sendable (ByteBuffer) -> Bool
  let read: @Sendable (ByteBuffer, ReadOptions) throws(RNNConvError) -> Content
  /// What of `WriteOptions` its writer heeds.
  var heeds: Set<Setting> = []
  let write: @Sendable (Model, WriteOptions) throws(RNNConvError) -> Written

  /// What reading a file gave.
  struct Content: Sendable {
    typealias Evaluate =
      @Sendable ([String: Tensor], Precision) throws(RNNConvError) -> [String: Tensor]

    /// Made when first asked for: an import may have to read every weight, opening a file need not.
    private var imported: Lazy<Result<Model, RNNConvError>>
    let notes: [ConversionNote]
    /// Runs the file by its own format's rules; shares no mapping with the import.
    private(set) var evaluate: Evaluate
    /// The same where what the file fixes may be shorter (`Model.shortened`); nil where it fixes nothing.
    let evaluateShort: Evaluate?
    /// What `evaluate` knows of how far others' evaluations may be from its own; nil where it knows nothing.
    private(set) var rounding: EvaluatorRounding?
    private let shortRounding: EvaluatorRounding?
    /// Whether `evaluate` goes by other rules than the canonical model's.
    private(set) var hasSecondRoad = true
    /// Names of graph inputs that the file gives no values for.
    let inputNames: [String]
    /// What `--bind` may name: its inputs, and sizes of theirs; nil where that is not told.
    var bindable: Set<String>?
    /// What it states of its inputs; nil where that is not told.
    var declaredInputs: [DeclaredInput]?
    /// Names of what it gives, where a file without a canonical model says so.
    var outputNames: [String] = []
    /// How the architecture was found, where the file does not hold it.
    var findings: [Finding] = []
    /// What the file holds under its own names, whether a model can be made of it or not; nil where those are the model's.
    var tensors: (@Sendable () -> [StoredTensor])?
    /// What else the file says of itself, such as its operator set.
    var facts: @Sendable () -> [FileFact] = { [] }
    /// Files below the model's folder that hold a part of it.
    var companions: [String] = []
    /// Checks what the file itself says about its bytes, where reading it did not.
    var check: @Sendable () throws(RNNConvError) -> Void = {}

    /// The tensors of a file of weights alone, whether a model can be made of them or not.
    var stateDict: StateDict?
    /// The graph of an ONNX file as the file states it.
    var onnx: Graph?

    /// An ONNX file before it is imported.
    struct Graph: Sendable {
      let model: ONNXModel
      let bytes: ByteBuffer
      let bindings: [String: Tensor]
      let limits: Limits
    }

    /// Runs of the canonical model, which share what they packed.
    private(set) var passes = Passes()

    /// The canonical model, or why the file cannot be imported.
    var model: Result<Model, RNNConvError> { imported.value }

    init(
      model: @autoclosure @escaping @Sendable () -> Result<Model, RNNConvError>, notes: [ConversionNote],
      evaluate: @escaping Evaluate, evaluateShort: Evaluate? = nil, rounding: EvaluatorRounding? = nil,
      shortRounding: EvaluatorRounding? = nil, inputNames: [String], outputNames: [String] = [],
      findings: [Finding] = [],
      tensors: (@Sendable () -> [StoredTensor])? = nil, facts: @escaping @Sendable () -> [FileFact] = { [] },
      companions: [String] = [], check: @escaping @Sendable () throws(RNNConvError) -> Void = {}
    ) {
      imported = Lazy(model)
      self.notes = notes
      self.evaluate = evaluate
      self.evaluateShort = evaluateShort
      (self.rounding, self.shortRounding) = (rounding, shortRounding)
      self.inputNames = inputNames
      self.outputNames = outputNames
      self.findings = findings
      self.tensors = tensors
      self.facts = facts
      self.companions = companions
      self.check = check
    }

    /// Of a file whose rules are those of the canonical model.
    init(ofItself model: Model, _ path: String, companions: [String] = []) {
      func running(_ model: Model) -> Evaluate {
        { (inputs, precision) throws(RNNConvError) in
          do throws(ForwardError) {
            return try forward(model, inputs: inputs, precision: precision)
          } catch { throw .run(path: path, error) }
        }
      }
      self.init(
        model: .success(model), notes: [], evaluate: running(model), evaluateShort: running(model.shortened),
        inputNames: model.inputs.map(\.name), companions: companions)
      hasSecondRoad = false
    }

    /// The same of a shorter model (`Model.shortened`).
    var shortened: Content {
      var content = self
      content.imported = Lazy { [imported] in imported.value.map(\.shortened) }
      content.evaluate = evaluateShort ?? evaluate
      content.rounding = shortRounding ?? rounding
      content.passes = Passes()
      return content
    }
  }

  /// The content of a file that is to be written, and of a second one beside it.
  struct Written: Sendable {
    let chunks: [ByteBuffer]
    var external: (name: String, chunks: [ByteBuffer])?
    let notes: [ConversionNote]
  }

  /// Whether the path's extension is one of its own.
  public func isNamed(by path: String) -> Bool {
    extensions.contains { path.lowercased().hasSuffix(".\($0)") }
  }

  /// Whether its files hold weights and no architecture.
  var holdsWeightsAlone: Bool { [.pytorch, .safetensors, .numpy].contains(self) }

  /// Whether its files can be written at all.
  private var isWritten: Bool { self != .modelDescription && self != .numpy }

  /// Whether its files begin as no other's do. ONNX's begin as any protocol buffer may.
  var hasMark: Bool { self != .onnx }

  /// Every format, in the order in which content is tried.
  public static let all: [Format] = [.rnnw, .modelDescription, .pytorch, .safetensors, .numpy, .onnx]

  /// By its name or one of its extensions.
  ///
  /// - Throws: `RNNConvError.arguments` with the names that there are.
  public static func named(_ name: String) throws(RNNConvError) -> Format {
    guard let format = all.first(where: { $0.name == name || $0.extensions.contains(name) }) else {
      throw .arguments("unknown format '\(name)'; known are \(all.map(\.name).joined(separator: ", "))")
    }
    return format
  }

  /// By a path's extension.
  static func forPath(_ path: String) throws(RNNConvError) -> Format {
    guard let format = all.first(where: { $0.isNamed(by: path) }) else {
      throw .arguments(
        "\(path): the extension names no format; use one of "
          + "\(all.filter(\.isWritten).flatMap(\.extensions).map { ".\($0)" }.joined(separator: ", ")), or \(Setting.targetFormat)"
      )
    }
    return format
  }
}

extension Format: Equatable, CustomStringConvertible {
  public static func == (left: Format, right: Format) -> Bool { left.name == right.name }
  public var description: String { name }
}

/// How a file is read.
package struct ReadOptions: Sendable {
  /// The folder that external data may come from.
  package var folder: String?
  /// Files beside it by name, where they are not in the folder: it may not have them yet.
  var companions: [String: ByteBuffer] = [:]
  /// What messages call the file.
  package var path: String
  /// Values for graph inputs that hold weights.
  package var bindings: [String: Tensor]
  /// What the user says of a file that holds weights and no architecture.
  package var architecture: ArchitectureOptions
  package var limits: Limits

  package init(
    path: String, folder: String?, bindings: [String: Tensor] = [:],
    architecture: ArchitectureOptions = ArchitectureOptions(), limits: Limits = .standard
  ) {
    self.path = path
    self.folder = folder
    self.bindings = bindings
    self.architecture = architecture
    self.limits = limits
  }
}

/// How a file is written.
public struct WriteOptions: Sendable {
  /// ONNX: the operator set; nil for the standard one.
  public var opset: Int64?
  /// ONNX: keep large tensors in a file of this name beside the model.
  public var externalData: String?
  /// `.rnnw`: shuffle and deflate the tensors.
  public var compressed: Bool

  /// The standard operator set, all in one file, and tensors as they are, unless said otherwise.
  public init(opset: Int64? = nil, externalData: String? = nil, compressed: Bool = false) {
    self.opset = opset
    self.externalData = externalData
    self.compressed = compressed
  }

  /// What is not left as it was.
  var settings: [Setting] {
    (opset == nil ? [] : [.opset]) + (externalData == nil ? [] : [.externalData])
      + (compressed ? [.compressed] : [])
  }
}

extension Format {
  /// `.rnnw`, rnnconv's own documented file; its rules are those of the canonical model.
  public static let rnnw = Format(
    name: "rnnw", extensions: ["rnnw"], summary: "rnnconv's own documented weight format",
    recognises: { NativeFormat.recognises($0) },
    read: { (bytes, options) throws(RNNConvError) in
      let model: Model
      do throws(RNNWError) { model = try NativeFormat.decode(bytes, limits: options.limits) } catch {
        throw .unreadable(path: options.path, reason: error.description)
      }
      return Content(ofItself: model, options.path)
    }, heeds: [.compressed],
    write: { (model, options) throws(RNNConvError) in
      do throws(RNNWError) {
        let chunks = try NativeFormat.encode(model, codec: options.compressed ? .shuffleDeflate : .raw)
        return Written(chunks: chunks, notes: [])
      } catch { throw .notExpressible(format: "rnnw", reason: error.description) }
    })

  /// ONNX.
  public static let onnx = Format(
    name: "onnx", extensions: ["onnx"], summary: "ONNX, opset 7 to 28",
    recognises: { ONNXDecoder.recognises($0) },
    read: { (bytes, options) throws(RNNConvError) in
      let source: ONNXModel
      let externalFiles: [String]
      let evaluator: ONNXEvaluator
      do throws(ONNXError) {
        (source, externalFiles) = try ONNXDecoder.decodeWithExternalFiles(
          bytes, folder: options.folder, given: options.companions, limits: options.limits)
        evaluator = try ONNXEvaluator(source, limits: options.limits)
      } catch { throw .unreadable(path: options.path, reason: error.description) }
      let inputs = Set(source.graph.inputs.map(\.name))
      let values = options.bindings.filter { inputs.contains($0.key) }
      var notes: [ConversionNote] = []
      let model: Result<Model, RNNConvError>
      do throws(ONNXError) {
        let imported = try ONNXImporter.importModel(
          source, bindings: options.bindings, axes: options.architecture.axes, limits: options.limits)
        notes = imported.notes
        model = .success(imported.model)
      } catch {
        let all = if case .refused(_, let all) = error { all.map(\.line) } else { [String]() }
        model = .failure(
          all.isEmpty
            ? .unreadable(path: options.path, reason: error.description)
            : .notImported(path: options.path, reason: error.description, all: all))
      }
      let given = Set(source.graph.initializers.map(\.name))
      func running(_ evaluator: ONNXEvaluator) -> Content.Evaluate {
        { (inputs, precision) throws(RNNConvError) in
          let all = inputs.merging(values) { own, _ in own }
          do throws(ONNXError) {
            return try evaluator.run(all, precision: precision == .float32 ? .float32 : .float64)
          } catch {
            // What the file asks for is its own fault, whatever it is given.
            if case .overLimit = error { throw .unreadable(path: options.path, reason: error.description) }
            throw .evaluation(path: options.path, reason: error.description)
          }
        }
      }
      let short = evaluator.shortened(turns: Model.mostTurns)
      var content = Content(
        model: model, notes: notes, evaluate: running(evaluator), evaluateShort: running(short),
        rounding: EvaluatorRounding(evaluator, values), shortRounding: EvaluatorRounding(short, values),
        inputNames: source.graph.inputs.map(\.name).filter { !given.contains($0) },
        outputNames: source.graph.outputs.map(\.name),
        tensors: { source.graph.storedTensors }, facts: { source.facts },
        companions: externalFiles)
      content.declaredInputs = source.graph.inputs.compactMap { info in
        guard !given.contains(info.name), values[info.name] == nil, let type = info.elementType,
          let shape = info.shape
        else { return nil }
        return DeclaredInput(
          name: info.name, elementType: type,
          sizes: shape.map { if case .fixed(let size) = $0 { size } else { nil } })
      }
      content.bindable = inputs.union(source.graph.inputSizeNames)
      content.onnx = Content.Graph(
        model: source, bytes: bytes, bindings: options.bindings, limits: options.limits)
      return content
    }, heeds: [.opset, .externalData],
    write: { (model, options) throws(RNNConvError) in
      if let opset = options.opset, !ONNXDecoder.opsets.contains(opset) {
        let known = ONNXDecoder.opsets
        throw .arguments(
          "opset \(opset) cannot be written, only \(known.lowerBound) to \(known.upperBound)")
      }
      if let name = options.externalData, name.isEmpty || name.contains("/") || [".", ".."].contains(name) {
        throw .arguments("\(Setting.externalData) takes the name of a file beside the model, not '\(name)'")
      }
      do throws(ONNXError) {
        let exported = try ONNXExporter.export(model, opset: options.opset ?? ONNXExporter.standardOpset)
        let encoded = try ONNXEncoder.encode(exported.model, externalData: options.externalData)
        return Written(
          chunks: [encoded.model],
          external: options.externalData.map { ($0, encoded.externalData) }, notes: exported.notes)
      } catch { throw .notExpressible(format: "onnx", reason: error.description) }
    })
}
