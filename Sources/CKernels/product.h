// A template: REAL, LANES, WIDE (panels a tile, for 1, 2, 3 and 4 to 6 rows), FMA, and NAME for what it defines.

typedef REAL NAME(vec) __attribute__((ext_vector_type(LANES)));

#define PANEL (CK_PANEL_BYTES / sizeof(REAL))
#define VECTORS (PANEL / LANES)

/// Row k of W, vector v of the panels from w on.
INLINE NAME(vec) NAME(column)(const REAL *w, size_t depth, size_t k, size_t v) {
  NAME(vec) column;
  __builtin_memcpy(&column, w + (v / VECTORS * depth + k) * PANEL + v % VECTORS * LANES, sizeof column);
  return column;
}

/// Keeps `rows` × `panels` panels of sums in registers; both are constants where this is inlined.
INLINE void NAME(tile)(const size_t rows, const size_t panels, size_t depth, const REAL *a, size_t lda,
                       const REAL *w, const REAL *bias, REAL *c, size_t ldc) {
  NAME(vec) sums[6][8 * VECTORS];
  UNROLL for (size_t r = 0; r < rows; r++)
    UNROLL for (size_t v = 0; v < panels * VECTORS; v++)
      __builtin_memcpy(&sums[r][v], bias + v * LANES, sizeof(NAME(vec)));
  for (size_t k = 0; k < depth; k++) {
    // Whichever are fewer stay in registers: numbers of A or of W.
    if (rows < 4) {
      NAME(vec) x[6];
      UNROLL for (size_t r = 0; r < rows; r++) x[r] = (NAME(vec))(a[r * lda + k]);
      UNROLL for (size_t v = 0; v < panels * VECTORS; v++) {
        const NAME(vec) column = NAME(column)(w, depth, k, v);
        UNROLL for (size_t r = 0; r < rows; r++) sums[r][v] = FMA(x[r], column, sums[r][v]);
      }
    } else {
      NAME(vec) columns[4 * VECTORS];
      UNROLL for (size_t v = 0; v < panels * VECTORS; v++) columns[v] = NAME(column)(w, depth, k, v);
      UNROLL for (size_t r = 0; r < rows; r++) {
        const NAME(vec) x = (NAME(vec))(a[r * lda + k]);
        UNROLL for (size_t v = 0; v < panels * VECTORS; v++) sums[r][v] = FMA(x, columns[v], sums[r][v]);
      }
    }
  }
  UNROLL for (size_t r = 0; r < rows; r++)
    UNROLL for (size_t v = 0; v < panels * VECTORS; v++)
      __builtin_memcpy(c + r * ldc + v * LANES, &sums[r][v], sizeof(NAME(vec)));
}

/// Rows of the next tile: never fewer sums under way than hide the latency of a fused operation, where there are enough.
INLINE size_t NAME(next)(size_t rows) {
  if (rows == 7 || rows == 8) return 4;
  if (rows == 9 || rows == 13) return 5;
  return rows < 6 ? rows : 6;
}

#define TILE(R, P) case R * 16 + P: NAME(tile)(R, P, depth, a, lda, w, bias, c, ldc); break

static void NAME(tiles)(size_t rows, size_t panels, size_t depth, const REAL *a, size_t lda, const REAL *w,
                        const REAL *bias, REAL *c, size_t ldc) {
  switch (rows * 16 + panels) {
    TILE(1, 1); TILE(2, 1); TILE(3, 1); TILE(4, 1); TILE(5, 1); TILE(6, 1);
    TILE(1, 2); TILE(2, 2); TILE(3, 2);
    TILE(1, 4);
#ifdef HAS_WIDE_TILES
    TILE(4, 2); TILE(5, 2); TILE(6, 2);
    TILE(2, 4); TILE(3, 4); TILE(4, 4); TILE(5, 4); TILE(6, 4);
    TILE(1, 8);
#endif
  }
}

static void NAME(product)(size_t rows, size_t panels, size_t depth, const REAL *a, size_t lda, const REAL *w,
                          const REAL *bias, REAL *c, size_t ldc, bool backwards) {
  const size_t wide = WIDE(rows);
  const size_t groups = (panels + wide - 1) / wide;
  for (size_t g = 0; g < groups; g++) {
    size_t panel = (backwards ? groups - 1 - g : g) * wide;
    const size_t end = panel + wide < panels ? panel + wide : panels;
    while (panel < end) {
      size_t count = wide;
      while (count > end - panel) count /= 2;
      for (size_t row = 0; row < rows;) {
        const size_t some = NAME(next)(rows - row);
        NAME(tiles)(some, count, depth, a + row * lda, lda, w + panel * depth * PANEL, bias + panel * PANEL,
                    c + row * ldc + panel * PANEL, ldc);
        row += some;
      }
      panel += count;
    }
  }
}

/// y += w·x, element by element.
static void NAME(multiply_add)(size_t count, const REAL *w, const REAL *x, REAL *y) {
  for (size_t k = 0; k < count; k += LANES) {
    const size_t bytes = (count - k < LANES ? count - k : LANES) * sizeof(REAL);
    NAME(vec) a = 0, b = 0, sum = 0;
    if (bytes == sizeof(NAME(vec))) {
      __builtin_memcpy(&a, w + k, sizeof a);
      __builtin_memcpy(&b, x + k, sizeof b);
      __builtin_memcpy(&sum, y + k, sizeof sum);
      sum = FMA(a, b, sum);
      __builtin_memcpy(y + k, &sum, sizeof sum);
    } else {
      __builtin_memcpy(&a, w + k, bytes);
      __builtin_memcpy(&b, x + k, bytes);
      __builtin_memcpy(&sum, y + k, bytes);
      sum = FMA(a, b, sum);
      __builtin_memcpy(y + k, &sum, bytes);
    }
  }
}

#undef TILE
#undef VECTORS
#undef PANEL
