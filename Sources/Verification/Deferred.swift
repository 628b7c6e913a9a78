internal import ByteIO
internal import Forward
internal import Synchronization

/// Work that can run beside other work.
package protocol Runnable: Sendable {
  /// Does the work, once; returns whether it succeeded.
  func run() -> Bool
}

/// A value that is computed when it is first asked for, or before that beside others.
package final class Deferred<Value: Sendable, Failure: Error>: Runnable {
  private let body: @Sendable () throws(Failure) -> Value
  private let result = Mutex<Result<Value, Failure>?>(nil)

  package init(_ body: @escaping @Sendable () throws(Failure) -> Value) { self.body = body }

  package func run() -> Bool { (try? value) != nil }

  package var value: Value {
    get throws(Failure) {
      let result = result.withLock { result in
        let known = result ?? Result(catching: body)
        result = known
        return known
      }
      return try result.get()
    }
  }
}

/// Runs all of the work, in its order, on as many threads as `Execution.current` allows, which holds in them too. Where a
/// piece fails, those behind it are left until somebody asks for them.
package func concurrently(_ work: [any Runnable]) {
  let execution = Execution.current
  ByteIO.concurrently(work.count, threads: execution.threads) { index in
    Execution.$current.withValue(execution) { work[index].run() }
  }
}
