// swift-tools-version: 6.2
import PackageDescription

// A format is a target; formats import neither each other nor Forward (see README, "Architecture").
// The compiler keeps the two roads to an output apart.

let settings: [SwiftSetting] = [
  .enableUpcomingFeature("InternalImportsByDefault"),
  .enableUpcomingFeature("MemberImportVisibility"),
  .enableUpcomingFeature("ExistentialAny"),
]

func library(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
  .target(name: name, dependencies: dependencies, swiftSettings: settings)
}

func tests(_ name: String, _ dependencies: [Target.Dependency], exclude: [String] = []) -> Target {
  .testTarget(name: name + "Tests", dependencies: dependencies, exclude: exclude, swiftSettings: settings)
}

let package = Package(
  name: "rnnconv",
  products: [
    .library(name: "RNNConv", targets: ["RNNConv"]),
    .executable(name: "rnnconv", targets: ["CommandLine"]),
    .executable(name: "rnnconv-bench", targets: ["Bench"]),
  ],
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2")
  ],
  targets: [
    .systemLibrary(
      name: "CProtobufC", pkgConfig: "libprotobuf-c", providers: [.apt(["libprotobuf-c-dev"])]),
    .systemLibrary(name: "CZlib", pkgConfig: "zlib", providers: [.apt(["zlib1g-dev"])]),
    // SHA-256; on Apple's systems CryptoKit has it.
    .systemLibrary(name: "CCrypto", pkgConfig: "libcrypto", providers: [.apt(["libssl-dev"])]),
    .systemLibrary(name: "CMalloc"),
    .target(name: "COnnx", dependencies: ["CProtobufC"]),
    .target(name: "CReferenceMath"),
    .target(name: "CKernels"),

    .target(name: "CFiles"),
    library("ByteIO", ["CFiles", "CZlib"]),
    library("Tensors", ["ByteIO"]),
    library("Recurrent", ["ByteIO", "CCrypto", "Tensors"]),
    .target(name: "CMeasure"),
    library("ReferenceMath", ["ByteIO", "CReferenceMath", "Tensors"]),
    library("Forward", ["ByteIO", "CKernels", "Recurrent", "Tensors"]),
    library("NativeFormat", ["ByteIO", "Recurrent", "Tensors"]),
    library("NumPyFormat", ["ByteIO", "Tensors"]),
    library("ONNXFormat", ["ByteIO", "COnnx", "Recurrent", "ReferenceMath", "Tensors"]),
    library("SafetensorsFormat", ["ByteIO", "Tensors"]),
    library("StateDicts", ["ByteIO", "Tensors"]),
    library("PyTorchFormat", ["ByteIO", "StateDicts", "Tensors"]),
    library("StateDictModels", ["ByteIO", "Recurrent", "StateDicts", "Tensors"]),
    library("TorchEvaluator", ["ReferenceMath", "StateDicts", "Tensors"]),
    library("WeightTransfer", ["ONNXFormat", "Recurrent", "StateDictModels", "StateDicts", "Tensors"]),
    library("ModelDescriptions", ["ByteIO", "Recurrent", "Tensors"]),
    library("Verification", ["ByteIO", "Forward", "Recurrent", "Tensors"]),
    library(
      "RNNConv",
      [
        "ByteIO", "Forward", "ModelDescriptions", "NativeFormat", "NumPyFormat", "ONNXFormat",
        "PyTorchFormat", "Recurrent", "ReferenceMath", "SafetensorsFormat", "StateDictModels", "StateDicts",
        "Tensors", "TorchEvaluator",
        "Verification", "WeightTransfer",
      ]),
    library("FixtureChecks", ["ByteIO", "Forward", "RNNConv", "StateDicts", "Tensors", "Verification"]),
    .executableTarget(
      name: "CommandLine",
      dependencies: [
        "ByteIO", "CMalloc", "FixtureChecks", "Forward", "RNNConv", "Verification",
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
      ],
      swiftSettings: settings),
    .executableTarget(
      name: "Bench",
      dependencies: [
        "ByteIO", "CMeasure", "Forward", "NativeFormat", "ONNXFormat", "RNNConv", "Recurrent", "Tensors",
        "Verification",
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
      ],
      resources: ["peers.py", "forward_peers.py", "networks_peers.py", "files_peers.py", "check_peer.py"].map
      { .embedInCode($0) },
      swiftSettings: settings),

    .target(
      name: "TestSupport", dependencies: ["ByteIO", "Recurrent", "Tensors"], path: "Tests/TestSupport",
      swiftSettings: settings),
    .target(
      name: "FuzzTargets",
      dependencies: [
        "ByteIO", "FixtureChecks", "Forward", "NativeFormat", "ONNXFormat", "RNNConv", "Tensors",
      ],
      path: "Tests/FuzzTargets", swiftSettings: settings),
    tests(
      "FuzzTargets", ["ByteIO", "FuzzTargets", "NativeFormat", "RNNConv", "TestSupport"],
      exclude: ["Regressions", "Seeds"]),
    tests("ByteIO", ["ByteIO", "CZlib", "TestSupport"], exclude: ["Recorded"]),
    tests("Tensors", ["ByteIO", "Tensors", "TestSupport"]),
    tests("Recurrent", ["Recurrent", "Tensors", "TestSupport"]),
    tests(
      "Forward", ["ByteIO", "CKernels", "Forward", "Recurrent", "Tensors", "TestSupport"],
      exclude: ["Recorded"]),
    tests(
      "NativeFormat",
      ["ByteIO", "NativeFormat", "Recurrent", "Tensors", "TestSupport"]),
    tests(
      "PyTorchFormat", ["ByteIO", "NumPyFormat", "PyTorchFormat", "StateDicts", "Tensors", "TestSupport"],
      exclude: ["Recorded"]),
    tests("SafetensorsFormat", ["ByteIO", "SafetensorsFormat", "Tensors", "TestSupport"]),
    tests("StateDicts", ["ByteIO", "StateDicts", "Tensors", "TestSupport"]),
    tests("NumPyFormat", ["ByteIO", "NumPyFormat", "Tensors", "TestSupport"]),
    tests(
      "ONNXFormat",
      ["ByteIO", "Forward", "ONNXFormat", "Recurrent", "ReferenceMath", "Tensors", "TestSupport"]),
    tests("Verification", ["Forward", "Recurrent", "Tensors", "TestSupport", "Verification"]),
    tests(
      "RNNConv",
      [
        "ByteIO", "Forward", "NativeFormat", "NumPyFormat", "ONNXFormat", "PyTorchFormat", "RNNConv",
        "Recurrent",
        "SafetensorsFormat", "StateDictModels", "StateDicts", "Tensors", "TestSupport", "Verification",
        "WeightTransfer",
      ]),
    tests(
      "FixtureChecks",
      [
        "ByteIO", "FixtureChecks", "Forward", "NumPyFormat", "RNNConv", "Recurrent", "StateDicts", "Tensors",
        "TestSupport",
        "Verification",
      ],
      exclude: ["Recorded"]),
    tests(
      "CommandLine",
      [
        "ByteIO", "CommandLine", "FixtureChecks", "Forward", "NativeFormat", "NumPyFormat", "ONNXFormat",
        "RNNConv",
        "Recurrent", "Tensors", "TestSupport", "Verification",
      ]),
  ]
)

// scripts/docs.sh sets this: who depends on this package need not have the plugin.
if Context.environment["RNNCONV_DOCS"] != nil {
  package.dependencies.append(.package(url: "https://github.com/swiftlang/swift-docc-plugin", from: "1.4.0"))
}

// scripts/fuzz.sh sets this. libFuzzer needs its counters in every target, by flags that a package with dependants may not
// have, and an executable that is linked with it.
if Context.environment["RNNCONV_FUZZ"] != nil {
  for target in package.targets where target.type != .system && target.type != .test {
    target.cSettings = [.unsafeFlags(["-fsanitize=fuzzer-no-link,address"])]
    target.swiftSettings = (target.swiftSettings ?? []) + [.unsafeFlags(["-sanitize=fuzzer,address"])]
  }
  package.targets.append(
    .executableTarget(
      name: "Fuzz", dependencies: ["ByteIO", "FuzzTargets"], path: "Tests/Fuzz", exclude: ["dictionaries"],
      swiftSettings: settings + [
        .enableExperimentalFeature("Extern"),
        .unsafeFlags(["-parse-as-library", "-sanitize=fuzzer,address"]),
      ],
      // What a debug build does not strip would ask for libFuzzer's own entry point, which is not the one here.
      linkerSettings: [
        .unsafeFlags(["-sanitize=fuzzer,address", "-use-ld=lld", "-Xlinker", "--gc-sections"])
      ]))
}
