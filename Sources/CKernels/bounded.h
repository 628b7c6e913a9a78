// Sums of products with what bounds their rounding, in double; products of symbols' coefficients; what a format holds.
// A template: BOUNDED_ROWS and BOUNDED_WIDE(rows) are the rows and panels of a tile whose sums fit the registers, LINEAR_UNITS
// the units of one that is four vectors wide.

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

/// `units` rows of sums by four vectors, held in registers over all of `depth`.
INLINE void linear_tile(const size_t units, size_t depth, const double *w, const double *x, double *sums, size_t width) {
  NAME(vec) sum[LINEAR_UNITS][4];
  UNROLL for (size_t u = 0; u < units; u++)
    UNROLL for (size_t v = 0; v < 4; v++) sum[u][v] = (NAME(vec))(0.0);
  for (size_t k = 0; k < depth; k++) {
    UNROLL for (size_t v = 0; v < 4; v++) {
      NAME(vec) right;
      __builtin_memcpy(&right, x + k * CK_STRIP + v * LANES, sizeof right);
      UNROLL for (size_t u = 0; u < units; u++) sum[u][v] = FMA((NAME(vec))(w[u * depth + k]), right, sum[u][v]);
    }
  }
  UNROLL for (size_t u = 0; u < units; u++)
    UNROLL for (size_t v = 0; v < 4; v++)
      __builtin_memcpy(sums + u * width + v * LANES, &sum[u][v], sizeof(NAME(vec)));
}

static void linear_products(size_t units, size_t depth, size_t strips, const double *w, const double *x, double *sums) {
  const size_t width = strips * CK_STRIP;
  for (size_t column = 0; column < width; column += 4 * LANES) {
    // A strip stays in the cache while all units pass.
    const double *const strip = x + column / CK_STRIP * CK_STRIP * depth + column % CK_STRIP;
    size_t unit = 0;
    for (; unit + LINEAR_UNITS <= units; unit += LINEAR_UNITS)
      linear_tile(LINEAR_UNITS, depth, w + unit * depth, strip, sums + unit * width + column, width);
    for (; unit < units; unit++)
      linear_tile(1, depth, w + unit * depth, strip, sums + unit * width + column, width);
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
