/* The code of a level: weights packed, tiles run forward and backward. Included once for each level. */
#ifndef FORECAST_LEVEL_H
#define FORECAST_LEVEL_H

#include "cells.h"
#include "job.h"
#include "product.h"

/* Which blocks of sums inputs and state make: first those of the inputs alone, then of both, then of the state alone. */
typedef struct {
    ptrdiff_t first, count;
    int from_x, from_h;
} block_range;

INLINE int ranges_of(const cell_layout *cell, block_range *ranges) {
    const int bounds[4] = {0, cell->h_first, cell->x_first + cell->x_blocks, cell->blocks};
    int n = 0;
    for (int i = 0; i < 3; i++)
        if (bounds[i + 1] > bounds[i])
            ranges[n++] = (block_range){bounds[i], bounds[i + 1] - bounds[i], i < 2, i > 0};
    return n;
}

/* Offsets among the packed weights: inputs' and recurrent ones by range, bias, and both transposed for the way back. */
INLINE ptrdiff_t packed_h(const job *j) { return j->call->inputs * j->cell->x_blocks * j->width; }
INLINE ptrdiff_t packed_bias(const job *j) { return packed_h(j) + j->call->units * j->cell->h_blocks * j->width; }
INLINE ptrdiff_t packed_back_h(const job *j) { return packed_bias(j) + j->sums; }
INLINE ptrdiff_t packed_back_x(const job *j) { return packed_back_h(j) + j->cell->h_blocks * j->width * j->width; }
static ptrdiff_t packed_floats(const job *j) {
    return packed_back_x(j) + j->cell->x_blocks * j->width * rounded(j->call->inputs, LANES);
}

/* Pack weights (k, gates * units) as the product of some blocks reads them. */
static void pack_blocks(const job *j, const float *weights, const int *gates, ptrdiff_t blocks, ptrdiff_t k, float *to) {
    const ptrdiff_t units = j->call->units, columns = blocks * j->width;
    const ptrdiff_t all = units * (j->call->cell == FORECAST_LSTM ? 4 : j->call->cell == FORECAST_GRU ? 3 : 1);
    for (ptrdiff_t b = 0; b < blocks; b++)
        for (ptrdiff_t u = 0; u < j->width; u++) {
            const ptrdiff_t column = gates[b] * units + u;
            const ptrdiff_t at = packed_at(0, b * j->width + u, k, columns);
            const ptrdiff_t step = packed_at(1, b * j->width + u, k, columns) - at;
            for (ptrdiff_t i = 0; i < k; i++) to[at + i * step] = u < units ? weights[i * all + column] : 0.0f;
        }
}

/* Pack weights (rows, gates * units) transposed: (blocks * width, rows). */
static void pack_back(const job *j, const float *weights, const int *gates, ptrdiff_t blocks, ptrdiff_t rows, float *to) {
    const ptrdiff_t units = j->call->units, k = blocks * j->width, columns = rounded(rows, LANES);
    const ptrdiff_t all = units * (j->call->cell == FORECAST_LSTM ? 4 : j->call->cell == FORECAST_GRU ? 3 : 1);
    for (ptrdiff_t row = 0; row < columns; row++) {
        const ptrdiff_t at = packed_at(0, row, k, columns), step = packed_at(1, row, k, columns) - at;
        for (ptrdiff_t b = 0; b < blocks; b++)
            for (ptrdiff_t u = 0; u < j->width; u++)
                to[at + (b * j->width + u) * step] =
                    u < units && row < rows ? weights[row * all + gates[b] * units + u] : 0.0f;
    }
}

static void pack_bias(const job *j, float *to) {
    const forecast_call *call = j->call;
    const ptrdiff_t units = call->units;
    memset(to, 0, (size_t)j->sums * sizeof *to);
    if (!call->bias) return;
    for (int b = 0; b < j->cell->blocks; b++)
        for (ptrdiff_t u = 0; u < units; u++) {
            const int x = j->cell->x_gate[b], h = j->cell->h_gate[b];
            float *sum = to + b * j->width + u;
            if (x >= 0) *sum += call->bias[x * units + u];
            if (h >= 0 && call->cell == FORECAST_GRU) *sum += call->bias[3 * units + h * units + u];
        }
}

static void pack(const job *j, int back) {
    const forecast_call *call = j->call;
    const cell_layout *cell = j->cell;
    if (back) {
        pack_back(j, call->recurrent, cell->h_gate + cell->h_first, cell->h_blocks, call->units,
                  j->packed + packed_back_h(j));
        if (call->d_x)
            pack_back(j, call->kernel, cell->x_gate, cell->x_blocks, call->inputs, j->packed + packed_back_x(j));
        return;
    }
    block_range ranges[3];
    float *x = j->packed, *h = j->packed + packed_h(j);
    for (int i = 0, n = ranges_of(cell, ranges); i < n; i++) {
        const ptrdiff_t first = ranges[i].first, count = ranges[i].count, columns = count * j->width;
        if (ranges[i].from_x) {
            pack_blocks(j, call->kernel, cell->x_gate + first, count, call->inputs, x);
            x += call->inputs * columns;
        }
        if (ranges[i].from_h) {
            pack_blocks(j, call->recurrent, cell->h_gate + first, count, call->units, h);
            h += call->units * columns;
        }
    }
    pack_bias(j, j->packed + packed_bias(j));
}

/* sums (rows) = bias + [h | x] weights. */
static void sums_of(const job *j, const float *read, float *sums, ptrdiff_t rows) {
    const forecast_call *call = j->call;
    block_range ranges[3];
    const float *x = j->packed, *h = j->packed + packed_h(j), *bias = j->packed + packed_bias(j);
    for (int i = 0, n = ranges_of(j->cell, ranges); i < n; i++) {
        const ptrdiff_t columns = ranges[i].count * j->width, first = ranges[i].first * j->width;
        segment segments[2];
        int count = 0;
        if (ranges[i].from_x) {
            segments[count++] = (segment){read + j->width, j->line, 1, x, 0, call->inputs};
            x += call->inputs * columns;
        }
        if (ranges[i].from_h) {
            segments[count++] = (segment){read, j->line, 1, h, 0, call->units};
            h += call->units * columns;
        }
        product(rows, columns / LANES, segments, count, (target){sums + first, j->sums, bias + first, 0});
    }
}

#include "backward.h"
#include "forward.h"

#endif
