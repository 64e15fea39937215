/* Calls the kernel with random shapes; every buffer is just as long as it has to be, so that a sanitizer sees a read or
 * a write beside it, and the slope that the gradients promise is compared with the one that is there.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernel.h"

static uint64_t state;

static uint64_t next(void) {
    state ^= state << 13, state ^= state >> 7, state ^= state << 17;
    return state;
}
static int upto(int n) { return (int)(next() % (uint64_t)n); }
static float small(void) { return (float)((double)(next() % 2000001) / 1e6 - 1.0); }

static float *floats(int64_t n, float by) {
    float *made = malloc((size_t)n * sizeof *made);
    for (int64_t i = 0; i < n; i++) made[i] = by * small();
    return made;
}

/* The sum of outputs times their factors. */
static double scalar(const forecast_call *c) {
    double sum = 0;
    if (forecast_forward(c) != FORECAST_DONE) return NAN;
    const int64_t states = c->batch * c->units;
    for (int64_t i = 0; c->sequence && i < states * c->steps; i++) sum += (double)c->sequence[i] * c->d_sequence[i];
    for (int64_t i = 0; i < states; i++) sum += (double)c->last[i] * c->d_last[i] + (double)c->h_last[i] * c->d_h_last[i];
    for (int64_t i = 0; c->c_last && i < states; i++) sum += (double)c->c_last[i] * c->d_c_last[i];
    return sum;
}

/* Move values along a random direction both ways; return the difference of the sums, and what the gradient promises. */
static double along(forecast_call *c, float *values, const float *gradient, int64_t n, double *promised) {
    const float step = 2e-3f;
    float *way = floats(n, 1.0f), *own = malloc((size_t)n * sizeof *own);
    memcpy(own, values, (size_t)n * sizeof *own);
    *promised = 0;
    for (int64_t i = 0; i < n; i++) *promised += (double)way[i] * gradient[i];
    for (int64_t i = 0; i < n; i++) values[i] = own[i] + step * way[i];
    const double above = scalar(c);
    for (int64_t i = 0; i < n; i++) values[i] = own[i] - step * way[i];
    const double below = scalar(c);
    memcpy(values, own, (size_t)n * sizeof *own);
    free(way), free(own);
    return (above - below) / (2.0 * step);
}

static int one_call(void) {
    forecast_call c = {.cell = upto(FORECAST_CELLS), .threads = 1 + upto(3), .backwards = upto(2), .zero_masked = upto(2)};
    const int best = forecast_level(), lstm = c.cell == FORECAST_LSTM, gru = c.cell == FORECAST_GRU;
    c.level = upto(best + 1);
    c.batch = 1 + upto(upto(8) ? 20 : 150), c.steps = 1 + upto(9), c.inputs = 1 + upto(20), c.units = 1 + upto(40);
    const int64_t columns = c.units * (lstm ? 4 : gru ? 3 : 1), states = c.batch * c.units, rows = c.batch * c.steps;
    float *x = floats(rows * c.inputs, 1.0f), *kernel = floats(c.inputs * columns, 0.5f);
    float *recurrent = floats(c.units * columns, 1.0f / (float)c.units);
    float *bias = upto(4) ? floats(columns * (gru ? 2 : 1), 0.5f) : NULL;
    float *h0 = upto(2) ? floats(states, 0.5f) : NULL, *c0 = lstm && upto(2) ? floats(states, 0.5f) : NULL;
    uint8_t *mask = upto(2) ? malloc((size_t)rows) : NULL;
    for (int64_t i = 0; mask && i < rows; i++) mask[i] = (uint8_t)(upto(3) > 0);
    float *input_drop = upto(3) ? NULL : floats(c.batch * c.inputs, 1.0f);
    float *state_drop = upto(3) ? NULL : floats(states, 1.0f);
    int64_t *starts = NULL;
    c.x = x, c.x_batch = c.steps * c.inputs, c.x_step = c.inputs;
    if (!upto(3)) {
        starts = malloc((size_t)c.batch * sizeof *starts);
        for (int64_t b = 0; b < c.batch; b++) starts[b] = c.inputs * upto((int)(rows - c.steps + 1));
    }
    c.starts = starts, c.kernel = kernel, c.recurrent = recurrent, c.bias = bias, c.h0 = h0, c.c0 = c0, c.mask = mask;
    c.input_drop = input_drop, c.state_drop = state_drop;
    c.sequence = upto(2) ? floats(states * c.steps, 0) : NULL, c.last = floats(states, 0), c.h_last = floats(states, 0);
    c.c_last = lstm ? floats(states, 0) : NULL;
    const int64_t kept = forecast_reserve(&c);
    c.reserve = aligned_alloc(64, (size_t)(kept * 4 + 63) / 64 * 64);
    memset(c.reserve, 0xff, (size_t)(kept * 4 + 63) / 64 * 64);
    float *d_sequence = c.sequence ? floats(states * c.steps, 1.0f) : NULL, *d_last = floats(states, 1.0f);
    float *d_h = floats(states, 1.0f), *d_c = lstm ? floats(states, 1.0f) : NULL;
    c.d_sequence = d_sequence, c.d_last = d_last, c.d_h_last = d_h, c.d_c_last = d_c;
    c.d_x = upto(3) ? floats(rows * c.inputs, 0) : NULL, c.d_kernel = floats(c.inputs * columns, 0);
    c.d_recurrent = floats(c.units * columns, 0), c.d_bias = bias ? floats(columns * (gru ? 2 : 1), 0) : NULL;
    c.d_h0 = h0 ? floats(states, 0) : NULL, c.d_c0 = c0 ? floats(states, 0) : NULL;

    int wrong = forecast_forward(&c) != FORECAST_DONE || forecast_backward(&c) != FORECAST_DONE;
    /* A ReLU has corners, which a difference over a step may cross. */
    float *values[] = {kernel, recurrent, bias, h0, c0, starts ? NULL : x};
    float *gradients[] = {c.d_kernel, c.d_recurrent, c.d_bias, c.d_h0, c.d_c0, c.d_x};
    const int64_t sizes[] = {c.inputs * columns, c.units * columns, columns * (gru ? 2 : 1), states, states, rows * c.inputs};
    for (int i = 0; !wrong && c.cell != FORECAST_RNN_RELU && i < 6; i++) {
        if (!values[i] || !gradients[i]) continue;
        double promised;
        const double found = along(&c, values[i], gradients[i], sizes[i], &promised);
        if (!(fabs(found - promised) < 0.05 * (1.0 + fabs(promised)) + 2e-3 * sqrt((double)(rows * c.units)))) {
            printf("cell %d level %d: slope %d is %g, promised %g\n", c.cell, c.level, i, found, promised);
            wrong = 1;
        }
    }
    void *all[] = {x, kernel, recurrent, bias, h0, c0, mask, input_drop, state_drop, starts, c.sequence, c.last, c.h_last,
                   c.c_last, c.reserve, d_sequence, d_last, d_h, d_c, c.d_x, c.d_kernel, c.d_recurrent, c.d_bias,
                   c.d_h0, c.d_c0};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) free(all[i]);
    return wrong;
}

int main(int count, char **words) {
    state = count > 1 ? strtoull(words[1], NULL, 10) * 0x9E3779B97F4A7C15u + 1 : 1;
    const int calls = count > 2 ? atoi(words[2]) : 100;
    for (int i = 0; i < calls; i++)
        if (one_call()) return 1;
    printf("%d calls\n", calls);
    return 0;
}
