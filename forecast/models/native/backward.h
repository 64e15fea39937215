/* A tile of rows back through all steps, and the gradients of the weights. */
#ifndef FORECAST_BACKWARD_H
#define FORECAST_BACKWARD_H

#include "tile.h"

/* Add the gradients of outputs to those of the states they are; of zeros there are none. */
static void add_outputs(const job *j, const tile_place *at, ptrdiff_t p, const ptrdiff_t *first_real, float *d_h) {
    const forecast_call *call = j->call;
    const ptrdiff_t units = call->units;
    for (ptrdiff_t r = 0; r < at->rows; r++) {
        const ptrdiff_t b = at->first + r;
        float *to = d_h + r * j->width;
        if (call->zero_masked ? !is_real(j, b, p) : p < first_real[r]) continue;
        if (call->d_sequence)
            for (ptrdiff_t u = 0; u < units; u++) to[u] += call->d_sequence[(b * call->steps + p) * units + u];
        if (call->d_last && p == call->steps - 1)
            for (ptrdiff_t u = 0; u < units; u++) to[u] += call->d_last[b * units + u];
    }
}

/* Ask for what a row of the step before needs: it is read next, and lies beyond the caches by now. */
INLINE void fetch_row(const job *j, const tile_place *at, ptrdiff_t p, ptrdiff_t r) {
    if (p < 2) return;
    const float *read = at->reserve + (p - 1) * at->step_floats, *gates = read + at->rows * j->line;
    fetch(read + r * j->line, j->line);
    fetch(gates + r * j->sums, j->sums);
    fetch(gates + at->rows * j->sums + r * j->width - at->step_floats, j->carry);
}

typedef struct {
    const float *gates, *h_before, *c_before, *c;
    ptrdiff_t h_line;
} step_back;

static void gate_rows_back(const job *j, const tile_place *at, ptrdiff_t p, step_back step, float *d_h, float *d_c,
                           float *d_sums) {
    const ptrdiff_t width = j->width;
    for (ptrdiff_t r = 0; r < at->rows; r++) {
        const float *gates = step.gates + r * j->sums, *h_before = step.h_before + r * step.h_line;
        float *dh = d_h + r * width, *dc = d_c + r * width, *to = d_sums + r * j->d_line;
        fetch_row(j, at, p, r);
        if (!is_real(j, at->first + r, p)) {
            memset(to, 0, (size_t)j->sums * sizeof *to);
            continue;
        }
        switch (j->call->cell) {
        case FORECAST_LSTM: lstm_row_back(gates, step.c_before + r * width, step.c + r * width, dh, dc, to, width); break;
        case FORECAST_GRU: gru_row_back(gates, h_before, dh, to, width); break;
        case FORECAST_RNN_TANH: tanh_row_back(gates, dh, to, width); break;
        default: relu_row_back(gates, dh, to, width);
        }
    }
}

/* d_h += d_sums recurrent'; with factors of the state, through them. */
static void to_state(const job *j, const tile_place *at, const float *d_sums, float *d_h, float *spare) {
    const cell_layout *cell = j->cell;
    const forecast_call *call = j->call;
    const segment through = {d_sums + cell->h_first * j->width, j->d_line, 1, j->packed + packed_back_h(j), 0,
                             cell->h_blocks * j->width};
    float *to = call->state_drop ? spare : d_h;
    if (call->state_drop) memset(spare, 0, (size_t)(at->rows * j->width) * sizeof *spare);
    product(at->rows, j->width / LANES, &through, 1, (target){to, j->width, to, j->width});
    if (!call->state_drop) return;
    for (ptrdiff_t r = 0; r < at->rows; r++)
        for (ptrdiff_t u = 0; u < call->units; u++)
            d_h[r * j->width + u] +=
                spare[r * j->width + u] * call->state_drop[(at->first + r) * call->units + u];
}

/* d_x of a step = d_sums kernel'. */
static void to_inputs(const job *j, const tile_place *at, ptrdiff_t p, const float *d_sums, const float *zeros,
                      float *spare) {
    const forecast_call *call = j->call;
    const ptrdiff_t inputs = call->inputs, columns = rounded(inputs, LANES);
    const segment through = {d_sums, j->d_line, 1, j->packed + packed_back_x(j), 0, j->cell->x_blocks * j->width};
    product(at->rows, columns / LANES, &through, 1, (target){spare, columns, zeros, 0});
    for (ptrdiff_t r = 0; r < at->rows; r++) {
        const ptrdiff_t b = at->first + r;
        float *to = call->d_x + (b * call->steps + step_at(j, p)) * inputs;
        for (ptrdiff_t i = 0; i < inputs; i++)
            to[i] = spare[r * columns + i] * (call->input_drop ? call->input_drop[b * inputs + i] : 1.0f);
    }
}

/* Gradients of the weights += what was read' d_sums, of several steps together. */
static void to_weights(const job *j, ptrdiff_t rows, const float *const *reads, const float *d_sums, ptrdiff_t steps,
                       float *gradients) {
    const cell_layout *cell = j->cell;
    segment h[MOST_SEGMENTS], x[MOST_SEGMENTS];
    for (ptrdiff_t s = 0; s < steps; s++) {
        const float *from = d_sums + s * j->tile_rows * j->d_line;
        h[s] = (segment){reads[s], 1, j->line, from + cell->h_first * j->width, j->d_line, rows};
        x[s] = (segment){reads[s] + j->width, 1, j->line, from, j->d_line, rows};
    }
    float *of_h = gradients + cell->h_first * j->width, *of_x = gradients + j->call->units * j->sums;
    product(j->call->units, cell->h_blocks * j->width / LANES, h, (int)steps, (target){of_h, j->sums, of_h, j->sums});
    product(j->call->inputs, cell->x_blocks * j->width / LANES, x, (int)steps, (target){of_x, j->sums, of_x, j->sums});
    /* Sums over rows are a product with ones. */
    static const float one = 1.0f;
    for (ptrdiff_t s = 0; s < steps; s++) {
        x[s].a = &one;
        x[s].a_step = 0;
    }
    float *of_bias = of_x + j->call->inputs * j->sums;
    product(1, j->sums / LANES, x, (int)steps, (target){of_bias, j->sums, of_bias, j->sums});
}

static void backward(const job *j, ptrdiff_t tile, float *scratch, float *gradients) {
    const forecast_call *call = j->call;
    const tile_place at = place_of(j, tile);
    const ptrdiff_t most = j->tile_rows, steps = call->steps, width = j->width;
    const ptrdiff_t columns = rounded(call->inputs, LANES), widest = width > columns ? width : columns;
    const int lstm = call->cell == FORECAST_LSTM;
    float *d_h = scratch, *d_c = d_h + most * width, *h_first = d_c + most * width, *c_first = h_first + most * width;
    float *spare = c_first + most * width, *zeros = spare + most * widest;
    float *d_sums = zeros + widest;
    ptrdiff_t *first_real = (ptrdiff_t *)(d_sums + kept_steps(j) * most * j->d_line);
    const float *reads[MOST_SEGMENTS];

    memset(zeros, 0, (size_t)widest * sizeof *zeros);
    widen(j, call->d_h_last, at.first, at.rows, d_h, width);
    widen(j, call->d_c_last, at.first, at.rows, d_c, width);
    widen(j, call->h0, at.first, at.rows, h_first, width);
    widen(j, call->c0, at.first, at.rows, c_first, width);
    for (ptrdiff_t r = 0; r < at.rows; r++)
        for (first_real[r] = 0; first_real[r] < steps && !is_real(j, at.first + r, first_real[r]);) first_real[r]++;
    for (ptrdiff_t p = steps - 1, kept = 0; p >= 0; p--) {
        const float *read = at.reserve + p * at.step_floats, *gates = read + at.rows * j->line;
        const float *carry = gates + at.rows * j->sums;
        const float *carry_before = p ? carry - at.step_floats : NULL;
        step_back step = {gates, read, carry_before ? carry_before : c_first, carry, j->line};
        if (call->state_drop && call->cell == FORECAST_GRU)
            step.h_before = carry_before ? carry_before : h_first, step.h_line = width;
        if (!lstm) step.c = step.c_before = c_first;
        add_outputs(j, &at, p, first_real, d_h);
        if (any_real(j, &at, p)) {
            float *here = d_sums + kept * most * j->d_line;
            gate_rows_back(j, &at, p, step, d_h, d_c, here);
            to_state(j, &at, here, d_h, spare);
            if (call->d_x) to_inputs(j, &at, p, here, zeros, spare);
            reads[kept++] = read;
        } else if (call->d_x)
            for (ptrdiff_t r = 0; r < at.rows; r++)
                memset(call->d_x + ((at.first + r) * steps + step_at(j, p)) * call->inputs, 0,
                       (size_t)call->inputs * sizeof *call->d_x);
        if (kept == kept_steps(j) || (p == 0 && kept)) {
            to_weights(j, at.rows, reads, d_sums, kept, gradients);
            kept = 0;
        }
    }
    narrow(j, d_h, width, at.first, at.rows, call->d_h0);
    if (lstm) narrow(j, d_c, width, at.first, at.rows, call->d_c0);
}

#endif
