// What Swift cannot express: CRC-32 by multiplication without carries, and a call that glibc keeps to GNU sources.

#ifndef C_FILES_H
#define C_FILES_H

#include <stddef.h>
#include <stdint.h>

/// Whether this processor can do it.
int cf_can_fold(void);

/// The CRC-32 (as zlib's) of what `crc` is the checksum of, and `count` more bytes: a multiple of 16, at least 64.
/// Only where `cf_can_fold` says so.
uint32_t cf_crc32(uint32_t crc, const void *bytes, size_t count);

/// Lets the disk begin with what a file has so far, and does not wait for it.
void cf_start_sync(int descriptor);

/// How many cores this process may use: those that it is confined to, or all.
int cf_cores(void);

#endif
