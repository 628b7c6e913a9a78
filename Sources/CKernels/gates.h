// A template, as product.h: activations and cells over vectors of LANES floats.
//
// No multiplication is contracted with an addition but by FMA, so that every instruction set gives the same bits.

typedef int NAME(bits) __attribute__((ext_vector_type(LANES)));

INLINE NAME(vec) NAME(load)(const float *p) {
  NAME(vec) v;
  __builtin_memcpy(&v, p, sizeof v);
  return v;
}
INLINE void NAME(store)(float *p, NAME(vec) v) { __builtin_memcpy(p, &v, sizeof v); }
INLINE NAME(bits) NAME(as_bits)(NAME(vec) v) { return (NAME(bits))v; }
INLINE NAME(vec) NAME(as_vec)(NAME(bits) v) { return (NAME(vec))v; }
INLINE NAME(vec) NAME(choose)(NAME(bits) mask, NAME(vec) a, NAME(vec) b) {
  return NAME(as_vec)((mask & NAME(as_bits)(a)) | (~mask & NAME(as_bits)(b)));
}
INLINE NAME(vec) NAME(magnitude)(NAME(vec) x) { return NAME(as_vec)(NAME(as_bits)(x) & 0x7fffffff); }
/// 2^n for −126 ≤ n ≤ 127
INLINE NAME(vec) NAME(power_of_two)(NAME(bits) n) { return NAME(as_vec)((n + 127) << 23); }

/// x = n ln 2 + r with |r| ≤ ln 2 / 2; e^r = 1 + m. Returns m and n; |x| ≤ 150.
INLINE NAME(vec) NAME(reduced)(NAME(vec) x, NAME(bits) *n) {
  const float magic = 0x1.8p23f;
  const NAME(vec) shifted = FMA(x, (NAME(vec))(0x1.715476p0f), (NAME(vec))(magic));
  const NAME(vec) whole = shifted - magic;
  *n = NAME(as_bits)(shifted) - 0x4b400000;
  // ln 2 in two parts (Cody and Waite): the first has so few bits that n times it is exact.
  NAME(vec) r = FMA(whole, (NAME(vec))(-0x1.62e4p-1f), x);
  r = FMA(whole, (NAME(vec))(-0x1.7f7d1cp-20f), r);
  // (e^r − 1 − r) / r², fitted to |r| ≤ 0.3466 by least squares towards the least maximum.
  NAME(vec) q = (NAME(vec))(0x1.a1a05cp-13f);
  q = FMA(q, r, (NAME(vec))(0x1.6d7174p-10f));
  q = FMA(q, r, (NAME(vec))(0x1.11109p-7f));
  q = FMA(q, r, (NAME(vec))(0x1.5554b2p-5f));
  q = FMA(q, r, (NAME(vec))(0x1.555556p-3f));
  q = FMA(q, r, (NAME(vec))(0.5f));
  return FMA(q, r * r, r);
}

/// n / (a + b) for a ≥ b ≥ 0, or b < 2²⁴ a, with the roundings of the sum and of the quotient put right to first order.
INLINE NAME(vec) NAME(ratio)(NAME(vec) n, NAME(vec) a, NAME(vec) b) {
  const NAME(vec) sum = a + b;
  const NAME(vec) lost = b - (sum - a);
  const NAME(vec) inverse = 1.0f / sum;
  const NAME(vec) y = n * inverse;
  const NAME(vec) rest = FMA(-y, lost, FMA(-y, sum, n));
  return FMA(rest, inverse, y);
}

/// 1 / (1 + e^−x), through e^−|x| ≤ 1: nothing overflows, and the left tail keeps its digits.
INLINE NAME(vec) NAME(sigmoid1)(NAME(vec) x) {
  NAME(vec) a = NAME(magnitude)(x);
  a = NAME(choose)(a > 105.0f, (NAME(vec))(105.0f), a);
  NAME(bits) n;
  const NAME(vec) m = NAME(reduced)(-a, &n);
  // 2^n in two factors, for results below the normal numbers.
  const NAME(bits) half = n >> 1;
  const NAME(vec) e = ((1.0f + m) * NAME(power_of_two)(half)) * NAME(power_of_two)(n - half);
  return NAME(ratio)(NAME(choose)(x < 0.0f, e, (NAME(vec))(1.0f)), (NAME(vec))(1.0f), e);
}

/// (e^2|x| − 1) / (e^2|x| + 1) with the sign of x
INLINE NAME(vec) NAME(tanh1)(NAME(vec) x) {
  NAME(vec) a = NAME(magnitude)(x);
  a = NAME(choose)(a > 10.0f, (NAME(vec))(10.0f), a);
  NAME(bits) n;
  const NAME(vec) m = NAME(reduced)(a + a, &n);
  const NAME(vec) s = NAME(power_of_two)(n);
  const NAME(vec) less = FMA(s, m, s - 1.0f);
  const NAME(vec) y = NAME(ratio)(less, (NAME(vec))(2.0f), less);
  return NAME(as_vec)(NAME(as_bits)(y) | (NAME(as_bits)(x) & (int)0x80000000));
}

#define BLOCK 16
#define EACH_VECTOR                        \
  for (size_t row = 0; row < rows; row++)  \
    for (size_t b = 0; b < blocks; b++)    \
      for (size_t v = 0; v < BLOCK; v += LANES)
#define GATE(p, ld, gates, g) NAME(load)(p + row * ld + (b * gates + g) * BLOCK + v)

static void NAME(lstm)(size_t rows, size_t blocks, const float *x, size_t ldx, const float *r, size_t ldr,
                       float *c, size_t ldc, float *h, size_t ldh) {
  EACH_VECTOR {
    const NAME(vec) f = NAME(sigmoid1)(GATE(x, ldx, 4, 0) + GATE(r, ldr, 4, 0));
    const NAME(vec) i = NAME(sigmoid1)(GATE(x, ldx, 4, 1) + GATE(r, ldr, 4, 1));
    const NAME(vec) o = NAME(sigmoid1)(GATE(x, ldx, 4, 2) + GATE(r, ldr, 4, 2));
    const NAME(vec) g = NAME(tanh1)(GATE(x, ldx, 4, 3) + GATE(r, ldr, 4, 3));
    float *state = c + row * ldc + b * BLOCK + v;
    const NAME(vec) next = f * NAME(load)(state) + i * g;
    NAME(store)(state, next);
    NAME(store)(h + row * ldh + b * BLOCK + v, o * NAME(tanh1)(next));
  }
}

static void NAME(gru)(size_t rows, size_t blocks, const float *x, size_t ldx, const float *r, size_t ldr,
                      const float *before, size_t ldb, float *h, size_t ldh) {
  EACH_VECTOR {
    const NAME(vec) reset = NAME(sigmoid1)(GATE(x, ldx, 3, 0) + GATE(r, ldr, 3, 0));
    const NAME(vec) z = NAME(sigmoid1)(GATE(x, ldx, 3, 1) + GATE(r, ldr, 3, 1));
    const NAME(vec) n = NAME(tanh1)(GATE(x, ldx, 3, 2) + reset * GATE(r, ldr, 3, 2));
    const NAME(vec) last = NAME(load)(before + row * ldb + b * BLOCK + v);
    NAME(store)(h + row * ldh + b * BLOCK + v, (1.0f - z) * n + z * last);
  }
}

static void NAME(rnn)(size_t rows, size_t blocks, const float *x, size_t ldx, const float *r, size_t ldr,
                      float *h, size_t ldh, bool relu) {
  EACH_VECTOR {
    const NAME(vec) a = GATE(x, ldx, 1, 0) + GATE(r, ldr, 1, 0);
    NAME(store)(h + row * ldh + b * BLOCK + v,
                relu ? NAME(choose)(a < 0.0f, (NAME(vec))(0.0f), a) : NAME(tanh1)(a));
  }
}

#define MAP(function)                                                              \
  size_t k = 0;                                                                    \
  for (; k + LANES <= count; k += LANES) NAME(store)(y + k, function(NAME(load)(x + k))); \
  float rest[LANES] = {0};                                                         \
  if (k == count) return;                                                          \
  __builtin_memcpy(rest, x + k, (count - k) * sizeof(float));                      \
  NAME(store)(rest, function(NAME(load)(rest)));                                   \
  __builtin_memcpy(y + k, rest, (count - k) * sizeof(float))

static void NAME(sigmoid)(size_t count, const float *x, float *y) { MAP(NAME(sigmoid1)); }
static void NAME(tanh)(size_t count, const float *x, float *y) { MAP(NAME(tanh1)); }

#undef MAP
#undef GATE
#undef EACH_VECTOR
#undef BLOCK
