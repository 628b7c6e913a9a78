#include "include/CMeasure.h"

#if defined(__x86_64__)
#define WIDEST __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define WIDEST
#endif

typedef float wide __attribute__((ext_vector_type(16)));
static volatile float sink;

WIDEST double cm_fused_operations(size_t rounds) {
  wide sums[6];
  for (int i = 0; i < 6; i++) sums[i] = (wide)(0.1f * i);
  const wide x = 0.999f, y = 0.001f;
  for (size_t round = 0; round < rounds; round++) {
#pragma clang loop unroll(full)
    for (int i = 0; i < 6; i++) sums[i] = __builtin_elementwise_fma(sums[i], x, y);
    __asm__ volatile("" ::: "memory");
  }
  for (int i = 1; i < 6; i++) sums[0] += sums[i];
  sink = sums[0][3];
  return (double)rounds * 6 * 16 * 2;
}

WIDEST float cm_read(const float *numbers, size_t count) {
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
