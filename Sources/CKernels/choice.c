#define _DEFAULT_SOURCE
#include "include/CKernels.h"

#include <stdint.h>
#include <sys/mman.h>

extern const ck_kernels ck_portable;
#if defined(__x86_64__)
extern const ck_kernels ck_avx2;
extern const ck_kernels ck_avx512;
#endif

int ck_best_level(void) {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx512f")) return CK_AVX512;
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return CK_AVX2;
#endif
  return CK_PORTABLE;
}

const ck_kernels *ck_kernels_of(int level) {
  if (level == CK_PORTABLE) return &ck_portable;
#if defined(__x86_64__)
  if (level == CK_AVX2 && __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return &ck_avx2;
  if (level == CK_AVX512 && __builtin_cpu_supports("avx512f")) return &ck_avx512;
#endif
  return NULL;
}

void ck_advise_large_pages(void *start, size_t bytes) {
#ifdef MADV_HUGEPAGE
  const uintptr_t page = 2 << 20;
  const uintptr_t first = ((uintptr_t)start + page - 1) & ~(page - 1);
  const uintptr_t last = ((uintptr_t)start + bytes) & ~(page - 1);
  if (first < last) madvise((void *)first, last - first, MADV_HUGEPAGE);
#else
  (void)start;
  (void)bytes;
#endif
}
