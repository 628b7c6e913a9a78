internal import Synchronization

/// `body` of each number below `count`, in order; computed on `threads` threads, this one among them.
package func concurrentMap<Result: Sendable>(
  _ count: Int, threads: Int = processorCount, _ body: @escaping @Sendable (Int) -> Result
) -> [Result] {
  let results = Shared(Mutex([Result?](repeating: nil, count: count)))
  concurrently(count, threads: threads) { index in
    let result = body(index)
    results.value.withLock { $0[index] = result }
    return true
  }
  return results.value.withLock { $0.map { $0! } }
}

/// `body` of each number below `count`, taken in order by `threads` threads, this one among them. Where one gives false, those behind
/// it that nobody has taken yet are left out.
///
/// Threads of their own: what a thread pool needs to start costs as much as a small model's passes.
package func concurrently(_ count: Int, threads: Int, _ body: @escaping @Sendable (Int) -> Bool) {
  let next = Shared(Atomic(0))
  let work = Work {
    while true {
      let index = next.value.wrappingAdd(1, ordering: .relaxed).oldValue
      guard index < count else { return }
      if !body(index) { next.value.store(count, ordering: .relaxed) }
    }
  }
  // Where no further thread can be had, those that are there do it all.
  let others = (1..<max(1, min(threads, count))).compactMap { _ in work.start() }
  work.body()
  for thread in others { pthread_join(thread, nil) }
}

/// What several threads hold.
private final class Shared<Value: ~Copyable & Sendable>: Sendable {
  let value: Value
  init(_ value: consuming Value) { self.value = value }
}

private final class Work: Sendable {
  let body: @Sendable () -> Void

  init(_ body: @escaping @Sendable () -> Void) { self.body = body }

  func start() -> pthread_t? {
    var thread = pthread_t()
    let context = Unmanaged.passRetained(self)
    let failure = pthread_create(
      &thread, nil,
      { context in
        Unmanaged<Work>.fromOpaque(context!).takeRetainedValue().body()
        return nil
      }, context.toOpaque())
    if failure == 0 { return thread }
    context.release()
    return nil
  }
}
