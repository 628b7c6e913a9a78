// CRC-32 by multiplication without carries, which Swift cannot express.

#ifndef C_CHECKSUM_H
#define C_CHECKSUM_H

#include <stddef.h>
#include <stdint.h>

/// Whether this processor can do it.
int cc_can_fold(void);

/// The CRC-32 (as zlib's) of what `crc` is the checksum of, and `count` more bytes: a multiple of 16, at least 64.
/// Only where `cc_can_fold` says so.
uint32_t cc_crc32(uint32_t crc, const void *bytes, size_t count);

#endif
