public import ByteIO
public import Recurrent
public import Tensors

/// Everything that can be wrong with an ONNX file, or keep it from being imported, evaluated or written.
public enum ONNXError: Error, Equatable, CustomStringConvertible {
  // The bytes
  case notProtobuf(ParseError)
  case tooDeep(limit: Int, offset: Int)
  case tooManyNodes(limit: Int)
  case tooManyTensors(limit: Int)
  case textTooLong(offset: Int, limit: Int)
  case noGraph
  case invalidText(what: String)
  case nulInText(offset: Int)
  case missingOpset
  case twoOpsets(domain: String, Int64, Int64)
  case missingIR
  case unsupportedOpset(Int64, supported: ClosedRange<Int64>)
  case unsupportedIR(Int64, newest: Int64)
  case twoFunctions(String)
  case sparseInitializer(String)
  case tensor(String, reason: String)
  case externalData(tensor: String, reason: String)
  case duplicateValue(node: String, value: String)
  case tooLarge(bytes: Int)

  // The graph
  case unknownValue(node: String, value: String)
  case cycle(nodes: [String])
  case unknownOperator(node: String, domain: String, hint: String)
  case unsupportedAttribute(node: String, attribute: String, reason: String)
  case missingAttribute(node: String, attribute: String)
  case missingInput(node: String, input: String)
  case shapeMismatch(node: String, input: String, expected: String, found: [Int])
  case wrongElementType(node: String, input: String, found: ElementType)
  case invalid(node: String, reason: String)
  case overLimit(node: String, reason: String)

  // Import and export
  case notImportable(node: String, reason: String)
  case unboundWeight(node: String, input: String, value: String)
  /// The first reason, and all of them with how many nodes each is about.
  indirect case refused(ONNXError, [Refusal])
  case graphInput(String, reason: String)
  case graphOutput(String, reason: String)
  case model(ModelError)
  case notExpressible(layer: String, reason: String)

  // Cutting out
  case noSuchNode(String, advice: String)

  // Running
  case missingValue(input: String)
  case wrongValue(input: String, reason: String)

  public var description: String {
    switch self {
    case .notProtobuf(let error): "not an ONNX model: \(error)"
    case .tooDeep(let limit, let offset):
      "byte \(offset): messages are nested more than \(limit) deep; raise the limit if the file is to be trusted"
    case .tooManyNodes(let limit): "more than \(limit) nodes"
    case .tooManyTensors(let limit): "more than \(limit) tensors"
    case .textTooLong(let offset, let limit): "byte \(offset): a text over the limit of \(limit) bytes"
    case .noGraph: "the model has no graph"
    case .invalidText(let what): "\(what) is not valid UTF-8"
    case .nulInText(let offset): "byte \(offset): a name or text holds a NUL character"
    case .missingOpset: "the model imports no version of the ONNX operator set (opset_import is missing)"
    case .twoOpsets(let domain, let one, let other):
      "opset_import names \(domain.isEmpty ? "the default domain" : "domain '\(domain)'") twice, "
        + "with the opsets \(one) and \(other)"
    case .missingIR: "ir_version is missing: not an ONNX model, or a damaged one"
    case .unsupportedOpset(let version, let supported):
      "opset \(version) is not supported, only \(supported.lowerBound) to \(supported.upperBound); "
        + "convert it with onnx.version_converter"
    case .unsupportedIR(let version, let newest):
      "IR version \(version) is newer than \(newest), the newest known; the file may hold what cannot be understood"
    case .twoFunctions(let name):
      "the model defines the function \(name) twice: overloads are not supported, inline them with onnx.inliner first"
    case .sparseInitializer(let name): "initializer '\(name)' is sparse: make it dense first"
    case .tensor(let name, let reason): "tensor '\(name)': \(reason)"
    case .externalData(let tensor, let reason): "tensor '\(tensor)', external data: \(reason)"
    case .duplicateValue(let node, let value): "node \(node): the value '\(value)' is made twice"
    case .tooLarge(let bytes):
      "the model takes \(bytes) bytes, over protobuf's limit of 2 GiB: write it with external data"
    case .unknownValue(let node, let value): "node \(node): nothing makes its input '\(value)'"
    case .cycle(let nodes): "the graph has a cycle through \(nodes.joined(separator: ", "))"
    case .unknownOperator(let node, let domain, let hint):
      "node \(node)\(domain.isEmpty ? "" : " of domain '\(domain)'"): this operator is not supported\(hint)"
    case .unsupportedAttribute(let node, let attribute, let reason):
      "node \(node), attribute '\(attribute)': \(reason)"
    case .missingAttribute(let node, let attribute): "node \(node): attribute '\(attribute)' is missing"
    case .missingInput(let node, let input): "node \(node): input '\(input)' is missing"
    case .shapeMismatch(let node, let input, let expected, let found):
      "node \(node), input '\(input)': shape \(found) does not match, expected \(expected)"
    case .wrongElementType(let node, let input, let found):
      "node \(node), input '\(input)': element type \(found.rawValue) is not allowed here"
    case .invalid(let node, let reason): "node \(node): \(reason)"
    case .overLimit(let node, let reason): "node \(node): \(reason)"
    case .notImportable(let node, let reason): "node \(node) cannot be imported: \(reason)"
    case .unboundWeight(let node, let input, let value):
      "node \(node), input '\(input)': the weight '\(value)' is an input of the graph; "
        + "give its values with \(Setting.bindings) \(value)=FILE"
    case .refused(let first, _): first.description
    case .graphInput(let name, let reason): "graph input '\(name)': \(reason)"
    case .graphOutput(let name, let reason): "graph output '\(name)': \(reason)"
    case .model(let error): error.description
    case .notExpressible(let layer, let reason): "layer '\(layer)' cannot be expressed in ONNX: \(reason)"
    case .noSuchNode(let name, let advice): "nothing in the graph is called '\(name)': \(advice)"
    case .missingValue(let input): "input '\(input)': no value was given"
    case .wrongValue(let input, let reason): "input '\(input)': \(reason)"
    }
  }

  /// Whether the target format lacks something, as against a file that is wrong or not understood.
  public var isNotExpressible: Bool {
    if case .notExpressible = self { true } else { false }
  }
}
