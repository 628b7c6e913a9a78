import Foundation
import Recurrent
import Tensors
import TestSupport
import Testing

@Suite struct ReportTests {
  private func page(_ folder: TemporaryFolder) throws -> String {
    var specification = LayerSpecification(.lstm)
    specification.direction = .bidirectional
    var model = specification.model(seed: 1)
    model.layers[0].name = "a <layer> & \"more\""
    _ = try folder.write(try Sample.rnnw(model), to: "a.rnnw")
    guard case .recurrent(var layer) = model.layers[0].operation else { throw CancellationError() }
    var values = layer.directions[0].recurrentWeight.floats
    values[0] += 0.01
    layer.directions[0].recurrentWeight = Tensor(values, shape: [16, 4])
    model.layers[0].operation = .recurrent(layer)
    _ = try folder.write(try Sample.rnnw(model), to: "b.rnnw")
    let outcome = try Tool.run(
      "verify", "a.rnnw", "b.rnnw", "--report", "out.html", in: folder.path(""))
    #expect(outcome.code == 1, "\(outcome)")
    return try String(contentsOfFile: folder.path("out.html"), encoding: .utf8)
  }

  @Test func `the page is self-contained, escaped, and shows verdict, plots, weights and probes`() throws {
    let html = try page(try TemporaryFolder())
    for outside in ["http:", "https:", "<script", "<link", "src=", "url(", "@import"] {
      #expect(!html.contains(outside), "\(outside)")
    }
    for words in [
      "<!doctype html>", "prefers-color-scheme: dark", "width=device-width", "<p class=\"verdict\">different",
      "<svg", "class=\"deviation\"", "class=\"bound\"", "class=\"map\"", "forward.recurrentWeight",
      "1 of 16", "T=1 B=3 random/moving", "class=\"hidden\"", "class=\"cell\"", "half-life",
      "a &lt;layer&gt; &amp; &quot;more&quot;",
    ] {
      #expect(html.contains(words), "\(words)")
    }
    #expect(!html.contains("a <layer>") && !html.contains("nan,") && !html.contains(",nan"))
    for tag in ["section", "table", "figure", "svg", "ul", "tr", "td"] {
      let opened =
        html.components(separatedBy: "<\(tag)>").count + html.components(separatedBy: "<\(tag) ").count - 2
      #expect(opened > 0 && opened == html.components(separatedBy: "</\(tag)>").count - 1, "\(tag)")
    }
  }

  /// In Chromium the page is laid out, and on a phone nothing sticks out.
  @Test(arguments: [390, 1_200])
  func `a browser shows the page`(width: Int) throws {
    let folder = try TemporaryFolder()
    let html = try page(folder)
    let probe = """
      <script>document.title = [document.documentElement.scrollWidth <= innerWidth, \
      document.querySelectorAll("svg polyline").length, document.querySelector("svg").clientHeight > 100, \
      getComputedStyle(document.querySelector(".map td[style]")).backgroundColor != \
      getComputedStyle(document.querySelector(".map td:not([style])")).backgroundColor].join(" ")</script></body>
      """
    _ = try folder.write(html.replacingOccurrences(of: "</body>", with: probe).utf8, to: "probe.html")
    let dom = try Chromium.dom(of: folder.path("probe.html"), width: width, profile: folder.path("profile"))
    #expect(dom.contains("<title>true 14 true true</title>"), "\(dom.prefix(600))")
  }
}

enum Chromium {
  static let path = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"].first {
    FileManager.default.isExecutableFile(atPath: $0)
  }

  /// The document as it is once scripts have run.
  static func dom(of page: String, width: Int, profile: String) throws -> String {
    let (_, text) = try Child.output(
      of: URL(filePath: try #require(path, "no Chromium: run `make test`, which installs it")),
      [
        "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
        "--user-data-dir=\(profile)",
        "--window-size=\(width),2000", "--dump-dom", "file://\(page)",
      ], in: Repository.root, timeout: 120, joiningError: false)
    return text
  }
}
