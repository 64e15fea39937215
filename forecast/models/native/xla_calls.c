/* The kernel as custom calls of XLA, which JAX compiles into its programs.
 *
 * XLA hands a call frame over; of its parts only what is needed is described here, as they lie in memory since version 0.3
 * of its interface for foreign functions (xla/ffi/api/c_api.h). A frame that is smaller or holds other numbers of arguments
 * is refused.
 */
#include <string.h>

#include "kernel.h"

typedef struct extension {
    size_t struct_size;
    int type;
    struct extension *next;
} extension;

typedef struct {
    size_t struct_size;
    extension *extensions;
    int major, minor;
} api_version;

enum { METADATA = 1, EXECUTE = 3, INTERNAL = 13 };

typedef struct {
    extension base;
    struct {
        size_t struct_size;
        api_version version;
        uint32_t traits;
    } *metadata;
} metadata_extension;

typedef struct {
    size_t struct_size;
    extension *extensions;
    const char *message;
    int code;
} error_arguments;

typedef struct {
    size_t struct_size;
    extension *extensions;
    api_version version;
    const void *internal;
    void *(*error)(error_arguments *);
} interface;

typedef struct {
    size_t struct_size;
    extension *extensions;
    int type;
    void *data;
    int64_t rank;
    const int64_t *dims;
} buffer;

typedef struct {
    size_t struct_size;
    extension *extensions;
    int64_t size;
    int *types;
    buffer **list;
} buffers;

typedef struct {
    size_t struct_size;
    extension *extensions;
    const interface *api;
    void *context;
    int stage;
    buffers arguments, results;
} frame;

enum { SETTINGS, X, KERNEL, RECURRENT, BIAS, H0, C0, MASK, FORWARD_INPUTS, RESERVE = FORWARD_INPUTS, D_LAST, D_H, D_C,
       D_SEQUENCE, BACKWARD_INPUTS };
enum { CELL, BACKWARDS, ZERO_MASKED, THREADS };

static void *refused(const frame *f, const char *why) {
    error_arguments arguments = {sizeof arguments, NULL, why, INTERNAL};
    return f->api->error(&arguments);
}

/* Data of a buffer, NULL if it is empty. */
static void *data_of(const buffer *b) {
    for (int64_t i = 0; i < b->rank; i++)
        if (!b->dims[i]) return NULL;
    return b->data;
}

/* Whether this was a question for the version; then it is answered. */
static int asked_for_version(const frame *f) {
    extension *e = f->extensions;
    if (!e || e->type != METADATA) return 0;
    metadata_extension *asked = (metadata_extension *)e;
    asked->metadata->version.major = f->api->version.major;
    asked->metadata->version.minor = f->api->version.minor;
    return 1;
}

static const char *described(const frame *f, int inputs, int outputs, forecast_call *c) {
    if (f->struct_size < sizeof(frame) || f->arguments.size != inputs || f->results.size != outputs)
        return "a recurrent layer was called with other arguments than it has";
    buffer **in = f->arguments.list;
    if (in[X]->rank != 3 || in[RECURRENT]->rank != 2) return "inputs of a recurrent layer have the wrong number of axes";
    const int32_t *set = in[SETTINGS]->data;
    *c = (forecast_call){.cell = set[CELL], .backwards = set[BACKWARDS], .zero_masked = set[ZERO_MASKED]};
    c->threads = set[THREADS];
    c->batch = in[X]->dims[0], c->steps = in[X]->dims[1], c->inputs = in[X]->dims[2], c->units = in[RECURRENT]->dims[0];
    c->x = data_of(in[X]), c->x_step = c->inputs, c->x_batch = c->steps * c->inputs;
    c->kernel = data_of(in[KERNEL]), c->recurrent = data_of(in[RECURRENT]), c->bias = data_of(in[BIAS]);
    c->h0 = data_of(in[H0]), c->c0 = data_of(in[C0]), c->mask = data_of(in[MASK]);
    return NULL;
}

static void *outcome(const frame *f, int found) {
    if (found == FORECAST_BAD_CALL) return refused(f, "a recurrent layer has a size that the kernel refuses");
    return found == FORECAST_NO_MEMORY ? refused(f, "no memory for a recurrent layer") : NULL;
}

/* Results: last, h, c, sequence, reserve. */
FORECAST_API void *forecast_xla_forward(frame *f) {
    forecast_call c;
    if (asked_for_version(f) || f->stage != EXECUTE) return NULL;
    const char *why = described(f, FORWARD_INPUTS, 5, &c);
    if (why) return refused(f, why);
    buffer **out = f->results.list;
    c.last = data_of(out[0]), c.h_last = data_of(out[1]), c.c_last = data_of(out[2]);
    c.sequence = data_of(out[3]), c.reserve = data_of(out[4]);
    return outcome(f, forecast_forward(&c));
}

/* Results: the gradients of x, kernel, recurrent, bias, h0, c0; empty where not asked for. */
FORECAST_API void *forecast_xla_backward(frame *f) {
    forecast_call c;
    if (asked_for_version(f) || f->stage != EXECUTE) return NULL;
    const char *why = described(f, BACKWARD_INPUTS, 6, &c);
    if (why) return refused(f, why);
    buffer **in = f->arguments.list, **out = f->results.list;
    c.reserve = data_of(in[RESERVE]);
    c.d_last = data_of(in[D_LAST]), c.d_h_last = data_of(in[D_H]), c.d_c_last = data_of(in[D_C]);
    c.d_sequence = data_of(in[D_SEQUENCE]);
    c.d_x = data_of(out[0]), c.d_kernel = data_of(out[1]), c.d_recurrent = data_of(out[2]), c.d_bias = data_of(out[3]);
    c.d_h0 = data_of(out[4]), c.d_c0 = data_of(out[5]);
    return outcome(f, forecast_backward(&c));
}
