public import Forward
public import RNNConv
public import StateDicts
public import Verification

/// Models that must compute the same, and what is known about them: one entry of a manifest.
public struct Fixture: Sendable, Equatable {
  public var name: String
  /// The first is the reference; each further one is compared with it.
  public var models: [Model]
  /// Files of inputs, each `file` or `name=file`; none for inputs that are made up.
  public var inputs: [TensorArgument] = []
  /// Files of the outputs that the first model must give for `inputs`.
  public var expected: [TensorArgument] = []
  /// The worst verdict that passes. `different` stands for models that must differ.
  public var verdict = Verdict.equal
  /// How its files are verified; its own inputs and storage are those of the files.
  public var options = VerificationOptions()
  /// Whether made-up inputs are tried where `inputs` are given, too: where it names a suite.
  public var triesBoth = false
  /// Seconds after which a check counts as hanging; nil for the run's own.
  public var timeout: Double?
  /// Mistakes that the inputs need not notice, by id or `all`, each with the reason.
  public var blindTo: [String: String] = [:]
  /// The first model is a bad file, which must be refused.
  public var refused: Refusal?
  /// Why the fixture is not checked.
  public var skip: String?

  /// A file, and what it does not say itself.
  public struct Model: Sendable, Equatable {
    public var path: String
    /// Of the canonical model; nil where any content is right.
    public var fingerprint: String?
    /// Whether `--update` records the fingerprint.
    public var recordsFingerprint = false
    /// Nil: by content.
    public var format: String?
    public var architecture = ArchitectureOptions()
    /// Values of graph inputs that hold weights.
    public var bindings: [TensorArgument] = []
    /// What a counterpart may have stored the reference's weights as.
    public var storage: WeightStorage?

    public init(_ path: String) { self.path = path }
  }

  /// How a bad file is refused.
  public struct Refusal: Sendable, Equatable {
    /// The exit code that `rnnconv import` would end with; nil for any.
    public var code: Int32?
    /// The message holds one of them; empty for any message.
    public var words: [String]

    public init(code: Int32? = nil, words: [String] = []) {
      self.code = code
      self.words = words
    }
  }

  public init(_ name: String, _ models: [Model]) {
    self.name = name
    self.models = models
  }

  /// Every file that the fixture names.
  public var paths: [String] {
    models.map(\.path) + models.flatMap(\.bindings).map(\.path) + inputs.map(\.path) + expected.map(\.path)
  }
}
