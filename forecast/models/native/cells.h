/* What a cell does between its matrix products: gates from their sums, laid out as layout.h says, and gradients of the
 * sums from the states'. Sums are replaced by the activated gates: of a GRU by n z r, with m as it is.
 */
#ifndef FORECAST_CELLS_H
#define FORECAST_CELLS_H

#include "vectors.h"

/* One row forward: sums become gates, h and c the states behind the step. */
INLINE void lstm_row(float *sums, const float *c_before, float *c, float *h, ptrdiff_t width) {
    for (ptrdiff_t u = 0; u < width; u += LANES) {
        const vec i = sigmoid_of(load(sums + u)), f = sigmoid_of(load(sums + width + u));
        const vec g = tanh_of(load(sums + 2 * width + u)), o = sigmoid_of(load(sums + 3 * width + u));
        const vec state = f * load(c_before + u) + i * g;
        store(sums + u, i), store(sums + width + u, f), store(sums + 2 * width + u, g), store(sums + 3 * width + u, o);
        store(c + u, state);
        store(h + u, o * tanh_of(state));
    }
}

INLINE void gru_row(float *sums, const float *h_before, float *h, ptrdiff_t width) {
    for (ptrdiff_t u = 0; u < width; u += LANES) {
        const vec z = sigmoid_of(load(sums + width + u)), r = sigmoid_of(load(sums + 2 * width + u));
        const vec n = tanh_of(load(sums + u) + r * load(sums + 3 * width + u));
        store(sums + u, n), store(sums + width + u, z), store(sums + 2 * width + u, r);
        store(h + u, n + z * (load(h_before + u) - n));
    }
}

INLINE void tanh_row(float *sums, float *h, ptrdiff_t width) {
    for (ptrdiff_t u = 0; u < width; u += LANES) {
        const vec state = tanh_of(load(sums + u));
        store(sums + u, state), store(h + u, state);
    }
}

INLINE void relu_row(float *sums, float *h, ptrdiff_t width) {
    for (ptrdiff_t u = 0; u < width; u += LANES) {
        const vec state = larger(every(0.0f), load(sums + u));
        store(sums + u, state), store(h + u, state);
    }
}

/* One row backward: from the gradient d_h of the state behind the step to those of the sums, d_sums; d_h is left with
 * what goes to the state before without passing through the recurrent weights, d_c with the gradient of the cell
 * before. */
INLINE void lstm_row_back(const float *gates, const float *c_before, const float *c, float *d_h, float *d_c,
                          float *d_sums, ptrdiff_t width) {
    for (ptrdiff_t u = 0; u < width; u += LANES) {
        const vec i = load(gates + u), f = load(gates + width + u);
        const vec g = load(gates + 2 * width + u), o = load(gates + 3 * width + u);
        const vec bent = tanh_of(load(c + u)), dh = load(d_h + u);
        const vec dc = load(d_c + u) + dh * o * (1.0f - bent * bent);
        store(d_sums + u, dc * g * i * (1.0f - i));
        store(d_sums + width + u, dc * load(c_before + u) * f * (1.0f - f));
        store(d_sums + 2 * width + u, dc * i * (1.0f - g * g));
        store(d_sums + 3 * width + u, dh * bent * o * (1.0f - o));
        store(d_c + u, dc * f);
        store(d_h + u, every(0.0f));
    }
}

INLINE void gru_row_back(const float *gates, const float *h_before, float *d_h, float *d_sums, ptrdiff_t width) {
    for (ptrdiff_t u = 0; u < width; u += LANES) {
        const vec n = load(gates + u), z = load(gates + width + u);
        const vec r = load(gates + 2 * width + u), m = load(gates + 3 * width + u), dh = load(d_h + u);
        const vec dn = dh * (1.0f - z) * (1.0f - n * n);
        store(d_sums + u, dn);
        store(d_sums + width + u, dh * (load(h_before + u) - n) * z * (1.0f - z));
        store(d_sums + 2 * width + u, dn * m * r * (1.0f - r));
        store(d_sums + 3 * width + u, dn * r);
        store(d_h + u, dh * z);
    }
}

INLINE void tanh_row_back(const float *gates, float *d_h, float *d_sums, ptrdiff_t width) {
    for (ptrdiff_t u = 0; u < width; u += LANES) {
        const vec state = load(gates + u);
        store(d_sums + u, load(d_h + u) * (1.0f - state * state));
        store(d_h + u, every(0.0f));
    }
}

INLINE void relu_row_back(const float *gates, float *d_h, float *d_sums, ptrdiff_t width) {
    for (ptrdiff_t u = 0; u < width; u += LANES) {
        const mask_vec open = load(gates + u) > 0.0f;
        store(d_sums + u, (vec)((mask_vec)load(d_h + u) & open));
        store(d_h + u, every(0.0f));
    }
}

#endif
