import ByteIO
import TestSupport
import Testing

private func parse(_ text: String, limits: Limits = .standard) throws(ParseError) -> JSONValue {
  try JSONValue(parsing: ByteBuffer(Array(text.utf8)), limits: limits)
}

private func canonical(_ value: JSONValue) throws -> String {
  String(decoding: try value.canonicalBytes(), as: UTF8.self)
}

@Suite("JSON")
struct JSONTests {
  @Test(
    "every kind of value is read as RFC 8259 says",
    arguments: [
      ("null", .null), (" true\n", true), ("\tfalse\r", false), ("0", 0), ("-12", -12),
      ("9223372036854775807", .integer(.max)), ("-9223372036854775808", .integer(.min)),
      ("9223372036854775808", .number(0x1p63)), ("1.0", 1.0), ("-0.5e+2", -50.0), ("1E-2", 0.01),
      (#""""#, ""), (#""\"\\\/\b\f\n\r\t""#, "\"\\/\u{8}\u{c}\n\r\t"), (#""\u00e9\uD834\udd1e""#, "é𝄞"),
      (#""é𝄞""#, "é𝄞"), ("[]", []), ("[ ]", []), ("[1, [2]]", [1, [2]]), ("{ }", [:]),
      (#"{"b" : 1 ,"a":{"":null}}"#, ["b": 1, "a": ["": .null]]),
    ] as [(String, JSONValue)])
  func reads(text: String, expected: JSONValue) throws {
    #expect(try parse(text) == expected)
  }

  @Test(
    "what the RFC forbids or leaves open is refused at its byte",
    arguments: [
      ("", 0), ("  ", 2), ("nul", 0), ("True", 0), ("01", 0), ("-01", 0), ("+1", 0), ("-", 1), (".5", 0),
      ("1.", 2), ("1.e1", 2), ("1e", 2), ("1e+", 3), ("1e999", 0), ("NaN", 0), ("Infinity", 0), ("0x1", 1),
      ("1 2", 2), ("[1,]", 3), ("[1 2]", 3), ("[", 1), ("[1", 2), ("{\"a\"}", 4), ("{\"a\":}", 5),
      ("{\"a\":1,}", 7), ("{a:1}", 1), ("{\"a\":1,\"a\":1}", 7), ("{\"a\":1,\"\\u0061\":1}", 7), ("\"", 0),
      ("\"\\", 2), ("\"\\x\"", 1), ("\"\\u12\"", 5), ("\"\\uD834\"", 1), ("\"\\uDD1E\"", 1),
      ("\"\\uD834\\n\"", 1), ("\"\\uD834\\u0041\"", 1), ("\"\n\"", 1), ("\"\u{0}\"", 1), ("[1]x", 3),
      ("\u{FEFF}1", 0), ("/**/1", 0), ("'a'", 0),
    ])
  func refuses(text: String, offset: Int) {
    let error = #expect(throws: ParseError.self) { try parse(text) }
    #expect(error?.offset == offset, "\(text): \(error?.description ?? "")")
  }

  @Test(
    "invalid UTF-8 is refused",
    arguments: [[0x80], [0xC0, 0xAF], [0xED, 0xA0, 0x80], [0xF4, 0x90, 0x80, 0x80], [0xE2, 0x82]] as [[UInt8]]
  )
  func refusesInvalidUTF8(bytes: [UInt8]) {
    #expect(throws: ParseError.self) { try JSONValue(parsing: ByteBuffer([0x22] + bytes + [0x22])) }
  }

  @Test("keys that Unicode takes for one but bytes do not stay two")
  func keysAreBytes() throws {
    let value = try parse("{\"\u{e9}\":1,\"e\u{301}\":2}")
    #expect(value["\u{e9}"] == 1)
    #expect(value["e\u{301}"] == 2)
    #expect(try canonical(value) == "{\"e\u{301}\":2,\"\u{e9}\":1}")
  }

  @Test("a key that occurs twice is found in objects of every size", arguments: [3, 15, 16, 17, 18, 500])
  func duplicatesInLargeObjects(count: Int) throws {
    let members = (0..<count).map { "\"k\($0)\":\($0)" }
    #expect(try parse("{\(members.joined(separator: ","))}")["k\(count - 1)"] == .integer(Int64(count - 1)))
    for position in [0, count / 2, count - 2] {
      let twice = members.dropLast() + ["\"k\(position)\":0"]
      #expect(throws: ParseError.self) { try parse("{\(twice.joined(separator: ","))}") }
    }
  }

  @Test("nesting stops at the limit, not at the end of the stack")
  func nestingIsBounded() throws {
    func nested(_ depth: Int) -> String {
      String(repeating: "[", count: depth) + String(repeating: "]", count: depth)
    }
    _ = try parse(nested(64))
    let error = #expect(throws: ParseError.self) { try parse(nested(65)) }
    #expect(error?.offset == 64)
    #expect(throws: ParseError.self) { try parse(String(repeating: "{\"a\":", count: 1_000_000)) }
  }

  @Test("the number of values is bounded")
  func valuesAreBounded() {
    var limits = Limits.standard
    limits.jsonValues = 4
    #expect(throws: Never.self) { try parse("[1,2,3]", limits: limits) }
    #expect(throws: ParseError.self) { try parse("[1,2,3,4]", limits: limits) }
  }

  @Test("a text cut anywhere is refused")
  func truncationIsRefused() throws {
    let text = Array(#"{"a":[1.5e3,true,null,"\u00e9é"],"b":{"c":-1}}"#.utf8)
    _ = try JSONValue(parsing: ByteBuffer(text))
    for count in 0..<text.count {
      #expect(throws: ParseError.self) { try JSONValue(parsing: ByteBuffer(text[..<count])) }
    }
  }

  @Test("random bytes never trap")
  func randomBytes() {
    var generator = SeededGenerator(seed: 7)
    let alphabet = Array("{}[]\",:\\u0123456789eE+-.truefalsn \u{e9}".utf8)
    var read = 0
    for _ in 0..<20_000 {
      let text = (0..<Int.random(in: 0...24, using: &generator)).map { _ in
        alphabet.randomElement(using: &generator)!
      }
      if let value = try? JSONValue(parsing: ByteBuffer(text)) {
        #expect(throws: Never.self) { try value.canonicalBytes() }
        read += 1
      }
    }
    #expect(read > 0)
  }

  @Test("every finite Float64 reads back bit for bit, among them -0.0, subnormals and both ends")
  func realsReadBack() throws {
    var generator = SeededGenerator(seed: 11)
    for value in sampleReals(&generator) {
      guard case .number(let back) = try parse(try canonical(.number(value))) else {
        Issue.record("\(value) does not read back as a real")
        continue
      }
      #expect(back.bitPattern == value.bitPattern)
    }
  }

  @Test("the canonical text is that of Python's json.dumps")
  func canonicalTextIsPythons() throws {
    var generator = SeededGenerator(seed: 12)
    let reals = sampleReals(&generator)
    let characters = (0..<0x250).compactMap { Unicode.Scalar($0) } + ["\u{2028}", "\u{FFFF}", "\u{10FFFF}"]
    let value: JSONValue = [
      "reals": .array(reals.map(JSONValue.number)),
      "text": .string(String(String.UnicodeScalarView(characters))),
      "z": [:], "\u{FFFF}": [], "\u{10000}": [.integer(.min), .integer(.max), 0, .null, true, false],
    ]
    let text = try value.canonicalBytes()
    let script = """
      import json, sys
      text = open(sys.argv[1], "rb").read()
      again = json.dumps(json.loads(text), sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
      print("same" if again.encode() == text else "different")
      """
    let folder = try TemporaryFolder()
    let path = try folder.write(text, to: "canonical.json")
    #expect(try runPython(["-c", script, path]) == "same\n")
  }

  @Test("what JSON cannot hold is not written", arguments: [Double.nan, .infinity, -.infinity])
  func refusesToWrite(number: Double) {
    #expect(throws: JSONWritingError.self) { try JSONValue.array([.number(number)]).canonicalBytes() }
  }

  @Test("an object with a key twice is not written")
  func refusesDuplicates() {
    let value = JSONValue.object([JSONMember("a", 1), JSONMember("a", 2)])
    #expect(throws: JSONWritingError.duplicateKey("a")) { try value.prettyBytes() }
  }

  @Test("the pretty text keeps the order of keys and reads back")
  func prettyText() throws {
    let value: JSONValue = ["b": [1, [:]], "a": []]
    let text = String(decoding: try value.prettyBytes(), as: UTF8.self)
    #expect(text == "{\n  \"b\": [\n    1,\n    {}\n  ],\n  \"a\": []\n}\n")
    #expect(try parse(text) == value)
  }

  private func sampleReals(_ generator: inout SeededGenerator) -> [Double] {
    var reals: [Double] = [
      0, -0.0, 1, 0.1, .leastNonzeroMagnitude, .leastNormalMagnitude, .greatestFiniteMagnitude,
    ]
    for exponent in -20...20 {
      let power = (0..<abs(exponent)).reduce(1.0) { value, _ in exponent < 0 ? value / 10 : value * 10 }
      reals += [power, power.nextUp, power.nextDown, -3 * power]
    }
    for exponent in 50...56 { reals += [Double(sign: .plus, exponent: exponent, significand: 1)] }
    while reals.count < 4_000 {
      let real = Double(bitPattern: generator.next())
      if real.isFinite { reals.append(real) }
      reals.append(Double.random(in: 0x1p53...1e16, using: &generator))
    }
    return reals
  }

  @Test func `every value has its place in the text, whatever stands around it`() throws {
    let text = #" { "a\"]" : [ 1 ,-2.5e3,{"b":null}, [] ] ,"é":"x,:}\\" , "c":{"d" : true}, "e":"" } "#
    let buffer = ByteBuffer(Array(text.utf8))
    func offsets(_ place: JSONPlace) -> [Int] { [place.offset] + place.parts.flatMap(offsets) }
    let beginnings = offsets(JSONPlace(of: try parse(text), in: buffer)).map { offset in
      String(decoding: buffer.slice(offset: offset, count: 2)!.array, as: UTF8.self)
    }
    #expect(
      beginnings == ["{ ", "[ ", "1 ", "-2", "{\"", "nu", "[]", "\"x", "{\"", "tr", "\"\""])
  }

  @Test func `lines and columns are those that editors show`() {
    let lines = TextLines(ByteBuffer(Array("ab\n\né→x\r\nlast".utf8)))
    // Of "a", "b", the line feed, the empty line, "→", "x", "l", and behind the end.
    #expect(
      [0, 1, 2, 3, 6, 9, 12, 16].map { lines.position(of: $0).description } == [
        "1:1", "1:2", "1:3", "2:1", "3:2", "3:3", "4:1", "4:5",
      ])
  }
}
