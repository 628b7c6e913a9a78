internal import Glibc
internal import Synchronization

/// `body` of each number below `count`, in order; computed on `threads` threads, this one among them.
package func concurrentMap<Result: Sendable>(
  _ count: Int, threads: Int = processorCount, _ body: @escaping @Sendable (Int) -> Result
) -> [Result] {
  let next = Shared(Atomic(0))
  let results = Shared(Mutex([Result?](repeating: nil, count: count)))
  let work = Work {
    while true {
      let index = next.value.wrappingAdd(1, ordering: .relaxed).oldValue
      guard index < count else { return }
      let result = body(index)
      results.value.withLock { $0[index] = result }
    }
  }
  // Where no further thread can be had, those that are there do it all.
  let others = (1..<max(1, min(threads, count))).compactMap { _ in work.start() }
  work.body()
  for thread in others { pthread_join(thread, nil) }
  return results.value.withLock { $0.map { $0! } }
}

package let processorCount = max(1, sysconf(Int32(_SC_NPROCESSORS_ONLN)))

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
