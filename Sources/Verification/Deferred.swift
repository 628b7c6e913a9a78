internal import Dispatch
internal import Synchronization

/// Work that can run beside other work.
protocol Runnable: Sendable {
  /// Does the work, once.
  func run()
}

/// A value that is computed when it is first asked for, or before that beside others.
final class Deferred<Value: Sendable>: Runnable {
  private let body: @Sendable () throws -> Value
  private let result = Mutex<Result<Value, any Error>?>(nil)

  init(_ body: @escaping @Sendable () throws -> Value) { self.body = body }

  func run() { _ = try? value }

  var value: Value {
    get throws {
      try result.withLock { result in
        if result == nil { result = Result { try body() } }
        return try result!.get()
      }
    }
  }
}

/// Runs all of the work, on as many cores as there are.
func concurrently(_ work: [any Runnable]) {
  DispatchQueue.concurrentPerform(iterations: work.count) { work[$0].run() }
}
