#if defined(__x86_64__)
#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx512f,avx512vl,avx512dq,avx512bw,avx2,fma"))), apply_to = function)
#else
#pragma GCC target("avx512f,avx512vl,avx512dq,avx512bw,avx2,fma")
#endif
#define LANES 16
#define PANEL 4
#define REGISTERS 32
#include "level.h"

const level_code forecast_avx512 = {LANES, packed_floats, pack, forward, backward};

#if defined(__clang__)
#pragma clang attribute pop
#endif
#endif
