#if defined(__x86_64__)
#pragma clang attribute push(__attribute__((target("avx2,fma"))), apply_to = function)
#define TABLE ck_avx2
#define LEVEL CK_AVX2
#define VECTOR_BYTES 32
#define WIDE(rows) (rows == 1 ? 4 : rows <= 3 ? 2 : 1)
#define LINEAR_UNITS 2
#define BOUNDED_ROWS 2
#define BOUNDED_WIDE(rows) (rows == 1 ? 2 : 1)
#define FMA32 __builtin_elementwise_fma
#define FMA64 __builtin_elementwise_fma
#include "instance.h"
#pragma clang attribute pop
#endif
