#if defined(__x86_64__)
#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx2,fma"))), apply_to = function)
#else
#pragma GCC target("avx2,fma")
#endif
#define LANES 8
#define PANEL 2
#define REGISTERS 16
#include "level.h"

const level_code forecast_avx2 = {LANES, packed_floats, pack, forward, backward};

#if defined(__clang__)
#pragma clang attribute pop
#endif
#endif
