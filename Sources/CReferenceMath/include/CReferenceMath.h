// Matrix products and transposes for the evaluators, in whatever vectors the processor has.
//
// Every sum runs in the order of the inner index and every step is one fused multiply-add, whatever the vectors: the same
// bits on every machine.

#ifndef C_REFERENCE_MATH_H
#define C_REFERENCE_MATH_H

#include <stddef.h>

/// c[rows × columns] += a[rows × inner] · b[inner × columns], all row-major.
void reference_accumulate_float(
    const float *a, const float *b, float *c, size_t rows, size_t inner, size_t columns);
void reference_accumulate_double(
    const double *a, const double *b, double *c, size_t rows, size_t inner, size_t columns);

/// b[columns × rows] = a[rows × columns]ᵀ, both row-major.
void reference_transpose_float(const float *a, float *b, size_t rows, size_t columns);
void reference_transpose_double(const double *a, double *b, size_t rows, size_t columns);

#endif
