package import Tensors

/// Takes what a layer says of itself, attributes and tensors by their keys.
///
/// Parts begin and end instead of being handed to a closure: Swift 6.3.1 stops at closures with an associated type of error.
package protocol FieldWriter {
  associatedtype Failure: Error

  mutating func integer(_ key: String, _ value: Int) throws(Failure)
  /// Nil for one that is left out.
  mutating func real(_ key: String, _ value: Double?) throws(Failure)
  mutating func flag(_ key: String, _ value: Bool) throws(Failure)
  mutating func text(_ key: String, _ value: String) throws(Failure)
  /// Nil for one that is not there.
  mutating func tensor(_ key: String, _ value: Tensor?) throws(Failure)
  mutating func activation(_ key: String, _ value: Activation) throws(Failure)
  /// What follows, up to `end`, is of one part, the next of those under this key; `name` tells it from the others.
  mutating func begin(_ key: String, part name: String)
  mutating func end()
  mutating func loop(_ value: Generate) throws(Failure)
}

/// Gives a layer what `FieldWriter` took.
package protocol FieldReader {
  associatedtype Failure: Error

  mutating func integer(_ key: String) throws(Failure) -> Int
  /// An integer that counts something.
  mutating func size(_ key: String) throws(Failure) -> Int
  mutating func optionalSize(_ key: String) throws(Failure) -> Int?
  mutating func real(_ key: String) throws(Failure) -> Double
  mutating func optionalReal(_ key: String) throws(Failure) -> Double?
  mutating func flag(_ key: String) throws(Failure) -> Bool
  mutating func optionalFlag(_ key: String) throws(Failure) -> Bool?
  /// A case of an enumeration; `what` is what a message calls it.
  mutating func name<Name: RawRepresentable<String>>(_ key: String, _ what: String) throws(Failure) -> Name
  mutating func tensor(_ key: String) throws(Failure) -> Tensor
  mutating func optionalTensor(_ key: String) throws(Failure) -> Tensor?
  mutating func activation(_ key: String) throws(Failure) -> Activation
  mutating func partCount(_ key: String) throws(Failure) -> Int
  /// What follows, up to `end`, is of one part under this key.
  mutating func begin(_ key: String, part index: Int) throws(Failure)
  mutating func end() throws(Failure)
  mutating func loop() throws(Failure) -> Generate
}
