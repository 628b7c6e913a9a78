#define _GNU_SOURCE
#include "include/CFiles.h"

#include <fcntl.h>

void cf_start_sync(int descriptor) {
#ifdef SYNC_FILE_RANGE_WRITE
  sync_file_range(descriptor, 0, 0, SYNC_FILE_RANGE_WRITE);
#else
  (void)descriptor;
#endif
}
