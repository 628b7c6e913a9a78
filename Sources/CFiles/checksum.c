#include "include/CFiles.h"

#if defined(__x86_64__)
#include <immintrin.h>

// V. Gopal et al., "Fast CRC Computation for Generic Polynomials Using PCLMULQDQ Instruction", Intel 2009. The bits are
// reflected, as the polynomial's are in zip and PNG. A constant for a distance of n bits is the reflection of xⁿ mod P,
// times x: what comes n bits later in the message is multiplied by it.
#define FOLDED __attribute__((target("pclmul,sse4.1")))

int cf_can_fold(void) { return __builtin_cpu_supports("pclmul") && __builtin_cpu_supports("sse4.1"); }

FOLDED static inline __m128i at(const uint8_t *bytes) { return _mm_loadu_si128((const __m128i *)bytes); }

/// `sum`, moved over as many bits as the constants say, and the bits that are there.
FOLDED static inline __m128i fold(__m128i sum, __m128i constants, __m128i next) {
  const __m128i low = _mm_clmulepi64_si128(sum, constants, 0x00);
  const __m128i high = _mm_clmulepi64_si128(sum, constants, 0x11);
  return _mm_xor_si128(_mm_xor_si128(low, high), next);
}

FOLDED uint32_t cf_crc32(uint32_t crc, const void *start, size_t count) {
  const uint8_t *bytes = start;
  const uint8_t *end = bytes + count;
  const __m128i over512 = _mm_set_epi64x(0x1c6e41596, 0x154442bd4);  // x^480, x^544
  const __m128i over128 = _mm_set_epi64x(0x0ccaa009e, 0x1751997d0);  // x^96, x^160
  const __m128i over64 = _mm_set_epi64x(0, 0x163cd6124);             // x^64
  const __m128i barrett = _mm_set_epi64x(0x1f7011641, 0x1db710641);  // ⌊x^64 / P⌋, P
  const __m128i low32 = _mm_setr_epi32(~0, 0, ~0, 0);

  // Four sums side by side, each 64 bytes behind its next one.
  __m128i sums[4];
  for (int i = 0; i < 4; i++) sums[i] = at(bytes + 16 * i);
  sums[0] = _mm_xor_si128(sums[0], _mm_cvtsi32_si128((int)~crc));
  for (bytes += 64; end - bytes >= 64; bytes += 64) {
    for (int i = 0; i < 4; i++) sums[i] = fold(sums[i], over512, at(bytes + 16 * i));
  }
  __m128i sum = sums[0];
  for (int i = 1; i < 4; i++) sum = fold(sum, over128, sums[i]);
  for (; end - bytes >= 16; bytes += 16) sum = fold(sum, over128, at(bytes));

  // 128 bits to 64, those to 32 (Barrett's reduction).
  __m128i part = _mm_clmulepi64_si128(sum, over128, 0x10);
  sum = _mm_xor_si128(_mm_srli_si128(sum, 8), part);
  part = _mm_srli_si128(sum, 4);
  sum = _mm_xor_si128(_mm_clmulepi64_si128(_mm_and_si128(sum, low32), over64, 0x00), part);
  part = _mm_clmulepi64_si128(_mm_and_si128(sum, low32), barrett, 0x10);
  part = _mm_clmulepi64_si128(_mm_and_si128(part, low32), barrett, 0x00);
  return ~(uint32_t)_mm_extract_epi32(_mm_xor_si128(sum, part), 1);
}

#else

int cf_can_fold(void) { return 0; }

uint32_t cf_crc32(uint32_t crc, const void *bytes, size_t count) {
  (void)bytes;
  (void)count;
  return crc;
}

#endif
