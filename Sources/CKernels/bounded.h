// Sums of products with what bounds their rounding, in double; products of symbols' coefficients; what a format holds.
// A template: BOUNDED_ROWS and BOUNDED_WIDE(rows) are the rows and panels of a tile whose sums fit the registers.

#define PANEL (CK_PANEL_BYTES / sizeof(double))
#define VECTORS (PANEL / LANES)

/// `rows` × `panels` panels of sums in registers; both, and whether the third numbers are all 0, are constants where this
/// is inlined.
INLINE void bounded_tile(const size_t rows, const size_t panels, const bool is_exact, size_t depth, const double *x,
                         const double *w, double *sums, size_t width) {
  NAME(vec) value[BOUNDED_ROWS][8 * VECTORS], magnitude[BOUNDED_ROWS][8 * VECTORS],
      propagated[BOUNDED_ROWS][8 * VECTORS];
  UNROLL for (size_t r = 0; r < rows; r++)
    UNROLL for (size_t v = 0; v < panels * VECTORS; v++)
      value[r][v] = magnitude[r][v] = propagated[r][v] = (NAME(vec))(0.0);
  for (size_t k = 0; k < depth; k++) {
    UNROLL for (size_t v = 0; v < panels * VECTORS; v++) {
      const NAME(vec) column = NAME(column)(w, depth, k, v), size = __builtin_elementwise_abs(column);
      UNROLL for (size_t r = 0; r < rows; r++) {
        const double *const number = x + (r * depth + k) * 3;
        value[r][v] = FMA((NAME(vec))(number[0]), column, value[r][v]);
        magnitude[r][v] = FMA((NAME(vec))(number[1]), size, magnitude[r][v]);
        if (!is_exact) propagated[r][v] = FMA((NAME(vec))(number[2]), size, propagated[r][v]);
      }
    }
  }
  UNROLL for (size_t r = 0; r < rows; r++) {
    double *const row = sums + r * 3 * width;
    UNROLL for (size_t v = 0; v < panels * VECTORS; v++) {
      __builtin_memcpy(row + v * LANES, &value[r][v], sizeof(NAME(vec)));
      __builtin_memcpy(row + width + v * LANES, &magnitude[r][v], sizeof(NAME(vec)));
      __builtin_memcpy(row + 2 * width + v * LANES, &propagated[r][v], sizeof(NAME(vec)));
    }
  }
}

#define TILE(R, P) case R * 16 + P: bounded_tile(R, P, is_exact, depth, x, w, sums, width); break

INLINE void bounded_tiles(size_t rows, size_t panels, const bool is_exact, size_t depth, const double *x,
                          const double *w, double *sums, size_t width) {
  switch (rows * 16 + panels) {
    TILE(1, 1);
#if BOUNDED_ROWS >= 2
    TILE(1, 2); TILE(2, 1);
#endif
#if BOUNDED_ROWS >= 4
    TILE(1, 4); TILE(1, 8); TILE(2, 2); TILE(2, 4); TILE(3, 1); TILE(3, 2); TILE(4, 1); TILE(4, 2);
#endif
  }
}
#undef TILE

static void bounded_products(size_t rows, size_t panels, size_t depth, const double *x, const double *w,
                             double *sums) {
  const size_t width = panels * PANEL;
  const size_t most = rows < BOUNDED_ROWS ? rows : BOUNDED_ROWS;
  // A model's inputs are what they are: their errors are 0, and so is what these add.
  bool is_exact = true;
  for (size_t k = 0; k < rows * depth && is_exact; k++) is_exact = x[k * 3 + 2] == 0;
  for (size_t panel = 0; panel < panels;) {
    size_t count = BOUNDED_WIDE(most);
    while (count > panels - panel) count /= 2;
    // The weights of these panels are read from afar once.
    for (size_t row = 0; row < rows;) {
      const size_t some = rows - row < most ? rows - row : most;
      const double *const number = x + row * depth * 3, *const weight = w + panel * depth * PANEL;
      double *const sum = sums + row * 3 * width + panel * PANEL;
      if (is_exact) {
        bounded_tiles(some, count, true, depth, number, weight, sum, width);
      } else {
        bounded_tiles(some, count, false, depth, number, weight, sum, width);
      }
      row += some;
    }
    panel += count;
  }
}

/// `units` rows of sums by `vectors` vectors, held in registers over all of `depth`.
INLINE void linear_tile(const size_t units, const size_t vectors, size_t depth, const double *w, const double *x,
                        double *sums, size_t columns) {
  NAME(vec) sum[2][4];
  UNROLL for (size_t u = 0; u < units; u++)
    UNROLL for (size_t v = 0; v < vectors; v++) sum[u][v] = (NAME(vec))(0.0);
  for (size_t k = 0; k < depth; k++) {
    UNROLL for (size_t v = 0; v < vectors; v++) {
      NAME(vec) right;
      __builtin_memcpy(&right, x + k * columns + v * LANES, sizeof right);
      UNROLL for (size_t u = 0; u < units; u++) sum[u][v] = FMA((NAME(vec))(w[u * depth + k]), right, sum[u][v]);
    }
  }
  UNROLL for (size_t u = 0; u < units; u++)
    UNROLL for (size_t v = 0; v < vectors; v++)
      __builtin_memcpy(sums + u * columns + v * LANES, &sum[u][v], sizeof(NAME(vec)));
}

INLINE void linear_strip(const size_t vectors, size_t units, size_t depth, const double *w, const double *x,
                         double *sums, size_t columns) {
  size_t unit = 0;
  for (; unit + 2 <= units; unit += 2)
    linear_tile(2, vectors, depth, w + unit * depth, x, sums + unit * columns, columns);
  if (unit < units) linear_tile(1, vectors, depth, w + unit * depth, x, sums + unit * columns, columns);
}

static void linear_products(size_t units, size_t depth, size_t columns, const double *w, const double *x,
                            double *sums) {
  size_t column = 0;
  for (; column + 4 * LANES <= columns; column += 4 * LANES)
    linear_strip(4, units, depth, w, x + column, sums + column, columns);
  for (; column + LANES <= columns; column += LANES)
    linear_strip(1, units, depth, w, x + column, sums + column, columns);
  if (column == columns) return;
  const size_t rest = columns - column;
  for (size_t unit = 0; unit < units; unit++) {
    NAME(vec) sum = (NAME(vec))(0.0);
    for (size_t k = 0; k < depth; k++) {
      NAME(vec) right = (NAME(vec))(0.0);
      __builtin_memcpy(&right, x + k * columns + column, rest * sizeof(double));
      sum = FMA((NAME(vec))(w[unit * depth + k]), right, sum);
    }
    __builtin_memcpy(sums + unit * columns + column, &sum, rest * sizeof(double));
  }
}

INLINE size_t unstored(size_t count, const double *numbers, double tiny, double largest, const bool is_single) {
  size_t total = 0;
  for (size_t k = 0; k < count; k++) {
    const double size = __builtin_fabs(numbers[k]);
    const bool in_range = ((size >= tiny) & (size <= largest)) | (size == 0);
    total += !(in_range & (!is_single | ((double)(float)numbers[k] == numbers[k])));
  }
  return total;
}

static size_t unstored_float(size_t count, const double *numbers) {
  return unstored(count, numbers, FLT_MIN, FLT_MAX, true);
}

static size_t unstored_double(size_t count, const double *numbers) {
  return unstored(count, numbers, DBL_MIN, DBL_MAX, false);
}

#undef VECTORS
#undef PANEL
