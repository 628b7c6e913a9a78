internal import CFiles

// The system's C library, by whatever name it goes here: no other file of the library imports one, so that what a system lacks shows
// in one place. Linux with glibc is what is tried. Linux alone has: files without a name (`StagedFile`), /proc/self/exe (`WorkerPool`),
// and what cores a process is confined to.
#if canImport(Glibc)
  @_exported public import Glibc
#elseif canImport(Musl)
  @_exported public import Musl
#elseif canImport(Darwin)
  @_exported public import Darwin
#endif

/// How many cores this process may use: those that it is confined to, such as by `taskset` or a container.
package let processorCount = Int(cf_cores())
