import Foundation
import Recurrent
import Tensors
import TestSupport
import Testing

@Suite struct ReportTests {
  /// A second of the last leap day of a century: 2000-02-29 12:34:56, by `date -u -d @951827696`.
  private static let date = ["SOURCE_DATE_EPOCH": "951827696"]

  /// The page on two models that it writes into the folder, where an earlier one makes room.
  private func page(
    _ folder: TemporaryFolder, _ left: Model, _ right: Model, _ arguments: String...
  ) throws -> (html: String, outcome: Tool.Outcome) {
    _ = try folder.write(try Sample.rnnw(left), to: "a.rnnw")
    _ = try folder.write(try Sample.rnnw(right), to: "b.rnnw")
    try? FileManager.default.removeItem(atPath: folder.path("out.html"))
    let outcome = try Tool.run(
      ["verify", "a.rnnw", "b.rnnw", "--report", "out.html"] + arguments, environment: Self.date,
      in: folder.path(""))
    return (try String(contentsOfFile: folder.path("out.html"), encoding: .utf8), outcome)
  }

  private func layer(of model: Model) throws -> RecurrentLayer {
    guard case .recurrent(let layer) = model.layers[0].operation else { throw CancellationError() }
    return layer
  }

  private func model(_ name: String = "a <layer> & \"more\"") -> Model {
    var specification = LayerSpecification(.lstm)
    specification.direction = .bidirectional
    var model = specification.model(seed: 1)
    model.layers[0].name = name
    return model
  }

  /// One number of the forget gate's rows is another.
  private func nudged(_ model: Model) throws -> Model {
    var (model, layer) = (model, try layer(of: model))
    var values = layer.directions[0].recurrentWeight!.floats
    values[0] += 0.01
    layer.directions[0].recurrentWeight = Tensor(values, shape: [16, 4])
    model.layers[0].operation = .recurrent(layer)
    return model
  }

  /// The rows of the input and the output gate are exchanged in every tensor: the catalogue's `gate-order`.
  private func exchanged(_ model: Model) throws -> Model {
    var (model, layer) = (model, try layer(of: model))
    func exchanged(_ tensor: Tensor) -> Tensor {
      let (values, size) = (tensor.floats, tensor.count / 4)
      let gates = [0, 2, 1, 3].map { values[($0 * size)..<(($0 + 1) * size)] }
      return Tensor(Array(gates.joined()), shape: tensor.shape)
    }
    for index in layer.directions.indices {
      layer.directions[index].inputWeight = exchanged(layer.directions[index].inputWeight)
      layer.directions[index].recurrentWeight = exchanged(layer.directions[index].recurrentWeight!)
      layer.directions[index].inputBias = layer.directions[index].inputBias.map(exchanged)
      layer.directions[index].recurrentBias = layer.directions[index].recurrentBias.map(exchanged)
    }
    model.layers[0].operation = .recurrent(layer)
    return model
  }

  @Test func `the page is self-contained, escaped, and shows verdict, plots, weights and probes`() throws {
    let (html, outcome) = try page(try TemporaryFolder(), model(), try nudged(model()))
    #expect(outcome.code == 1, "\(outcome)")
    for outside in ["http:", "https:", "<script", "<link", "src=", "url(", "@import"] {
      #expect(!html.contains(outside), "\(outside)")
    }
    for words in [
      "<!doctype html>", "prefers-color-scheme: dark", "width=device-width", "<h1>different</h1>",
      "class=\"deviation\"", "class=\"bound\"", "class=\"map\"", "forward.recurrentWeight", "1 of 16",
      "T=1 B=3 random/moving", "half-life", "a &lt;layer&gt; &amp; &quot;more&quot;",
    ] {
      #expect(html.contains(words), "\(words)")
    }
    #expect(!html.contains("a <layer>") && !html.contains("nan,") && !html.contains(",nan"))
    for tag in ["section", "table", "figure", "svg", "ul", "tr", "td", "dl", "dd", "p", "span"] {
      let opened =
        html.components(separatedBy: "<\(tag)>").count + html.components(separatedBy: "<\(tag) ").count - 2
      #expect(opened > 0 && opened == html.components(separatedBy: "</\(tag)>").count - 1, "\(tag)")
    }
  }

  @Test func `the page leads with verdict, diagnosis, mending command, date and versions`() throws {
    let folder = try TemporaryFolder()
    let (html, outcome) = try page(folder, model(), try exchanged(model()), "--evidence=proof.json")
    let command = "rnnconv verify a.rnnw b.rnnw --write-fixed fixed-b.rnnw"
    #expect(outcome.output.contains("mend with    \(command)\n"), "\(outcome)")
    var rest = html.replacing(/<\/?span>/, with: "")[...]
    for words in [
      "<h1>different</h1>", "<dt>Diagnosis</dt><dd>certain", "the gates are taken in another order",
      "<dt>Mend with</dt><dd><code class=\"command\">\(command)</code>", "</header>",
      "<dt>Made</dt><dd>2000-02-29 12:34 UTC by rnnconv ", "<dt>Left</dt><dd>a.rnnw", "<h2>",
    ] {
      let place = try #require(rest.range(of: words), "\(words) is not where it belongs")
      rest = rest[place.upperBound...]
    }
    let mending = command.split(separator: " ").dropFirst().map(String.init)
    #expect(try Tool.run(mending, in: folder.path("")).output.contains("wrote fixed-b.rnnw"))
    #expect(try Tool.run("verify", "a.rnnw", "fixed-b.rnnw", in: folder.path("")).code == 0)
  }

  @Test func `an ONNX file's opset and producer are told, whatever they hold`() throws {
    let folder = try TemporaryFolder()
    let onnx = Repository.fixtures.appending(path: "onnx/torch-legacy-lstm/model.onnx").path
    let outcome = try Tool.run("verify", onnx, "--report", folder.path("out.html"))
    #expect(outcome.code == 0, "\(outcome)")
    let html = try String(contentsOfFile: folder.path("out.html"), encoding: .utf8)
    let inspected = try Tool.run("inspect", onnx, "--json").json()
    let said = try #require(inspected["metadata"] as? [String: String])
    let (opset, producer) = (try #require(said["onnx:opset"]), try #require(said["onnx:producer"]))
    #expect(producer.hasPrefix("pytorch "))
    #expect(html.contains("<small>onnx, opset \(opset), \(producer)</small>"))
    var converted = model()
    converted.metadata = ["onnx:opset": "17", "onnx:producer": "<b>"]
    #expect(try page(folder, converted, model()).html.contains("rnnw, from ONNX opset 17, &lt;b&gt;"))
  }

  @Test func `the same date gives the same bytes, and the clock's is today's`() throws {
    let folder = try TemporaryFolder()
    let one = try page(folder, model(), try nudged(model())).html
    #expect(try page(folder, model(), try nudged(model())).html == one)
    let before = Date.now
    _ = try Tool.run("verify", "a.rnnw", "b.rnnw", "--report", "now.html", in: folder.path(""))
    let days = [before, .now].map { "<dd>\($0.formatted(.iso8601.year().month().day())) " }
    let now = try String(contentsOfFile: folder.path("now.html"), encoding: .utf8)
    #expect(days.contains { now.contains($0) })
  }

  @Test(arguments: ["", "now", "1.5", "-1", "253402300800"])
  func `a date that is none is refused`(text: String) throws {
    let folder = try TemporaryFolder()
    let outcome = try Tool.run(
      "verify", Sample.demo, "--report", folder.path("out.html"), environment: ["SOURCE_DATE_EPOCH": text])
    #expect(outcome.code == 2 && outcome.error.contains("SOURCE_DATE_EPOCH"), "\(outcome)")
    #expect(!FileManager.default.fileExists(atPath: folder.path("out.html")))
  }

  @Test func `what is the same is told in words, not in zeros`() throws {
    let folder = try TemporaryFolder()
    let same = try page(folder, model(), model()).html
    let outputs = try #require(same.firstMatch(of: /(?s)<h2>Outputs<\/h2>(.*?)<\/section>/)).output.1
    #expect(
      outputs.contains("identical</span>, without any deviation: <b>y</b> (") && !outputs.contains("<table"))
    #expect(same.contains("Every weight is the same, bit for bit.") && !same.contains("class=\"map\""))
    #expect(!same.contains("<polyline class=\"bound\""))
    let other = try page(folder, model("l"), try nudged(model("l"))).html
    let map = try #require(other.firstMatch(of: /(?s)<table class="map".*?<\/table>/)).output
    // One tensor and one gate of it; no other row or column.
    #expect(map.contains("--gates: 1") && map.components(separatedBy: "<tr>").count == 3, "\(map)")
    #expect(map.contains("<th scope=\"col\">f</th>") && map.contains("forward.recurrentWeight"), "\(map)")
    #expect(
      other.contains(
        "The same, bit for bit: forward.inputWeight, forward.inputBias, forward.recurrentBias, reverse.inputWeight, "
          + "reverse.recurrentWeight, reverse.inputBias, reverse.recurrentBias, gate i, gate o, gate g."))
    #expect(!other.contains(/<td[^>]*>0</))
    #expect(
      try Tool.run("convert", folder.path("a.rnnw"), folder.path("half.rnnw"), "--dtype", "F16").code == 0)
    let rounded = try Tool.run("verify", "a.rnnw", "half.rnnw", "--report", "half.html", in: folder.path(""))
    let half = try String(contentsOfFile: folder.path("half.html"), encoding: .utf8)
    #expect(
      rounded.code == 0 && half.contains("<small>&lt; 1 ulp, ") && !half.contains("<small>0"), "\(rounded)")
  }

  @Test func `a tensor of fewer gates stands under its own`() throws {
    var specification = LayerSpecification(.lstm)
    specification.peepholes = true
    let left = specification.model(seed: 1)
    var (right, layer) = (left, try layer(of: left))
    var (peepholes, kernel) = (
      layer.directions[0].peepholes!.floats, layer.directions[0].recurrentWeight!.floats
    )
    // Of o, and of f and g.
    peepholes[8] += 1
    kernel[0] += 1
    kernel[63] += 1
    layer.directions[0].peepholes = Tensor(peepholes, shape: [12])
    layer.directions[0].recurrentWeight = Tensor(kernel, shape: [16, 4])
    right.layers[0].operation = .recurrent(layer)
    let html = try page(try TemporaryFolder(), left, right).html
    let row = try #require(html.firstMatch(of: /forward\.peepholes<\/th>(.*)<\/tr>/)).output.1
    let cells = row.components(separatedBy: "</td>").dropLast()
    #expect(cells.count == 3 && cells[0] == "<td class=\"same\">same", "\(row)")
    #expect(cells[1].contains("--heat") && cells[2] == "<td class=\"none\">", "\(row)")
  }

  @Test func `all models' gradients are in one plot, on one scale, with a line at 1`() throws {
    let html = try page(try TemporaryFolder(), model("l"), try exchanged(model("l"))).html
    let plots = html.matches(of: /(?s)<figure class="flows">\n(<svg.*?<\/svg>)\n/).map(\.output.1)
    let plot = try #require(plots.first)
    #expect(plots.count == 1)
    let one = try #require(plot.firstMatch(of: /<line class="one"[^>]* y1="([0-9.]+)"/)).output.1
    let lines = plot.matches(of: /<polyline class="([^"]*)" points="[0-9.]+,([0-9.]+) [^>]*><title>(a|b)/)
    #expect(lines.map(\.output.1) == ["side0 dash0", "side0 dash1", "side1 dash0", "side1 dash1"])
    #expect(lines.map(\.output.3) == ["a", "a", "b", "b"])
    // Over no distance every Jacobian is the identity, whose norm is 1.
    #expect(lines.allSatisfy { $0.output.2 == one }, "\(plot)")
  }

  @Test(arguments: [(1e-3, 60.0...76), (0, 352...352)] as [(Float, ClosedRange<Double>)])
  func `a line that leaves the scale ends there, one of zeros goes on along the bottom`(
    slope: Float, end: ClosedRange<Double>
  ) throws {
    var specification = LayerSpecification(.rnn)
    specification.hiddenSize = 1
    var model = specification.model(seed: 1)
    var layer = try layer(of: model)
    layer.directions[0].recurrentWeight = Tensor([slope], shape: [1, 1])
    model.layers[0].operation = .recurrent(layer)
    let html = try page(try TemporaryFolder(), model, model).html
    // A thousandth a step, times tanh' < 1, is below 1e-24, the least that is drawn, after at most 9 of 100 steps.
    let pattern = /<polyline class="side0[^"]*" points="[^"]* ([0-9.]+),([0-9.]+)">/
    let last = try #require(html.firstMatch(of: pattern)).output
    let x = try #require(Double(last.1))
    #expect(end.contains(x) && last.2 == "170.0", "\(last)")
  }

  /// Laid out by Chromium in light and dark, on a desk and on a phone, nothing sticks out, scrolls or is too faint to read.
  @Test(arguments: [390, 1_280], [false, true])
  func `a browser shows all of the page`(width: Int, isDark: Bool) throws {
    let folder = try TemporaryFolder()
    let deep = "a-folder-with-a-name-that-no-table-has-room-for/and-another-one-within-it-that-is-as-long"
    try FileManager.default.createDirectory(atPath: folder.path(deep), withIntermediateDirectories: true)
    _ = try folder.write(try Sample.rnnw(model()), to: "\(deep)/a.rnnw")
    _ = try folder.write(try Sample.rnnw(try exchanged(model())), to: "\(deep)/b.rnnw")
    let outcome = try Tool.run(
      "verify", "\(deep)/a.rnnw", "\(deep)/b.rnnw", "--report", "out.html", in: folder.path(""))
    #expect(outcome.code == 1, "\(outcome)")
    var html = try String(contentsOfFile: folder.path("out.html"), encoding: .utf8)
    if isDark { html = html.replacing("(prefers-color-scheme: dark)", with: "all") }
    // Chromium's windows have at least 500 pixels, frames have not.
    let frame = """
      <iframe width="\(width)" height="900" style="border: 0" srcdoc="\(html.replacing("&", with: "&amp;").replacing("\"", with: "&quot;"))"></iframe>
      <script>\(Self.measure)</script>
      """
    _ = try folder.write(frame.utf8, to: "frame.html")
    let dom = try Chromium.dom(of: folder.path("frame.html"), width: 1_400, profile: folder.path("profile"))
    #expect(dom.contains("<title>\(width) wide, lines 6, faint , outside </title>"), "\(dom.prefix(600))")
  }

  /// Names what is beyond the frame's width, or has less than the contrast of 4.5 that WCAG 2.2 asks for (1.4.3).
  private static let measure = """
    onload = () => {
      const page = document.querySelector("iframe").contentDocument, view = page.defaultView;
      const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
      const pixel = colour => {
        canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1);
        return [...canvas.getImageData(0, 0, 1, 1).data];
      };
      const luminance = ([r, g, b]) => [r, g, b].map(v => v / 255)
        .map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
        .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
      const ground = e => { const p = pixel(view.getComputedStyle(e).backgroundColor); return p[3] ? p : ground(e.parentElement); };
      const contrast = e => {
        const style = view.getComputedStyle(e), isDrawn = e instanceof view.SVGElement;
        const [a, b] = [pixel(isDrawn ? style.fill : style.color), ground(e)].map(luminance);
        return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
      };
      const all = [...page.body.querySelectorAll("*")], named = list => [...new Set(list.map(e => e.outerHTML.slice(0, 80)))];
      const hasText = e => e.tagName != "title" && [...e.childNodes].some(n => n.nodeType == 3 && n.data.trim());
      const isOutside = e => {
        const plot = e.ownerSVGElement, box = e.getBoundingClientRect();
        const frame = plot ? plot.getBoundingClientRect() : { left: 0, right: view.innerWidth };
        return e.tagName != "title" && (box.left < frame.left || box.right > frame.right)
          || !plot && e.clientWidth && e.scrollWidth > e.clientWidth + 1;
      };
      document.title = `${view.innerWidth} wide, lines ${page.querySelectorAll("figure > svg polyline").length}, `
        + `faint ${named(all.filter(e => hasText(e) && contrast(e) < 4.5))}, outside ${named(all.filter(isOutside))}`;
    };
    """
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
