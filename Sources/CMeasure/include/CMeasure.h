// What this machine can do at best, for rooflines: measured, with the widest instructions it has.
#ifndef CMEASURE_H
#define CMEASURE_H

#include <stddef.h>

/// Independent chains of fused multiply-adds in registers: how many operations `rounds` rounds make.
double cm_fused_operations(size_t rounds);
/// Reads `count` floats, a multiple of 128, once; returns something of them.
float cm_read(const float *numbers, size_t count);

#endif
