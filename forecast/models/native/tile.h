/* What both directions know of a tile: its rows, its steps in the reserve, which rows are real. */
#ifndef FORECAST_TILE_H
#define FORECAST_TILE_H

#include "job.h"
#include "vectors.h"

typedef struct {
    ptrdiff_t first, rows;         /* of the batch */
    float *reserve;                /* of the tile; NULL where nothing is kept */
    ptrdiff_t step_floats;
} tile_place;

INLINE tile_place place_of(const job *j, ptrdiff_t tile) {
    const ptrdiff_t first = first_row(j, tile), rows = first_row(j, tile + 1) - first;
    const ptrdiff_t row = j->line + j->sums + j->carry;
    float *reserve = j->call->reserve;
    return (tile_place){first, rows, reserve ? reserve + first * row * j->call->steps : NULL, rows * row};
}

/* The step of the input that is read as number p. */
INLINE ptrdiff_t step_at(const job *j, ptrdiff_t p) { return j->call->backwards ? j->call->steps - 1 - p : p; }

/* Whether row b of the batch is real at reading p. */
INLINE int is_real(const job *j, ptrdiff_t b, ptrdiff_t p) {
    return !j->call->mask || j->call->mask[b * j->call->steps + step_at(j, p)];
}

INLINE int any_real(const job *j, const tile_place *at, ptrdiff_t p) {
    for (ptrdiff_t r = 0; r < at->rows; r++)
        if (is_real(j, at->first + r, p)) return 1;
    return 0;
}

/* Copy rows of `units` floats, NULL being zeros, into rows of `stride` that are padded with zeros up to `width`. */
static void widen(const job *j, const float *from, ptrdiff_t first, ptrdiff_t rows, float *to, ptrdiff_t stride) {
    const size_t units = (size_t)j->call->units;
    for (ptrdiff_t r = 0; r < rows; r++) {
        memset(to + r * stride, 0, (size_t)j->width * sizeof *to);
        if (from) memcpy(to + r * stride, from + (first + r) * j->call->units, units * sizeof *to);
    }
}

/* The other way; NULL is not written. */
static void narrow(const job *j, const float *from, ptrdiff_t stride, ptrdiff_t first, ptrdiff_t rows, float *to) {
    if (!to) return;
    for (ptrdiff_t r = 0; r < rows; r++)
        memcpy(to + (first + r) * j->call->units, from + r * stride, (size_t)j->call->units * sizeof *to);
}

#endif
