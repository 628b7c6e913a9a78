/// The version of this toolkit; CHANGELOG.md says what each one brought.
public enum RNNConvVersion {
  /// Its number, such as `0.1.0`.
  public static let current = "0.1.0"
}
