#include "CKernels.h"

#include <float.h>
#include <string.h>

// Without hardware for it a fused multiply-add is a call of the C library: slow, and the same bits.
#if defined(__x86_64__)
#define VECTOR_CLONES __attribute__((target_clones("arch=x86-64-v3", "default")))
#else
#define VECTOR_CLONES
#endif

#define LANES 4
typedef double Vector __attribute__((vector_size(LANES * sizeof(double))));

#define LOAD(vector, numbers) memcpy(&(vector), (numbers), sizeof(Vector))

// (v₀ + v₁) + (v₂ + v₃) of three vectors at once: for short sums this takes as long as the products.
static inline __attribute__((always_inline)) struct bounded_sum totals(
    const Vector *pa, const Vector *pb, const Vector *pc) {
  const Vector a = *pa, b = *pb, c = *pc;
  const Vector ab = __builtin_shufflevector(a, b, 0, 4, 2, 6) + __builtin_shufflevector(a, b, 1, 5, 3, 7);
  const Vector cc = __builtin_shufflevector(c, c, 0, 0, 2, 2) + __builtin_shufflevector(c, c, 1, 1, 3, 3);
  const Vector total = __builtin_shufflevector(ab, cc, 0, 1, 4, 5) + __builtin_shufflevector(ab, cc, 2, 3, 6, 7);
  return (struct bounded_sum){total[0], total[1], total[2], 0};
}

// `units` by `rows` sums, held in registers over all of `count`; `stride` is how far apart two units' sums lie.
static inline __attribute__((always_inline)) void tile(
    const double *weights, const double *x, struct bounded_sum *sums, size_t count, size_t stride, const int units,
    const int rows) {
  Vector value[4] = {0}, magnitude[4] = {0}, propagated[4] = {0};
  size_t k = 0;
  for (; k + LANES <= count; k += LANES) {
    for (int u = 0; u < units; u++) {
      Vector w;
      LOAD(w, weights + u * count + k);
      const Vector size = __builtin_elementwise_abs(w);
      for (int r = 0; r < rows; r++) {
        Vector number, absolute, error;
        LOAD(number, x + 3 * r * count + k);
        LOAD(absolute, x + (3 * r + 1) * count + k);
        LOAD(error, x + (3 * r + 2) * count + k);
        const int s = u * rows + r;
        value[s] = __builtin_elementwise_fma(w, number, value[s]);
        magnitude[s] = __builtin_elementwise_fma(size, absolute, magnitude[s]);
        propagated[s] = __builtin_elementwise_fma(size, error, propagated[s]);
      }
    }
  }
#pragma unroll
  for (int u = 0; u < units; u++) {
#pragma unroll
    for (int r = 0; r < rows; r++) {
      const int s = u * rows + r;
      struct bounded_sum sum = totals(&value[s], &magnitude[s], &propagated[s]);
      sum.terms = count;
      for (size_t rest = k; rest < count; rest++) {
        const double w = weights[u * count + rest], size = __builtin_elementwise_abs(w);
        const double *const number = x + 3 * r * count + rest;
        sum.value = __builtin_elementwise_fma(w, number[0], sum.value);
        sum.magnitude = __builtin_elementwise_fma(size, number[count], sum.magnitude);
        sum.propagated = __builtin_elementwise_fma(size, number[2 * count], sum.propagated);
      }
      sums[u * stride + r] = sum;
    }
  }
}

// Tiles whose sums fit the registers. Units after one another: the weights, which are the most, are read from afar once.
static inline __attribute__((always_inline)) void strip(
    const double *weights, const double *x, struct bounded_sum *sums, size_t units, size_t stride, size_t count,
    const int rows) {
  // Four would not leave registers for the weights.
  const int each = rows == 1 ? 3 : 4 / rows;
  size_t unit = 0;
  for (; unit + each <= units; unit += each)
    tile(weights + unit * count, x, sums + unit * stride, count, stride, each, rows);
  for (; unit < units; unit++) tile(weights + unit * count, x, sums + unit * stride, count, stride, 1, rows);
}

VECTOR_CLONES
void bounded_products(
    const double *weights, const double *x, struct bounded_sum *sums, size_t units, size_t rows, size_t count) {
  size_t row = 0;
  for (; row + 4 <= rows; row += 4) strip(weights, x + 3 * row * count, sums + row, units, rows, count, 4);
  switch (rows - row) {
    case 3: strip(weights, x + 3 * row * count, sums + row, units, rows, count, 3); break;
    case 2: strip(weights, x + 3 * row * count, sums + row, units, rows, count, 2); break;
    case 1: strip(weights, x + 3 * row * count, sums + row, units, rows, count, 1); break;
  }
}

// `units` rows of sums by `vectors` vectors, held in registers over all of `count`.
static inline __attribute__((always_inline)) void linear_tile(
    const double *weights, const double *x, double *sums, size_t count, size_t columns, const int units,
    const int vectors) {
  Vector sum[8] = {0};
  for (size_t k = 0; k < count; k++) {
    for (int v = 0; v < vectors; v++) {
      Vector right;
      LOAD(right, x + k * columns + v * LANES);
      for (int u = 0; u < units; u++) {
        const double w = weights[u * count + k];
        sum[u * vectors + v] = __builtin_elementwise_fma((Vector){w, w, w, w}, right, sum[u * vectors + v]);
      }
    }
  }
  for (int u = 0; u < units; u++)
    for (int v = 0; v < vectors; v++) memcpy(sums + u * columns + v * LANES, &sum[u * vectors + v], sizeof(Vector));
}

static inline __attribute__((always_inline)) void linear_strip(
    const double *weights, const double *x, double *sums, size_t units, size_t count, size_t columns,
    const int vectors) {
  size_t unit = 0;
  for (; unit + 2 <= units; unit += 2)
    linear_tile(weights + unit * count, x, sums + unit * columns, count, columns, 2, vectors);
  if (unit < units) linear_tile(weights + unit * count, x, sums + unit * columns, count, columns, 1, vectors);
}

VECTOR_CLONES
void linear_products(
    const double *weights, const double *x, double *sums, size_t units, size_t count, size_t columns) {
  size_t column = 0;
  for (; column + 4 * LANES <= columns; column += 4 * LANES)
    linear_strip(weights, x + column, sums + column, units, count, columns, 4);
  for (; column + LANES <= columns; column += LANES)
    linear_strip(weights, x + column, sums + column, units, count, columns, 1);
  for (; column < columns; column++)
    for (size_t unit = 0; unit < units; unit++) {
      double sum = 0;
      for (size_t k = 0; k < count; k++)
        sum = __builtin_elementwise_fma(weights[unit * count + k], x[k * columns + column], sum);
      sums[unit * columns + column] = sum;
    }
}

static inline __attribute__((always_inline)) size_t unstored(
    const double *numbers, size_t count, double tiny, double largest, const int is_single) {
  size_t total = 0;
  for (size_t k = 0; k < count; k++) {
    const double size = __builtin_elementwise_abs(numbers[k]);
    const int in_range = (size >= tiny & size <= largest) | (size == 0);
    total += !(in_range & (!is_single | ((double)(float)numbers[k] == numbers[k])));
  }
  return total;
}

VECTOR_CLONES
size_t unstored_float(const double *numbers, size_t count) { return unstored(numbers, count, FLT_MIN, FLT_MAX, 1); }

VECTOR_CLONES
size_t unstored_double(const double *numbers, size_t count) { return unstored(numbers, count, DBL_MIN, DBL_MAX, 0); }
