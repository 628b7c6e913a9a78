// Sums of products with what bounds their rounding.
#ifndef CK_BOUNDED_H
#define CK_BOUNDED_H

#include <stddef.h>

/// A sum of products with what bounds its rounding: Σwx, Σ|w||x|, Σ|w|e, and of how many.
struct bounded_sum {
  double value, magnitude, propagated;
  long terms;
};

/// For each of `units` rows w of weights `[units, count]` and each of `rows` rows of x `[rows, 3, count]` (numbers, their
/// absolute values, their errors e): the sums, `[units, rows]`.
///
/// The order of a sum depends on `count` alone, and each step of it is one fused multiply-add: the same bits on every
/// machine.
void bounded_products(
    const double *weights, const double *x, struct bounded_sum *sums, size_t units, size_t rows, size_t count);

/// sums `[units, columns]` = weights `[units, count]` · x `[count, columns]`, each in the order of `count` and fused.
void linear_products(
    const double *weights, const double *x, double *sums, size_t units, size_t count, size_t columns);

/// How many of the numbers a format does not hold as they are: rounded, subnormal, or not finite.
size_t unstored_float(const double *numbers, size_t count);
size_t unstored_double(const double *numbers, size_t count);

#endif
