#define _GNU_SOURCE
#include "CFiles.h"

#include <unistd.h>
#ifdef __linux__
#include <sched.h>
#endif

int cf_cores(void) {
  long count = 0;
#ifdef __linux__
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) == 0) count = CPU_COUNT(&set);
#endif
  if (count < 1) count = sysconf(_SC_NPROCESSORS_ONLN);
  return count < 1 ? 1 : (int)count;
}
