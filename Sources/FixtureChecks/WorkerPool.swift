internal import ByteIO

/// Gives jobs to worker processes, one at a time to each, and replaces a worker that dies or takes too long.
public struct WorkerPool {
  /// How to start a worker: the program (this process's own, even after its file was replaced) and the arguments that make it call `Worker.serve()`.
  public var program: String
  public var arguments: [String]
  public var workers: Int
  /// Seconds that a job may take where its fixture does not say.
  public var timeout: Double

  public init(
    program: String = "/proc/self/exe", arguments: [String], workers: Int = WorkerPool.cores,
    timeout: Double = 120
  ) {
    self.program = program
    self.arguments = arguments
    self.workers = workers
    self.timeout = timeout
  }

  /// Cores of this machine.
  public static var cores: Int { processorCount }

  enum Answer: Sendable {
    case json(JSONValue)
    /// The worker ended: how, and what it said first.
    case crash(String)
    case timeout(Double)
    /// No worker could be started.
    case cannotStart(String)
  }

  /// Runs all jobs; answers come in the order of the jobs.
  ///
  /// - Parameter done: called in the order in which they finish, with the position, the answer and the seconds taken.
  func run(_ jobs: [Job], done: (Int, Answer, Double) -> Void = { _, _, _ in }) -> [Answer] {
    var answers = [Answer?](repeating: nil, count: jobs.count)
    var waiting = jobs.indices.makeIterator()
    var crew: [WorkerProcess] = []
    defer { for worker in crew { worker.end() } }
    func finish(_ index: Int, _ answer: Answer, _ seconds: Double) {
      answers[index] = answer
      done(index, answer, seconds)
    }
    /// Gives the next job to a worker, or to a new one; without jobs a worker goes home.
    func employ(_ free: WorkerProcess?) {
      while let index = waiting.next() {
        var job = jobs[index]
        job.fixture.timeout = job.fixture.timeout ?? timeout
        do throws(FileError) {
          let worker = if let free { free } else { try WorkerProcess(program, arguments) }
          worker.take(index, job)
          if free == nil { crew.append(worker) }
          return
        } catch { finish(index, .cannotStart(error.reason), 0) }
      }
      if let free { dismiss(free) }
    }
    func dismiss(_ worker: WorkerProcess) {
      worker.end()
      crew.removeAll { $0 === worker }
    }
    for _ in 0..<max(1, min(workers, jobs.count)) { employ(nil) }
    while !crew.isEmpty {
      WorkerProcess.wait(for: crew)
      for worker in crew {
        guard let (index, answer, seconds) = worker.finished() else { continue }
        finish(index, answer, seconds)
        if case .json = answer {
          employ(worker)
        } else {
          dismiss(worker)
          employ(nil)
        }
      }
    }
    return answers.map { $0! }
  }
}
