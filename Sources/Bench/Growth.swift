internal import ArgumentParser
internal import Forward
internal import Foundation
internal import Recurrent
internal import Tensors

struct GrowthBench: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "growth",
    abstract: "How time grows with T, B, H, layers and the size of a file: fitted exponents, and a plot.")

  @Option(help: "The cell: RNN, LSTM or GRU.")
  var cell = "LSTM"

  @Option(help: "How many threads.")
  var threads = 1

  @Option(help: ArgumentHelp("Draw the times.", valueName: "file.svg"))
  var svg: String?

  func validate() throws {
    guard ["RNN", "LSTM", "GRU"].contains(cell), threads > 0 else {
      throw ValidationError("--cell takes RNN, LSTM or GRU, --threads a number from 1 on")
    }
  }

  func run() throws {
    let passes: [(name: String, values: [Int], item: (Int) -> (ForwardCase, layers: Int))] = [
      ("T", [32, 64, 128, 256, 512, 1024], { (item(steps: $0, batch: 1, size: 128), 1) }),
      ("B", [1, 2, 4, 8, 16, 32, 64, 128], { (item(steps: 32, batch: $0, size: 128), 1) }),
      ("H", [16, 32, 64, 128, 256, 512, 1024], { (item(steps: 32, batch: 1, size: $0), 1) }),
      ("layers", [1, 2, 3, 4, 6, 8], { (item(steps: 512, batch: 1, size: 64), $0) }),
    ]
    var plots = try passes.map { axis in
      try plot(axis.name, axis.values) { value in
        let (item, layers) = axis.item(value)
        return try seconds(item, layers: layers)
      }
    }
    let steps: [(String, FileStep)] = [("MiB, read", .nativeRead), ("MiB, written", .nativeWrite)]
    for (name, step) in steps {
      plots.append(try plot(name, [8, 16, 32, 64, 128, 256]) { try seconds(step, mebibytes: $0) })
    }
    if let svg {
      try GrowthPlot.page(plots, title: "\(cell), \(threads == 1 ? "1 thread" : "\(threads) threads")").write(
        toFile: svg, atomically: true, encoding: .utf8)
    }
  }

  private func plot(_ axis: String, _ values: [Int], _ seconds: (Int) throws -> Double) rethrows -> GrowthPlot
  {
    let times = try values.map(seconds)
    let exponent = slope(values.map { log(Double($0)) }, times.map { log($0) })
    let figures = zip(values, times).map { "\($0): \(($1 * 1e3).fixed(3))" }.joined(separator: ", ")
    print("\(axis): exponent \(exponent.fixed(2)) (ms: \(figures))")
    return GrowthPlot(axis: axis, values: values, seconds: times, exponent: exponent)
  }

  /// The quickest of some times: a .rnnw file of so many MiB, with every checksum, in the cache and not synced.
  private func seconds(_ step: FileStep, mebibytes: Int) throws -> Double {
    let folder = try FileManager.default.scratch("growth")
    defer { try? FileManager.default.removeItem(at: folder) }
    try FileStep.prepare(folder, mebibytes: mebibytes)
    let work = FileWork(folder)
    return try (0..<7).map { _ in try work.measure(step).seconds }.min()!
  }

  private func item(steps: Int, batch: Int, size: Int) -> ForwardCase {
    ForwardCase(cell: cell, steps: steps, batch: batch, size: size)
  }

  /// The quickest of many passes: what others take away is not the pass's.
  private func seconds(_ item: ForwardCase, layers: Int) throws -> Double {
    let (model, inputs) = item.random(layers: layers)
    let prepared = try PackedModel(model, precision: .float32, execution: Execution(threads: threads))
    return try ForwardBench.burst(seconds: 0.3) { _ = try prepared.run(inputs) }.min()!
  }

  /// Of the straight line through the points, by least squares.
  private func slope(_ x: [Double], _ y: [Double]) -> Double {
    let count = Double(x.count)
    let (meanX, meanY) = (x.reduce(0, +) / count, y.reduce(0, +) / count)
    let covariance = zip(x, y).reduce(0) { $0 + ($1.0 - meanX) * ($1.1 - meanY) }
    return covariance / x.reduce(0) { $0 + ($1 - meanX) * ($1 - meanX) }
  }
}

/// Times over one size, both logarithmic.
struct GrowthPlot {
  let axis: String
  let values: [Int]
  let seconds: [Double]
  let exponent: Double

  private static let (width, height) = (320.0, 240.0)

  static func page(_ plots: [GrowthPlot], title: String) -> String {
    let parts = plots.enumerated().map { index, plot in
      plot.svg(x: Double(index % 2) * width, y: 24 + Double(index / 2) * height)
    }
    let rows = Double((plots.count + 1) / 2)
    return """
      <svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 \(Int(2 * width)) \(Int(24 + rows * height))" \
      font-family="sans-serif" font-size="11" fill="#333">
      <text x="8" y="16" font-size="13">Time of a forward pass (\(title)), and of a file</text>
      \(parts.joined(separator: "\n"))
      </svg>

      """
  }

  private func svg(x: Double, y: Double) -> String {
    let (left, right, top, bottom) = (52.0, 14.0, 24.0, 32.0)
    let logs = (x: values.map { log2(Double($0)) }, y: seconds.map { log10($0 * 1e3) })
    let (low, high) = (
      logs.y.min()!.rounded(.down), max(logs.y.max()!.rounded(.up), logs.y.min()!.rounded(.down) + 1)
    )
    func place(_ at: Int) -> (Double, Double) {
      let across = (logs.x[at] - logs.x[0]) / (logs.x.last! - logs.x[0])
      let up = (logs.y[at] - low) / (high - low)
      return (
        left + across * (Self.width - left - right), Self.height - bottom - up * (Self.height - top - bottom)
      )
    }
    var parts = ["<text x=\"\(left)\" y=\"14\">\(axis): exponent \(exponent.fixed(2))</text>"]
    for power in Int(low)...Int(high) {
      let y = Self.height - bottom - (Double(power) - low) / (high - low) * (Self.height - top - bottom)
      parts.append(
        "<line x1=\"\(left)\" x2=\"\(Self.width - right)\" y1=\"\(y)\" y2=\"\(y)\" stroke=\"#ddd\"/>"
          + "<text x=\"\(left - 6)\" y=\"\(y + 4)\" text-anchor=\"end\">\(pow(10, Double(power))) ms</text>")
    }
    for (index, value) in values.enumerated() {
      let (x, y) = place(index)
      parts.append(
        "<text x=\"\(x)\" y=\"\(Self.height - 12)\" text-anchor=\"middle\">\(value)</text>"
          + "<circle cx=\"\(x)\" cy=\"\(y)\" r=\"3\" fill=\"#06c\"/>")
    }
    let line = values.indices.map { "\(place($0).0),\(place($0).1)" }.joined(separator: " ")
    parts.append("<polyline points=\"\(line)\" fill=\"none\" stroke=\"#06c\"/>")
    return "<g transform=\"translate(\(x) \(y))\">\(parts.joined())</g>"
  }
}
