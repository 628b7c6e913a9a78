import ByteIO
import FuzzTargets

// An executable for scripts/fuzz.sh: `Fuzz TARGET [libFuzzer's arguments]`.

@_extern(c, "LLVMFuzzerRunDriver")
func runDriver(
  _ count: UnsafeMutablePointer<Int32>,
  _ arguments: UnsafeMutablePointer<UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>>,
  _ test: @convention(c) (UnsafePointer<UInt8>?, Int) -> Int32
) -> Int32

nonisolated(unsafe) private var target = FuzzTarget.all[0]

// The package manager calls an executable's own entry point so.
@_cdecl("Fuzz_main")
func main(_ count: Int32, _ arguments: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>) -> Int32 {
  let name = count > 1 ? arguments[1].map { String(cString: $0) } : nil
  guard let chosen = FuzzTarget.all.first(where: { $0.name == name }) else {
    print("usage: Fuzz \(FuzzTarget.all.map(\.name).joined(separator: "|")) [arguments of libFuzzer]")
    return 2
  }
  target = chosen
  // libFuzzer sees the same arguments without the target's name.
  arguments[1] = arguments[0]
  var remaining = count - 1
  var rest = arguments + 1
  return runDriver(&remaining, &rest) { bytes, count in
    target.run(ByteBuffer(UnsafeBufferPointer(start: bytes, count: count)))
    return 0
  }
}
