/* The calls: checked, laid out, and shared among threads. */
#include "kernel.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "job.h"

/* Rows of a tile: few enough that a batch of 32 is work for two threads, many enough that packed weights pay. */
enum { TILE_ROWS = 32, LEAST_TILE_ROWS = 16, MOST_SHARES = 32 };

int forecast_level(void) {
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq") &&
        __builtin_cpu_supports("avx512bw"))
        return FORECAST_AVX512;
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return FORECAST_AVX2;
#endif
    return FORECAST_BASELINE;
}

static const level_code *code_of(int level) {
    const int best = forecast_level();
    if (level == FORECAST_AUTO) level = best;
    if (level < FORECAST_BASELINE || level > best) return NULL;
#if defined(__x86_64__)
    if (level == FORECAST_AVX2) return &forecast_avx2;
    if (level == FORECAST_AVX512) return &forecast_avx512;
#endif
    return &forecast_baseline;
}

/* Largest size of a dimension, so that no product of sizes overflows. */
enum { MOST = 1 << 24 };

static int is_right(const forecast_call *call) {
    return call->cell >= 0 && call->cell < FORECAST_CELLS && call->batch > 0 && call->batch <= MOST &&
           call->steps > 0 && call->steps <= MOST && call->inputs > 0 && call->inputs <= 1 << 16 && call->units > 0 &&
           call->units <= 1 << 14 && code_of(call->level);
}

static job laid_out(const forecast_call *call, const level_code *code) {
    job j = {.call = call, .cell = &layouts[call->cell]};
    const int gru_raw = call->cell == FORECAST_GRU && call->state_drop;
    j.width = rounded(call->units, code->lanes);
    j.line = j.width + rounded(call->inputs, code->lanes);
    j.sums = j.cell->blocks * j.width;
    j.carry = call->cell == FORECAST_LSTM || gru_raw ? j.width : 0;
    /* One vector more: rows a power of two apart would meet in few sets of the cache. */
    j.d_line = j.sums + code->lanes;
    j.tiles = (call->batch + TILE_ROWS - 1) / TILE_ROWS;
    if (j.tiles == 1 && call->batch >= 2 * LEAST_TILE_ROWS) j.tiles = 2;
    j.tile_rows = (call->batch + j.tiles - 1) / j.tiles;
    j.shares = j.tiles < MOST_SHARES ? j.tiles : MOST_SHARES;
    j.gradient = (call->units + call->inputs + 1) * j.sums;
    const ptrdiff_t widest = j.width > rounded(call->inputs, code->lanes) ? j.width : rounded(call->inputs, code->lanes);
    const ptrdiff_t forward = j.tile_rows * (4 * j.line + 2 * j.width + j.sums);
    const ptrdiff_t backward = j.tile_rows * (4 * j.width + widest + kept_steps(&j) * j.d_line) + widest;
    j.scratch = rounded((forward > backward ? forward : backward) + 2 * j.tile_rows, 16);
    return j;
}

int64_t forecast_reserve(const forecast_call *call) {
    if (!is_right(call)) return -1;
    const job j = laid_out(call, code_of(call->level));
    return call->batch * call->steps * (j.line + j.sums + j.carry);
}

typedef struct {
    const job *j;
    const level_code *code;
    float *scratch;                /* of all threads */
    int back;
    atomic_ptrdiff_t next_share;
    atomic_int next_thread;
} work;

static void *run(void *argument) {
    work *w = argument;
    const job *j = w->j;
    float *scratch = w->scratch + atomic_fetch_add(&w->next_thread, 1) * j->scratch;
    for (ptrdiff_t next; (next = atomic_fetch_add(&w->next_share, 1)) < j->shares;) {
        /* Back from the last: what forward kept of it is still in the cache. */
        const ptrdiff_t share = w->back ? j->shares - 1 - next : next;
        const ptrdiff_t end = (share + 1) * j->tiles / j->shares;
        for (ptrdiff_t tile = share * j->tiles / j->shares; tile < end; tile++)
            if (w->back) w->code->backward(j, tile, scratch, j->gradients + share * j->gradient);
            else w->code->forward(j, tile, scratch);
    }
    return NULL;
}

/* Threads are made for the call and end with it: nothing is left that a fork or a host's own threads could meet. */
static void run_all(work *w, ptrdiff_t threads) {
    pthread_t others[MOST_SHARES];
    int made = 0;
    while (made < threads - 1 && !pthread_create(&others[made], NULL, run, w)) made++;
    run(w);
    while (made) pthread_join(others[--made], NULL);
}

/* Add the shares' gradients, in their order, and write them as Keras keeps the weights. */
static void gather(const job *j) {
    const forecast_call *call = j->call;
    const ptrdiff_t units = call->units, inputs = call->inputs, rows = units + inputs + 1;
    const ptrdiff_t gates = call->cell == FORECAST_LSTM ? 4 : call->cell == FORECAST_GRU ? 3 : 1;
    float *total = j->gradients;
    for (ptrdiff_t share = 1; share < j->shares; share++) {
        const float *more = j->gradients + share * j->gradient;
        for (ptrdiff_t i = 0; i < j->gradient; i++) total[i] += more[i];
    }
    for (ptrdiff_t row = 0; row < rows; row++)
        for (int b = 0; b < j->cell->blocks; b++) {
            const float *from = total + row * j->sums + b * j->width;
            const int x = j->cell->x_gate[b], h = j->cell->h_gate[b];
            const size_t size = (size_t)units * sizeof *from;
            if (row < units) {
                if (h >= 0 && call->d_recurrent) memcpy(call->d_recurrent + (row * gates + h) * units, from, size);
            } else if (row < units + inputs) {
                if (x >= 0 && call->d_kernel) memcpy(call->d_kernel + ((row - units) * gates + x) * units, from, size);
            } else if (call->d_bias) {
                if (x >= 0) memcpy(call->d_bias + x * units, from, size);
                if (h >= 0 && call->cell == FORECAST_GRU) memcpy(call->d_bias + (3 + h) * units, from, size);
            }
        }
}

static int carry_out(const forecast_call *call, int back) {
    if (!is_right(call)) return FORECAST_BAD_CALL;
    if (!call->kernel || !call->recurrent || (back ? !call->reserve : !call->x)) return FORECAST_BAD_CALL;
    const level_code *code = code_of(call->level);
    job j = laid_out(call, code);
    ptrdiff_t threads = call->threads < 1 ? 1 : call->threads;
    if (threads > j.shares) threads = j.shares;
    const ptrdiff_t packed = rounded(code->packed_floats(&j), 16);
    const ptrdiff_t gradients = back ? rounded(j.shares * j.gradient, 16) : 0;
    float *memory = aligned_alloc(64, (size_t)(packed + gradients + threads * j.scratch) * sizeof *memory);
    if (!memory) return FORECAST_NO_MEMORY;
    j.packed = memory;
    j.gradients = memory + packed;
    memset(j.gradients, 0, (size_t)gradients * sizeof *memory);
    code->pack(&j, back);
    work w = {.j = &j, .code = code, .scratch = j.gradients + gradients, .back = back};
    run_all(&w, threads);
    if (back) gather(&j);
    free(memory);
    return FORECAST_DONE;
}

int forecast_forward(const forecast_call *call) { return carry_out(call, 0); }
int forecast_backward(const forecast_call *call) { return carry_out(call, 1); }
