/// The version of this toolkit; CHANGELOG.md says what each one brought.
public enum RNNConvVersion {
  public static let current = "0.1.0"
}
