// Workers that wait actively for a moment before they sleep: a pass over short steps cannot afford to be woken by the
// kernel each time, and a program that is done must not keep a core busy.
#define _GNU_SOURCE
#include "include/CKernels.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>

// A few microseconds of waiting before each look gives the core away, which costs next to nothing where nobody wants it: two
// threads that have to share a core would otherwise wait for each other all that time at every step.
enum { MOST = 256, SPINS = 128, YIELDS = 400 };

static inline void pause_briefly(void) {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ volatile("yield");
#endif
}

/// A core that another program needs is given away.
static inline void wait_a_little(unsigned *waited) {
  if ((*waited)++ < SPINS) pause_briefly(); else sched_yield();
}

// Barriers

struct ck_barrier {
  int members;
  _Alignas(64) atomic_int arrived;
  _Alignas(64) atomic_uint passed;
};

ck_barrier *ck_barrier_make(int members) {
  ck_barrier *barrier = aligned_alloc(64, sizeof(ck_barrier));
  if (barrier == NULL) abort();
  barrier->members = members;
  atomic_init(&barrier->arrived, 0);
  atomic_init(&barrier->passed, 0);
  return barrier;
}

void ck_barrier_free(ck_barrier *barrier) { free(barrier); }

void ck_barrier_wait(ck_barrier *barrier) {
  if (barrier->members == 1) return;
  const unsigned before = atomic_load_explicit(&barrier->passed, memory_order_relaxed);
  if (atomic_fetch_add_explicit(&barrier->arrived, 1, memory_order_acq_rel) + 1 == barrier->members) {
    atomic_store_explicit(&barrier->arrived, 0, memory_order_relaxed);
    atomic_store_explicit(&barrier->passed, before + 1, memory_order_release);
    return;
  }
  unsigned waited = 0;
  while (atomic_load_explicit(&barrier->passed, memory_order_acquire) == before) wait_a_little(&waited);
}

// The pool

static struct {
  pthread_mutex_t lock;
  pthread_cond_t wake;
  int started;
  bool is_taken;
  /// Counts tasks; a worker that has seen the last one waits for the next.
  atomic_uint task_number;
  int members;
  void (*task)(void *, int);
  void *context;
  atomic_int unfinished;
} pool = {.lock = PTHREAD_MUTEX_INITIALIZER, .wake = PTHREAD_COND_INITIALIZER};

/// The number of the next task after `seen`.
static unsigned next_task(unsigned seen) {
  unsigned number;
  for (unsigned waited = 0; waited < SPINS + YIELDS;) {
    number = atomic_load_explicit(&pool.task_number, memory_order_acquire);
    if (number != seen) return number;
    wait_a_little(&waited);
  }
  pthread_mutex_lock(&pool.lock);
  while ((number = atomic_load_explicit(&pool.task_number, memory_order_acquire)) == seen)
    pthread_cond_wait(&pool.wake, &pool.lock);
  pthread_mutex_unlock(&pool.lock);
  return number;
}

typedef struct {
  int index;
  unsigned seen;
} worker;

static void *work(void *argument) {
  worker self = *(worker *)argument;
  free(argument);
  for (;;) {
    self.seen = next_task(self.seen);
    if (self.index >= pool.members) {
      // Nothing to do, but the task's description must not change before it has been read.
      atomic_fetch_sub_explicit(&pool.unfinished, 1, memory_order_release);
      continue;
    }
    pool.task(pool.context, self.index);
    atomic_fetch_sub_explicit(&pool.unfinished, 1, memory_order_release);
  }
  return NULL;
}

/// With the lock held: as many workers as can be had, at most `wanted`.
static void start_workers(int wanted) {
  pthread_attr_t attributes;
  if (pthread_attr_init(&attributes) != 0) return;
  pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
  while (pool.started < wanted) {
    worker *argument = malloc(sizeof(worker));
    if (argument == NULL) break;
    *argument = (worker){pool.started + 1, atomic_load_explicit(&pool.task_number, memory_order_relaxed)};
    pthread_t thread;
    if (pthread_create(&thread, &attributes, work, argument) != 0) {
      free(argument);
      break;
    }
    pool.started++;
  }
  pthread_attr_destroy(&attributes);
}

int ck_acquire(int wanted) {
  if (wanted > MOST) wanted = MOST;
  if (wanted <= 1) return 1;
  int acquired = 1;
  pthread_mutex_lock(&pool.lock);
  if (!pool.is_taken) {
    start_workers(wanted - 1);
    acquired = pool.started + 1 < wanted ? pool.started + 1 : wanted;
    pool.is_taken = acquired > 1;
  }
  pthread_mutex_unlock(&pool.lock);
  return acquired;
}

void ck_release(int acquired) {
  if (acquired <= 1) return;
  pthread_mutex_lock(&pool.lock);
  pool.is_taken = false;
  pthread_mutex_unlock(&pool.lock);
}

void ck_run(int members, void (*task)(void *context, int member), void *context) {
  if (members > 1) {
    pthread_mutex_lock(&pool.lock);
    pool.members = members;
    pool.task = task;
    pool.context = context;
    atomic_store_explicit(&pool.unfinished, pool.started, memory_order_relaxed);
    atomic_fetch_add_explicit(&pool.task_number, 1, memory_order_release);
    pthread_cond_broadcast(&pool.wake);
    pthread_mutex_unlock(&pool.lock);
  }
  task(context, 0);
  if (members == 1) return;
  unsigned waited = 0;
  while (atomic_load_explicit(&pool.unfinished, memory_order_acquire) != 0) wait_a_little(&waited);
}
