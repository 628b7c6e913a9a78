import Recurrent
import Tensors
import TestSupport
import Testing

@testable import ONNXFormat

/// Recurrences over places of the features, with time or the places among the rows: written, evaluated and read back.
@Suite struct PathImportTests {
  private static let cells: [Cell] = [.rnn, .lstm, .gru(resetAfter: true), .gru(resetAfter: false)]

  /// A recurrence along time, one with a path over three places of two features, and its outputs.
  private static func model(_ cell: Cell, _ direction: Direction, _ path: RecurrentPath) throws -> Model {
    var specification = LayerSpecification(cell)
    specification.direction = direction
    specification.inputSize = 2
    var generator = SeededGenerator(seed: 9)
    var layer = specification.layer(&generator)
    layer.path = path
    var model = AroundRecurrence.recurrence(units: path.placeCount * 2)
    let value = model.outputs[0].value
    model.layers.append(Layer("path", .recurrent(layer), inputs: [value], outputs: ["out", nil]))
    let kind = try #require(try model.validated()["out"])
    model.outputs = [Model.Port("out", kind)]
    return model
  }

  @Test(arguments: cells, Direction.allCases)
  func `both ways come back as they were`(_ cell: Cell, _ direction: Direction) throws {
    for path in [RecurrentPath.timeAtPlaces(3), .places(3)] {
      try AroundRecurrence.roundTrip(try Self.model(cell, direction, path), opsets: [7, 13, 17])
    }
  }

  @Test func `a state behind the last place is read as a sequence`() throws {
    for cell in Self.cells {
      var model = try Self.model(cell, .bidirectional, .places(3))
      model.layers[1].outputs = [nil, "out"]
      model.outputs = []
      let kind = try #require(try model.validated()["out"])
      model.outputs = [Model.Port("out", kind)]
      try AroundRecurrence.roundTrip(model, opsets: [13, 17])
    }
  }
}
