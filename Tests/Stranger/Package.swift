// swift-tools-version: 6.2
import PackageDescription

// Somebody else's package: it sees what is public and nothing else, and brings dependencies of its own that rnnconv must get on with.
let package = Package(
  name: "stranger",
  dependencies: [
    .package(name: "rnnconv", path: "../.."),
    .package(url: "https://github.com/apple/swift-crypto", from: "4.0.0"),
    .package(url: "https://github.com/apple/swift-argument-parser", "1.3.0"..<"2.0.0"),
  ],
  targets: [
    .testTarget(
      name: "StrangerTests",
      dependencies: [
        .product(name: "RNNConv", package: "rnnconv"), .product(name: "Crypto", package: "swift-crypto"),
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
      ])
  ]
)
