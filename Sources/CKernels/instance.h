// The kernels of one instruction set. The including file defines TABLE (the name of its table), LEVEL, VECTOR_BYTES,
// WIDE(rows), BOUNDED_ROWS, BOUNDED_WIDE(rows), LINEAR_UNITS and the fused operations FMA32 and FMA64, after a target
// attribute where it needs one.
#include "include/CKernels.h"

#include <float.h>
#include <stdint.h>

#pragma clang fp contract(off)

#define INLINE static inline __attribute__((always_inline))
#define UNROLL _Pragma("clang loop unroll(full)")

#define REAL double
#define LANES (VECTOR_BYTES / 8)
#define FMA FMA64
#define NAME(name) name##_f64
#include "product.h"
#include "bounded.h"
#undef NAME
#undef FMA
#undef LANES
#undef REAL

#define REAL float
#define LANES (VECTOR_BYTES / 4)
#define FMA FMA32
#define NAME(name) name##_f32
#include "product.h"
#include "gates.h"

const ck_kernels TABLE = {
    .level = LEVEL, .product = product_f32, .product64 = product_f64, .lstm = lstm_f32, .gru = gru_f32,
    .rnn = rnn_f32, .sigmoid = sigmoid_f32, .tanh = tanh_f32, .multiply_add = multiply_add_f32, .multiply_add64 = multiply_add_f64, .bounded = bounded_products, .linear = linear_products,
    .unstored32 = unstored_float, .unstored64 = unstored_double,
};
