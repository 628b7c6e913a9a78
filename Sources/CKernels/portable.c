// Any machine. Where it has a fused operation (ARM, POWER, RISC-V) the compiler uses it; x86 before 2013 has none.
#include <stdint.h>

#define TABLE ck_portable
#define LEVEL CK_PORTABLE
#define VECTOR_BYTES 16
#define WIDE(rows) (rows == 1 ? 4 : rows <= 3 ? 2 : 1)
#define LINEAR_UNITS 2
#define BOUNDED_ROWS 1
#define BOUNDED_WIDE(rows) 1

#if defined(__FMA__) || !defined(__x86_64__)
#define FMA32 __builtin_elementwise_fma
#define FMA64 __builtin_elementwise_fma
#else

typedef float floats __attribute__((ext_vector_type(4)));
typedef double doubles __attribute__((ext_vector_type(4)));
typedef double pair __attribute__((ext_vector_type(2)));
typedef int64_t longs __attribute__((ext_vector_type(4)));

/// a·b + c rounded once. The product is exact in double; the sum is rounded to odd, which the second rounding cannot tell from
/// the exact sum (Boldo and Melquiond 2008).
static inline floats fused(floats a, floats b, floats c) {
#pragma clang fp contract(off)
  const doubles p = __builtin_convertvector(a, doubles) * __builtin_convertvector(b, doubles);
  const doubles d = __builtin_convertvector(c, doubles);
  const doubles sum = p + d;
  const doubles back = sum - p;
  const doubles error = (p - (sum - back)) + (d - back);
  longs bits = (longs)sum;
  // Comparisons with NaN, which ∞ makes of the error, hold neither way.
  const longs inexact = (error > 0) | (error < 0);
  const longs outwards = (error > 0) ^ (bits < 0);
  const longs even = (bits & 1) - 1;
  bits += inexact & even & ((outwards & 2) - 1);
  return __builtin_convertvector((doubles)bits, floats);
}

static inline pair fused64(pair a, pair b, pair c) {
  return (pair){__builtin_fma(a.x, b.x, c.x), __builtin_fma(a.y, b.y, c.y)};
}
#define FMA32 fused
#define FMA64 fused64
#endif

#include "instance.h"
