#if defined(__x86_64__)
#pragma clang attribute push(__attribute__((target("avx512f,avx2,fma"))), apply_to = function)
#define TABLE ck_avx512
#define LEVEL CK_AVX512
#define VECTOR_BYTES 64
#define WIDE(rows) (rows == 1 ? 8 : 4)
#define LINEAR_UNITS 4
#define BOUNDED_ROWS 4
#define BOUNDED_WIDE(rows) (rows == 1 ? 8 : rows == 2 ? 4 : 2)
#define HAS_WIDE_TILES
#define FMA32 __builtin_elementwise_fma
#define FMA64 __builtin_elementwise_fma
#include "instance.h"
#pragma clang attribute pop
#endif
