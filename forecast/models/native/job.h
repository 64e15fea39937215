/* How a call is laid out in memory, and what the code of each level offers.
 *
 * The batch is cut into tiles of rows, each run by one thread through all steps, so that its states stay in the cache.
 * Neighbouring tiles make a share, whose gradients of the weights are summed together; the shares' sums are added in
 * their order. Tiles and shares depend on the size of the batch alone: results do not depend on the threads.
 *
 * The reserve holds for each tile and step, for its rows together: what the products read, [h before | x], rows of
 * `line` floats; the gates, `sums` floats a row; and what else the way back needs, `carry` floats a row.
 */
#ifndef FORECAST_JOB_H
#define FORECAST_JOB_H

#include "layout.h"

typedef struct {
    const forecast_call *call;
    const cell_layout *cell;
    ptrdiff_t width;               /* units rounded up to whole vectors */
    ptrdiff_t line, sums, carry;
    ptrdiff_t d_line;              /* floats of a row of gradients of the sums */
    ptrdiff_t tiles, tile_rows, shares;
    ptrdiff_t scratch;             /* floats a thread needs */
    ptrdiff_t gradient;            /* floats of one share's gradients: rows of `sums`, first units, then inputs, then bias */
    float *packed;                 /* weights; see pack() */
    float *gradients;
} job;

typedef struct {
    int lanes;
    ptrdiff_t (*packed_floats)(const job *);
    void (*pack)(const job *, int back);
    void (*forward)(const job *, ptrdiff_t tile, float *scratch);
    void (*backward)(const job *, ptrdiff_t tile, float *scratch, float *gradients);
} level_code;

extern const level_code forecast_baseline;
#if defined(__x86_64__)
extern const level_code forecast_avx2, forecast_avx512;
#endif

static inline ptrdiff_t rounded(ptrdiff_t n, ptrdiff_t to) { return (n + to - 1) / to * to; }
static inline ptrdiff_t first_row(const job *j, ptrdiff_t tile) {
    return tile * j->call->batch / j->tiles;
}

/* Steps whose gradients of the sums are kept until they are multiplied with what was read: about 64 rows. */
static inline ptrdiff_t kept_steps(const job *j) {
    const ptrdiff_t steps = 64 / j->tile_rows;
    return steps < 1 ? 1 : steps > 8 ? 8 : steps;
}

#endif
