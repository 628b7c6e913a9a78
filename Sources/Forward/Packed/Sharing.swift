internal import Recurrent

/// What one thread does of a recurrent layer: some rows of one direction, and a part of the units where a team shares them.
struct Share {
  let direction: Int
  let rows: Range<Int>
  let team: Int
  let member: Int
  let teamSize: Int

  /// This member's part of `count` blocks.
  func part(of count: Int) -> Range<Int> { (count * member / teamSize)..<(count * (member + 1) / teamSize) }
}

/// A recurrent layer shared out over threads: directions first, then rows, which need not wait for each other; then units,
/// whose threads wait for each other at every step.
struct Sharing {
  /// Below so many multiplications a thread is not worth waking.
  private static let leastWork = 400_000
  /// Below so many multiplications a step, the team waits longer than it works.
  private static let leastStep = 30_000
  /// A tile of the kernels.
  private static let leastRows = 6

  let directions: Int
  let groups: Int
  let teamSize: Int
  let batch: Int
  /// One thread takes all directions, one after another.
  let isAlone: Bool

  init(_ layer: RecurrentLayer, _ rows: BatchRows, threads: Int) {
    directions = layer.directions.count
    batch = rows.batch
    let weights = layer.cell.gateCount * layer.hiddenSize * (layer.inputSize + layer.outputSize)
    let work = weights * directions * rows.lengths.reduce(0, +)
    let worthwhile = min(threads, work / Self.leastWork)
    isAlone = worthwhile < max(2, directions)
    guard !isAlone else {
      groups = 1
      teamSize = 1
      return
    }
    groups = max(1, min(worthwhile / directions, batch / Self.leastRows))
    let step = layer.cell.gateCount * layer.hiddenSize * layer.outputSize * (batch / groups)
    let blocks = (layer.hiddenSize + 15) / 16
    teamSize = max(1, min(worthwhile / directions / groups, step / Self.leastStep, blocks))
  }

  var teams: Int { directions * groups }
  var members: Int { isAlone ? 1 : teams * teamSize }

  func shares(of member: Int) -> [Share] {
    if isAlone {
      return (0..<directions).map {
        Share(direction: $0, rows: 0..<batch, team: $0, member: 0, teamSize: 1)
      }
    }
    let team = member / teamSize
    let group = team % groups
    return [
      Share(
        direction: team / groups, rows: (batch * group / groups)..<(batch * (group + 1) / groups), team: team,
        member: member % teamSize, teamSize: teamSize)
    ]
  }
}
