internal import Glibc
internal import Synchronization

/// Work that can run beside other work.
package protocol Runnable: Sendable {
  /// Does the work, once.
  func run()
}

/// A value that is computed when it is first asked for, or before that beside others.
package final class Deferred<Value: Sendable, Failure: Error>: Runnable {
  private let body: @Sendable () throws(Failure) -> Value
  private let result = Mutex<Result<Value, Failure>?>(nil)

  package init(_ body: @escaping @Sendable () throws(Failure) -> Value) { self.body = body }

  package func run() { _ = try? value }

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

/// Runs all of the work, in its order, on as many cores as there are.
///
/// Threads of their own: what a thread pool needs to start costs as much as a small model's passes.
package func concurrently(_ work: [any Runnable]) {
  let queue = WorkQueue(work)
  let cores = sysconf(Int32(_SC_NPROCESSORS_ONLN))
  var threads: [pthread_t] = []
  for _ in 0..<max(0, min(cores, work.count) - 1) {
    var thread = pthread_t()
    let context = Unmanaged.passRetained(queue)
    let failure = pthread_create(
      &thread, nil,
      { context in
        Unmanaged<WorkQueue>.fromOpaque(context!).takeRetainedValue().drain()
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
  private let work: [any Runnable]
  private let next = Atomic(0)

  init(_ work: [any Runnable]) { self.work = work }

  func drain() {
    while true {
      let index = next.wrappingAdd(1, ordering: .relaxed).oldValue
      guard index < work.count else { return }
      work[index].run()
    }
  }
}
