// A matrix product and a transpose, for NUMBER, VECTOR, a vector of LANES of them, and FOUR of them. Included once a type.

#define JOIN_(a, b) a##b
#define JOIN(a, b) JOIN_(a, b)
#define TILE JOIN(tile_, NUMBER)
#define STRIP JOIN(strip_, NUMBER)

// ROWS rows by VECTORS vectors of c, held in registers over the whole inner index.
static inline __attribute__((always_inline)) void TILE(
    const NUMBER *a, const NUMBER *b, NUMBER *c, size_t inner, size_t columns, const int rows, const int vectors) {
  VECTOR sum[8];
  for (int r = 0; r < rows; r++)
    for (int v = 0; v < vectors; v++)
      memcpy(&sum[r * vectors + v], c + r * columns + v * LANES, sizeof(VECTOR));
  for (size_t k = 0; k < inner; k++) {
    for (int v = 0; v < vectors; v++) {
      VECTOR right;
      memcpy(&right, b + k * columns + v * LANES, sizeof(VECTOR));
      for (int r = 0; r < rows; r++) {
        // Less 0, since −0 + 0 would be +0.
        VECTOR left = a[r * inner + k] - (VECTOR){0};
        sum[r * vectors + v] = __builtin_elementwise_fma(left, right, sum[r * vectors + v]);
      }
    }
  }
  for (int r = 0; r < rows; r++)
    for (int v = 0; v < vectors; v++)
      memcpy(c + r * columns + v * LANES, &sum[r * vectors + v], sizeof(VECTOR));
}

// ROWS rows, all columns.
static inline __attribute__((always_inline)) void STRIP(
    const NUMBER *a, const NUMBER *b, NUMBER *c, size_t inner, size_t columns, const int rows) {
  const int vectors = 8 / rows;
  size_t column = 0;
  for (; column + vectors * LANES <= columns; column += vectors * LANES)
    TILE(a, b + column, c + column, inner, columns, rows, vectors);
  for (; column + LANES <= columns; column += LANES)
    TILE(a, b + column, c + column, inner, columns, rows, 1);
  for (; column < columns; column++)
    for (int r = 0; r < rows; r++) {
      NUMBER sum = c[r * columns + column];
      for (size_t k = 0; k < inner; k++)
        sum = __builtin_elementwise_fma(a[r * inner + k], b[k * columns + column], sum);
      c[r * columns + column] = sum;
    }
}

VECTOR_CLONES
void JOIN(reference_accumulate_, NUMBER)(
    const NUMBER *a, const NUMBER *b, NUMBER *c, size_t rows, size_t inner, size_t columns) {
  size_t row = 0;
  for (; row + 4 <= rows; row += 4) STRIP(a + row * inner, b, c + row * columns, inner, columns, 4);
  // What is left, in one go: b is read once more in any case.
  if (row + 3 == rows) {
    STRIP(a + row * inner, b, c + row * columns, inner, columns, 3);
    row += 3;
  }
  if (row + 2 == rows) {
    STRIP(a + row * inner, b, c + row * columns, inner, columns, 2);
    row += 2;
  }
  if (row < rows) STRIP(a + row * inner, b, c + row * columns, inner, columns, 1);
}

// A cache line of columns at a time, so that none is read twice, and the rows of b are written from left to right; within
// them four by four.
VECTOR_CLONES
void JOIN(reference_transpose_, NUMBER)(const NUMBER *a, NUMBER *b, size_t rows, size_t columns) {
  const size_t whole = rows - rows % 4, line = 64 / sizeof(NUMBER);
  size_t column = 0;
  while (column + 4 <= columns) {
    const size_t start = column, end = column + line <= columns ? column + line : columns - columns % 4;
    for (size_t row = 0; row < whole; row += 4) {
      for (column = start; column < end; column += 4) {
        FOUR in[4];
        for (int r = 0; r < 4; r++) memcpy(&in[r], a + (row + r) * columns + column, sizeof(FOUR));
        const FOUR p = __builtin_shufflevector(in[0], in[1], 0, 4, 1, 5), q = __builtin_shufflevector(in[2], in[3], 0, 4, 1, 5);
        const FOUR s = __builtin_shufflevector(in[0], in[1], 2, 6, 3, 7), t = __builtin_shufflevector(in[2], in[3], 2, 6, 3, 7);
        const FOUR out[4] = {
            __builtin_shufflevector(p, q, 0, 1, 4, 5), __builtin_shufflevector(p, q, 2, 3, 6, 7),
            __builtin_shufflevector(s, t, 0, 1, 4, 5), __builtin_shufflevector(s, t, 2, 3, 6, 7)};
        for (int c = 0; c < 4; c++) memcpy(b + (column + c) * rows + row, &out[c], sizeof(FOUR));
      }
    }
    for (size_t row = whole; row < rows; row++)
      for (size_t c = start; c < end; c++) b[c * rows + row] = a[row * columns + c];
    column = end;
  }
  for (; column < columns; column++)
    for (size_t row = 0; row < rows; row++) b[column * rows + row] = a[row * columns + column];
}

#undef TILE
#undef STRIP
#undef JOIN
#undef JOIN_
