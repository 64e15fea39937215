/* Vectors of floats in the extensions that GCC and Clang share, and the functions of gates.
 *
 * LANES is set by the file of a level. Everything is inline: there is one copy for each level.
 */
#ifndef FORECAST_VECTORS_H
#define FORECAST_VECTORS_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

#define INLINE static inline __attribute__((always_inline))

typedef float vec __attribute__((vector_size(LANES * 4)));
typedef int32_t mask_vec __attribute__((vector_size(LANES * 4)));

INLINE vec load(const float *from) { vec v; memcpy(&v, from, sizeof v); return v; }
INLINE void store(float *to, vec v) { memcpy(to, &v, sizeof v); }
/* Ask for some floats to be brought near. */
INLINE void fetch(const float *from, ptrdiff_t floats) {
    for (ptrdiff_t i = 0; i < floats; i += 16) __builtin_prefetch(from + i);
}
INLINE vec every(float x) { return x - (vec){0}; }

/* What x86-64 has instructions for and the extensions do not say. smaller(a, x) and larger(a, x) are x where x is NaN, so
 * that a loss that is none is seen. */
#if LANES == 16
INLINE vec smaller(vec a, vec x) { return (vec)_mm512_min_ps((__m512)a, (__m512)x); }
INLINE vec larger(vec a, vec x) { return (vec)_mm512_max_ps((__m512)a, (__m512)x); }
INLINE vec reciprocal(vec x) {
    const vec r = (vec)_mm512_rcp14_ps((__m512)x);
    return r + r * (1.0f - x * r);
}
#else
#if LANES == 8
INLINE vec smaller(vec a, vec x) { return (vec)_mm256_min_ps((__m256)a, (__m256)x); }
INLINE vec larger(vec a, vec x) { return (vec)_mm256_max_ps((__m256)a, (__m256)x); }
#elif defined(__SSE2__)
INLINE vec smaller(vec a, vec x) { return (vec)_mm_min_ps((__m128)a, (__m128)x); }
INLINE vec larger(vec a, vec x) { return (vec)_mm_max_ps((__m128)a, (__m128)x); }
#else
INLINE vec choose(mask_vec where, vec yes, vec no) { return (vec)(((mask_vec)yes & where) | ((mask_vec)no & ~where)); }
INLINE vec smaller(vec a, vec x) { return choose(x > a, a, x); }
INLINE vec larger(vec a, vec x) { return choose(x < a, a, x); }
#endif
INLINE vec reciprocal(vec x) { return 1.0f / x; }
#endif

/* x P(x^2) / Q(x^2), a minimax fit of degrees 4 and 4 with relative error 1.2e-8; 2e-7 with the rounding. */
INLINE vec tanh_of(vec x) {
    x = larger(every(-8.5f), smaller(every(8.5f), x));
    vec u = x * x;
    vec p = 1.426918212e-08f * u + 2.125100821e-05f;
    vec q = 8.145103752e-07f * u + 3.348861099e-04f;
    p = p * u + 3.534024540e-03f;
    q = q * u + 2.602274241e-02f;
    p = p * u + 1.341324493e-01f;
    q = q * u + 4.674656767e-01f;
    p = p * u + 9.999999882e-01f;
    q = q * u + 1.0f;
    return x * p * reciprocal(q);
}

INLINE vec sigmoid_of(vec x) { return 0.5f * tanh_of(0.5f * x) + 0.5f; }

#endif
