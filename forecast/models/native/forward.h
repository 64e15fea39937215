/* A tile of rows through all steps. */
#ifndef FORECAST_FORWARD_H
#define FORECAST_FORWARD_H

#include "tile.h"

/* Put the inputs of a step beside the state; zeros where a row is not real, whatever stands there. */
static void read_inputs(const job *j, const tile_place *at, ptrdiff_t p, float *read) {
    const forecast_call *call = j->call;
    const ptrdiff_t inputs = call->inputs, t = step_at(j, p);
    for (ptrdiff_t r = 0; r < at->rows; r++) {
        const ptrdiff_t b = at->first + r;
        float *to = read + r * j->line + j->width;
        if (!is_real(j, b, p)) {
            memset(to, 0, (size_t)inputs * sizeof *to);
            continue;
        }
        const float *from = call->x + (call->starts ? call->starts[b] : b * call->x_batch) + t * call->x_step;
        if (call->input_drop)
            for (ptrdiff_t i = 0; i < inputs; i++) to[i] = from[i] * call->input_drop[b * inputs + i];
        else
            for (ptrdiff_t i = 0; i < inputs; i++) to[i] = from[i];
    }
}

static void gate_rows(const job *j, ptrdiff_t rows, float *sums, const float *h_before, const float *c_before, float *h,
                      float *c) {
    const ptrdiff_t width = j->width, line = j->line;
    for (ptrdiff_t r = 0; r < rows; r++) {
        float *sum = sums + r * j->sums;
        switch (j->call->cell) {
        case FORECAST_LSTM: lstm_row(sum, c_before + r * width, c + r * width, h + r * line, width); break;
        case FORECAST_GRU: gru_row(sum, h_before + r * line, h + r * line, width); break;
        case FORECAST_RNN_TANH: tanh_row(sum, h + r * line, width); break;
        default: relu_row(sum, h + r * line, width);
        }
    }
}

/* Rows that are not real keep their states. */
static void hold_rows(const job *j, const tile_place *at, ptrdiff_t p, const float *h_before, const float *c_before,
                      float *h, float *c) {
    const size_t width = (size_t)j->width * sizeof *h;
    for (ptrdiff_t r = 0; r < at->rows; r++)
        if (!is_real(j, at->first + r, p)) {
            memcpy(h + r * j->line, h_before + r * j->line, width);
            if (j->call->cell == FORECAST_LSTM) memcpy(c + r * j->width, c_before + r * j->width, width);
        }
}

/* The state to the outputs; zero where no real row was read yet, or all masked ones are to be zero. */
static void write_outputs(const job *j, const tile_place *at, ptrdiff_t p, const float *h, const uint8_t *seen) {
    const forecast_call *call = j->call;
    const ptrdiff_t units = call->units;
    for (ptrdiff_t r = 0; r < at->rows; r++) {
        const ptrdiff_t b = at->first + r;
        float *to[2] = {call->sequence ? call->sequence + (b * call->steps + p) * units : NULL,
                        call->last && p == call->steps - 1 ? call->last + b * units : NULL};
        for (int i = 0; i < 2; i++) {
            if (!to[i]) continue;
            if (call->zero_masked ? is_real(j, b, p) : seen[r]) memcpy(to[i], h + r * j->line, (size_t)units * sizeof *h);
            else memset(to[i], 0, (size_t)units * sizeof *h);
        }
    }
}

/* What the gates see of a state: the state times its factors. */
static void drop_state(const job *j, const tile_place *at, const float *h, float *read) {
    const ptrdiff_t units = j->call->units;
    for (ptrdiff_t r = 0; r < at->rows; r++)
        for (ptrdiff_t u = 0; u < units; u++)
            read[r * j->line + u] = h[r * j->line + u] * j->call->state_drop[(at->first + r) * units + u];
}

static void forward(const job *j, ptrdiff_t tile, float *scratch) {
    const forecast_call *call = j->call;
    const tile_place at = place_of(j, tile);
    const ptrdiff_t most = j->tile_rows, steps = call->steps;
    /* Two of each, in turn: behind the step, and before it. */
    float *reads = scratch, *states = reads + 2 * most * j->line, *cells = states + 2 * most * j->line;
    float *own_sums = cells + 2 * most * j->width;
    uint8_t *seen = (uint8_t *)(own_sums + most * j->sums);
    memset(seen, !call->mask, (size_t)at.rows);

    float *read = at.reserve ? at.reserve : reads;
    float *h = call->state_drop ? states : read, *c = cells;
    widen(j, call->h0, at.first, at.rows, h, j->line);
    if (call->cell == FORECAST_LSTM) widen(j, call->c0, at.first, at.rows, c, j->width);
    if (call->state_drop) drop_state(j, &at, h, read);
    for (ptrdiff_t p = 0; p < steps; p++) {
        const int spare = (int)((p + 1) & 1);
        float *sums = at.reserve ? read + at.rows * j->line : own_sums;
        float *next = at.reserve && p + 1 < steps ? at.reserve + (p + 1) * at.step_floats
                                                  : reads + spare * most * j->line;
        float *h_next = call->state_drop ? states + spare * most * j->line : next;
        float *c_next = at.reserve && call->cell == FORECAST_LSTM ? sums + at.rows * j->sums
                                                                  : cells + spare * most * j->width;
        if (any_real(j, &at, p)) {
            read_inputs(j, &at, p, read);
            sums_of(j, read, sums, at.rows);
            gate_rows(j, at.rows, sums, h, c, h_next, c_next);
        }
        if (call->mask) hold_rows(j, &at, p, h, c, h_next, c_next);
        for (ptrdiff_t r = 0; call->mask && r < at.rows; r++) seen[r] |= is_real(j, at.first + r, p) != 0;
        if (call->sequence || p == steps - 1) write_outputs(j, &at, p, h_next, seen);
        if (call->state_drop) {
            drop_state(j, &at, h_next, next);
            if (at.reserve && j->carry && call->cell == FORECAST_GRU)
                for (ptrdiff_t r = 0; r < at.rows; r++)
                    memcpy(sums + at.rows * j->sums + r * j->width, h_next + r * j->line,
                           (size_t)j->width * sizeof *h);
        }
        read = next, h = h_next, c = c_next;
    }
    narrow(j, h, j->line, at.first, at.rows, call->h_last);
    if (call->cell == FORECAST_LSTM) narrow(j, c, j->width, at.first, at.rows, call->c_last);
}

#endif
