// What Swift cannot say: microkernels that pick their instruction set at run time, and threads that wait actively.
//
// Every instruction set gives the same bits: each element is one chain of fused multiply-adds in the order of k, and
// the activations are made of IEEE operations alone. Where the machine has no fused operation it is computed exactly.
#ifndef CKERNELS_H
#define CKERNELS_H

#include <stdbool.h>
#include <stddef.h>

enum { CK_PORTABLE = 0, CK_AVX2 = 1, CK_AVX512 = 2 };

/// A panel is one cache line wide: 16 columns of float, 8 of double.
enum { CK_PANEL_BYTES = 64 };
/// The columns of `linear` that are kept together: four of the widest vectors of double.
enum { CK_STRIP = 32 };

typedef struct {
  int level;

  /// C = A·W + bias for the columns of `panels` panels.
  ///
  /// A is `[rows, depth]` with `lda` numbers from row to row; W holds panel after panel, each `[depth, panel]`; `bias` and a row
  /// of C are as wide as all panels. With `backwards` the last panels come first: what a step has left in the cache is
  /// what the next one begins with.
  void (*product)(size_t rows, size_t panels, size_t depth, const float *a, size_t lda, const float *w,
                  const float *bias, float *c, size_t ldc, bool backwards);
  void (*product64)(size_t rows, size_t panels, size_t depth, const double *a, size_t lda, const double *w,
                    const double *bias, double *c, size_t ldc, bool backwards);

  /// y[k] += w[k]·x[k]
  void (*multiply_add)(size_t count, const float *w, const float *x, float *y);
  void (*multiply_add64)(size_t count, const double *w, const double *x, double *y);

  // One step of standard cells. The pre-activations x = W x_t + b_W and r = R h + b_R come in blocks of a panel's width of
  // units, gate after gate within a block. c and h are rows of states; `ld` is numbers from row to row.

  /// f, i, o, g: c = σ(f)·c + σ(i)·tanh(g), h = σ(o)·tanh(c)
  void (*lstm)(size_t rows, size_t blocks, const float *x, size_t ldx, const float *r, size_t ldr, float *c,
               size_t ldc, float *h, size_t ldh);
  /// r, z, n: n = tanh(n_x + σ(r)·n_r), h = (1 − σ(z))·n + σ(z)·h of before
  void (*gru)(size_t rows, size_t blocks, const float *x, size_t ldx, const float *r, size_t ldr,
              const float *before, size_t ldb, float *h, size_t ldh);
  /// h = tanh(x + r), or max(0, x + r)
  void (*rnn)(size_t rows, size_t blocks, const float *x, size_t ldx, const float *r, size_t ldr, float *h,
              size_t ldh, bool relu);

  /// y = σ(x) and y = tanh(x); x and y may be one.
  void (*sigmoid)(size_t count, const float *x, float *y);
  void (*tanh)(size_t count, const float *x, float *y);

  // Bounds of rounding.

  /// Σ w·x, Σ |w|·|x| and Σ |w|·e, each in the order of depth: sums `[rows, 3, units]` with as many units as the panels of W
  /// are wide, from x `[rows, depth, 3]`, which holds numbers, their absolute values and their errors.
  void (*bounded)(size_t rows, size_t panels, size_t depth, const double *x, const double *w, double *sums);
  /// sums `[units, strips · CK_STRIP]` = W `[units, depth]` · x, each in the order of depth, from x in strips of columns:
  /// `[strips, depth, CK_STRIP]`.
  void (*linear)(size_t units, size_t depth, size_t strips, const double *w, const double *x, double *sums);
  /// How many of the numbers float or double does not hold as they are: rounded, subnormal, or not finite.
  size_t (*unstored32)(size_t count, const double *numbers);
  size_t (*unstored64)(size_t count, const double *numbers);
} ck_kernels;

/// The best instruction set of this machine.
int ck_best_level(void);
/// Null where this machine, or this build, has no such instructions.
const ck_kernels *ck_kernels_of(int level);

/// Asks for large pages behind memory that nobody has touched yet; a request, not a need.
void ck_advise_large_pages(void *start, size_t bytes);

// Threads of this process that stay for the next pass.

/// At most `wanted` threads, the caller among them, of which `ck_run` may use all until `ck_release`; 1 where others
/// have them. Starts them where needed.
int ck_acquire(int wanted);
void ck_release(int acquired);
/// Calls task(context, 0 ..< members) at once, each on a thread of its own, and waits for all.
void ck_run(int members, void (*task)(void *context, int member), void *context);

/// Where `members` threads wait for each other.
typedef struct ck_barrier ck_barrier;
ck_barrier *ck_barrier_make(int members);
void ck_barrier_free(ck_barrier *barrier);
void ck_barrier_wait(ck_barrier *barrier);

#endif
