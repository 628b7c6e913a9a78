#include "include/CMeasure.h"

#define INLINE static inline __attribute__((always_inline))

typedef float wide __attribute__((ext_vector_type(16)));
static volatile float sink;

// `chains` sums at once, so many as hide the latency of an operation and fit the registers.
INLINE double fused_operations(size_t rounds, const int chains) {
  wide sums[12];
  for (int i = 0; i < chains; i++) sums[i] = (wide)(0.1f * i);
  const wide x = 0.999f, y = 0.001f;
  for (size_t round = 0; round < rounds; round++) {
#pragma clang loop unroll(full)
    for (int i = 0; i < chains; i++) sums[i] = __builtin_elementwise_fma(sums[i], x, y);
    __asm__ volatile("" ::: "memory");
  }
  for (int i = 1; i < chains; i++) sums[0] += sums[i];
  sink = sums[0][3];
  return (double)rounds * chains * 16 * 2;
}

INLINE float read(const float *numbers, size_t count) {
  wide sums[8] = {0};
  for (size_t k = 0; k + 128 <= count; k += 128) {
#pragma clang loop unroll(full)
    for (int i = 0; i < 8; i++) {
      wide next;
      __builtin_memcpy(&next, numbers + k + 16 * i, sizeof next);
      sums[i] += next;
    }
  }
  for (int i = 1; i < 8; i++) sums[0] += sums[i];
  return sums[0][0] + sums[0][7];
}

// By name, since "x86-64-v4" prefers vectors of half the width.
#if defined(__x86_64__)
__attribute__((target("avx512f"))) static double fused_avx512(size_t rounds) { return fused_operations(rounds, 12); }
__attribute__((target("avx2,fma"))) static double fused_avx2(size_t rounds) { return fused_operations(rounds, 6); }
__attribute__((target("avx512f"))) static float read_avx512(const float *x, size_t count) { return read(x, count); }
__attribute__((target("avx2"))) static float read_avx2(const float *x, size_t count) { return read(x, count); }
#endif

double cm_fused_operations(size_t rounds) {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx512f")) return fused_avx512(rounds);
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return fused_avx2(rounds);
#endif
  return fused_operations(rounds, 6);
}

float cm_read(const float *numbers, size_t count) {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx512f")) return read_avx512(numbers, count);
  if (__builtin_cpu_supports("avx2")) return read_avx2(numbers, count);
#endif
  return read(numbers, count);
}
