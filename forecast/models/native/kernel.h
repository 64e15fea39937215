/* Recurrent layers on a CPU, forward and backward, as a C library: one call a layer.
 *
 * Weights lie as Keras keeps them: kernel (inputs, gates * units), recurrent (units, gates * units), gates in the order
 * i f c o (LSTM) and z r h (GRU, reset_after=True); bias (gates * units), of a GRU (2, gates * units).
 * All arrays are float32 and, but for x, contiguous. A pointer may be NULL where "or NULL" is said.
 */
#ifndef FORECAST_KERNEL_H
#define FORECAST_KERNEL_H

#include <stddef.h>
#include <stdint.h>

enum { FORECAST_RNN_TANH = 0, FORECAST_RNN_RELU = 1, FORECAST_LSTM = 2, FORECAST_GRU = 3, FORECAST_CELLS = 4 };

/* Which instructions are used; AUTO takes the best that this processor has. */
enum { FORECAST_AUTO = 0, FORECAST_BASELINE = 1, FORECAST_AVX2 = 2, FORECAST_AVX512 = 3 };

enum { FORECAST_DONE = 0, FORECAST_BAD_CALL = 1, FORECAST_NO_MEMORY = 2 };

typedef struct {
    int32_t cell, level, threads;  /* threads: at most so many; what is computed does not depend on it */
    int32_t backwards;             /* read from the last step to the first; outputs are in the order of the reading */
    int32_t zero_masked;           /* the outputs of masked steps are zero, not those of the step before */
    int64_t batch, steps, inputs, units;

    /* Row (b, t) of the inputs begins at x[(starts ? starts[b] : b * x_batch) + t * x_step]. */
    const float *x;
    int64_t x_batch, x_step;
    const int64_t *starts;         /* (batch) or NULL */
    const float *kernel, *recurrent;
    const float *bias;             /* or NULL */
    const float *h0, *c0;          /* (batch, units); c0: LSTM; or NULL for zeros */
    const uint8_t *mask;           /* (batch, steps), 0 where a row is passed over: the state stays; or NULL */
    const float *input_drop;       /* (batch, inputs), factors of the inputs at every step; or NULL */
    const float *state_drop;       /* (batch, units), factors of the state that the gates see; or NULL */

    /* Forward writes these. The output of a masked step is that of the step before, zero before the first real one; or
     * zero. */
    float *sequence;               /* (batch, steps, units) or NULL */
    float *last;                   /* (batch, units), the last output, or NULL */
    float *h_last, *c_last;        /* (batch, units), the states behind the last step; or NULL */
    float *reserve;                /* forecast_reserve() floats for the backward pass, aligned to 64 bytes; or NULL */

    /* Backward reads the fields above, but for x and the outputs, and these; NULL is zero. */
    const float *d_sequence, *d_last, *d_h_last, *d_c_last;
    /* It writes these, NULL for what is not asked for. */
    float *d_x;                    /* (batch, steps, inputs), contiguous */
    float *d_kernel, *d_recurrent, *d_bias, *d_h0, *d_c0;
} forecast_call;

#define FORECAST_API __attribute__((visibility("default")))

/* Return one of FORECAST_DONE, _BAD_CALL, _NO_MEMORY. */
FORECAST_API int forecast_forward(const forecast_call *call);
FORECAST_API int forecast_backward(const forecast_call *call);

/* Floats that the reserve of a call needs; -1 for a call that is wrong. */
FORECAST_API int64_t forecast_reserve(const forecast_call *call);

/* The best level that this processor has and this library holds. */
FORECAST_API int forecast_level(void);

#endif
