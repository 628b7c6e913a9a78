#include "CReferenceMath.h"

#include <string.h>

#ifndef __has_feature
#define __has_feature(name) 0
#endif

// Without hardware for it a fused multiply-add is a call of the C library: slow, and the same bits. Clones are chosen while the
// program is loaded, before the thread sanitizer can be called.
#if defined(__x86_64__) && !__has_feature(thread_sanitizer)
#define VECTOR_CLONES __attribute__((target_clones("arch=x86-64-v3", "default")))
#else
#define VECTOR_CLONES
#endif

typedef float FloatVector __attribute__((vector_size(32)));
typedef double DoubleVector __attribute__((vector_size(32)));
typedef float FloatFour __attribute__((vector_size(16)));
typedef double DoubleFour __attribute__((vector_size(32)));

#define NUMBER float
#define VECTOR FloatVector
#define FOUR FloatFour
#define LANES 8
#include "product.inc.h"
#undef NUMBER
#undef VECTOR
#undef FOUR
#undef LANES

#define NUMBER double
#define VECTOR DoubleVector
#define FOUR DoubleFour
#define LANES 4
#include "product.inc.h"
