/// What an axis of a model's input is for.
public enum InputAxis: String, Sendable, CaseIterable {
  /// Rows, which have nothing to do with one another.
  case batch
  /// Steps, along which a recurrence runs.
  case time
  /// What there is of each step and row; several such axes are features together, major first.
  case features
}
