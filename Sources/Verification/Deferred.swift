internal import Forward
internal import Glibc
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
///
/// Threads of their own: what a thread pool needs to start costs as much as a small model's passes.
package func concurrently(_ work: [any Runnable]) {
  let queue = WorkQueue(work, .current)
  var threads: [pthread_t] = []
  for _ in 0..<max(0, min(queue.execution.threads, work.count) - 1) {
    var thread = pthread_t()
    let context = Unmanaged.passRetained(queue)
    let failure = pthread_create(
      &thread, nil,
      { context in
        let queue = Unmanaged<WorkQueue>.fromOpaque(context!).takeRetainedValue()
        Execution.$current.withValue(queue.execution) { queue.drain() }
        return nil
      }, context.toOpaque())
    if failure != 0 {
      // This thread does it all.
      context.release()
      break
    }
    threads.append(thread)
  }
  queue.drain()
  for thread in threads { pthread_join(thread, nil) }
}

/// Work that threads take from, piece by piece.
private final class WorkQueue: Sendable {
  let execution: Execution
  private let work: [any Runnable]
  private let next = Atomic(0)

  init(_ work: [any Runnable], _ execution: Execution) {
    self.work = work
    self.execution = execution
  }

  func drain() {
    while true {
      let index = next.wrappingAdd(1, ordering: .relaxed).oldValue
      guard index < work.count else { return }
      if !work[index].run() { next.store(work.count, ordering: .relaxed) }
    }
  }
}
