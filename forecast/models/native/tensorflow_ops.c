/* The kernel as operations of TensorFlow, through its C interface.
 *
 * TensorFlow loads this library when it is running, so that its functions are found by their names; no header or library
 * of it is needed to build this. ForecastRecurrent runs a layer, ForecastRecurrentBack gives its gradients; an input that
 * a call does not have is an empty tensor.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

#include "kernel.h"
#include "spare.h"

enum { TF_OK = 0, TF_INVALID_ARGUMENT = 3, TF_RESOURCE_EXHAUSTED = 8, TF_FLOAT = 1, TF_BOOL = 10 };

typedef void deallocator(void *data, size_t size, void *argument);

static struct {
    void *(*NewStatus)(void);
    void (*DeleteStatus)(void *);
    void (*SetStatus)(void *, int, const char *);
    int (*GetCode)(const void *);
    void *(*NewTensor)(int, const int64_t *, int, void *, size_t, deallocator *, void *);
    void (*DeleteTensor)(void *);
    void *(*TensorData)(const void *);
    int (*NumDims)(const void *);
    int64_t (*Dim)(const void *, int);
    void *(*NewOpDefinitionBuilder)(const char *);
    void (*OpDefinitionBuilderAddAttr)(void *, const char *);
    void (*OpDefinitionBuilderAddInput)(void *, const char *);
    void (*OpDefinitionBuilderAddOutput)(void *, const char *);
    void (*RegisterOpDefinition)(void *, void *);
    void *(*NewKernelBuilder)(const char *, const char *, void *(*)(void *), void (*)(void *, void *), void (*)(void *));
    void (*RegisterKernelBuilder)(const char *, void *, void *);
    void (*OpKernelConstruction_GetAttrInt32)(void *, const char *, int32_t *, void *);
    void (*OpKernelContext_Failure)(void *, void *);
    void (*GetInput)(void *, int, void **, void *);
    void *(*AllocateOutput)(void *, int, int, const int64_t *, int, size_t, void *);
    void (*SetOutput)(void *, int, const void *, void *);
} tf;

static struct {
    int (*forward)(const forecast_call *);
    int (*backward)(const forecast_call *);
    int64_t (*reserve)(const forecast_call *);
} kernel;

/* Where the kernel is. */
FORECAST_API void forecast_connect(void *forward, void *backward, void *reserve) {
    memcpy(&kernel.forward, &forward, sizeof forward);
    memcpy(&kernel.backward, &backward, sizeof backward);
    memcpy(&kernel.reserve, &reserve, sizeof reserve);
}

static const char *const inputs[] = {"x", "kernel", "recurrent", "bias", "h0", "c0", "mask"};
static const char *const attributes[] = {"cell", "backwards", "zero_masked", "sequences", "keep", "x_asked", "threads"};
enum { X, KERNEL, RECURRENT, BIAS, H0, C0, MASK, INPUTS, RESERVE = INPUTS, D_LAST, D_H, D_C, D_SEQUENCE, ALL_INPUTS };
enum { CELL, BACKWARDS, ZERO_MASKED, SEQUENCES, KEEP, X_ASKED, THREADS, ATTRIBUTES };

typedef struct {
    int32_t attribute[ATTRIBUTES];
} settings;

/* What a computation holds until it ends. */
typedef struct {
    void *context, *status;
    const settings *set;
    void *tensors[ALL_INPUTS];
    int count;
    forecast_call call;
} running;

static void fail(running *r, int code, const char *why) {
    tf.SetStatus(r->status, code, why);
}

static int64_t elements(const void *tensor) {
    int64_t n = 1;
    for (int i = 0; i < tf.NumDims(tensor); i++) n *= tf.Dim(tensor, i);
    return n;
}

/* The data of input i; NULL if it is empty; a fault if it has not so many elements. */
static const void *data_of(running *r, int i, int64_t expected) {
    const int64_t n = elements(r->tensors[i]);
    if (!n) return NULL;
    if (n != expected) fail(r, TF_INVALID_ARGUMENT, "an input of a recurrent layer does not fit the others");
    return tf.TensorData(r->tensors[i]);
}

static int begin(running *r, void *state, void *context, int count) {
    *r = (running){.context = context, .status = tf.NewStatus(), .set = state, .count = count};
    for (int i = 0; i < count; i++) {
        tf.GetInput(context, i, &r->tensors[i], r->status);
        if (tf.GetCode(r->status) != TF_OK) return 0;
    }
    void *x = r->tensors[X], *recurrent = r->tensors[RECURRENT];
    if (tf.NumDims(x) != 3 || tf.NumDims(recurrent) != 2) {
        fail(r, TF_INVALID_ARGUMENT, "inputs of a recurrent layer have the wrong number of axes");
        return 0;
    }
    forecast_call *c = &r->call;
    const int32_t *set = r->set->attribute;
    c->cell = set[CELL], c->backwards = set[BACKWARDS], c->threads = set[THREADS];
    c->zero_masked = set[ZERO_MASKED];
    c->batch = tf.Dim(x, 0), c->steps = tf.Dim(x, 1), c->inputs = tf.Dim(x, 2), c->units = tf.Dim(recurrent, 0);
    const int64_t gates = c->cell == FORECAST_LSTM ? 4 : c->cell == FORECAST_GRU ? 3 : 1, columns = gates * c->units;
    c->x_step = c->inputs, c->x_batch = c->steps * c->inputs;
    c->x = data_of(r, X, c->batch * c->x_batch);
    c->kernel = data_of(r, KERNEL, c->inputs * columns);
    c->recurrent = data_of(r, RECURRENT, c->units * columns);
    c->bias = data_of(r, BIAS, columns * (c->cell == FORECAST_GRU ? 2 : 1));
    c->h0 = data_of(r, H0, c->batch * c->units);
    c->c0 = data_of(r, C0, c->batch * c->units);
    c->mask = data_of(r, MASK, c->batch * c->steps);
    return tf.GetCode(r->status) == TF_OK;
}

static void end(running *r) {
    if (tf.GetCode(r->status) != TF_OK) tf.OpKernelContext_Failure(r->context, r->status);
    for (int i = 0; i < r->count; i++)
        if (r->tensors[i]) tf.DeleteTensor(r->tensors[i]);
    tf.DeleteStatus(r->status);
}

/* A new output of up to three dimensions; where it is not wanted, an empty one, and NULL is returned. */
static float *output(running *r, int i, int wanted, int rank, const int64_t *dims) {
    const int64_t none = 0;
    size_t size = sizeof(float);
    for (int d = 0; d < rank; d++) size *= (size_t)dims[d];
    void *tensor = wanted ? tf.AllocateOutput(r->context, i, TF_FLOAT, dims, rank, size, r->status)
                          : tf.AllocateOutput(r->context, i, TF_FLOAT, &none, 1, 0, r->status);
    if (!tensor) return NULL;
    float *data = wanted ? tf.TensorData(tensor) : NULL;
    tf.DeleteTensor(tensor);
    return data;
}

static void spared(void *data, size_t size, void *argument) {
    (void)argument;
    forecast_give_back(data, size);
}

/* The reserve comes from blocks that are used anew: fresh memory takes the system longer than the kernel its work. */
static float *reserve_output(running *r, int i, int64_t floats) {
    const size_t size = (size_t)floats * sizeof(float);
    void *data = forecast_take(size);
    void *tensor = data ? tf.NewTensor(TF_FLOAT, &floats, 1, data, size, spared, NULL) : NULL;
    if (!tensor) {
        fail(r, TF_RESOURCE_EXHAUSTED, "no memory for the reserve of a recurrent layer");
        return NULL;
    }
    tf.SetOutput(r->context, i, tensor, r->status);
    tf.DeleteTensor(tensor);
    return data;
}

static void carry_out(running *r, int (*code)(const forecast_call *)) {
    if (tf.GetCode(r->status) != TF_OK) return;
    const int found = code(&r->call);
    if (found == FORECAST_BAD_CALL) fail(r, TF_INVALID_ARGUMENT, "a recurrent layer has a size that the kernel refuses");
    if (found == FORECAST_NO_MEMORY) fail(r, TF_RESOURCE_EXHAUSTED, "no memory for a recurrent layer");
}

static void forward(void *state, void *context) {
    running r;
    if (begin(&r, state, context, INPUTS)) {
        forecast_call *c = &r.call;
        const int32_t *set = r.set->attribute;
        const int64_t states[2] = {c->batch, c->units}, all[3] = {c->batch, c->steps, c->units};
        const int64_t floats = set[KEEP] ? kernel.reserve(c) : 0;
        if (c->batch == 0 || floats < 0) {
            for (int i = 0; i < 5; i++) output(&r, i, i < 3, i < 3 ? 2 : 0, states);
            if (c->batch) fail(&r, TF_INVALID_ARGUMENT, "a recurrent layer has a size that the kernel refuses");
        } else {
            c->last = output(&r, 0, 1, 2, states);
            c->h_last = output(&r, 1, 1, 2, states);
            c->c_last = output(&r, 2, c->cell == FORECAST_LSTM, 2, states);
            c->sequence = output(&r, 3, set[SEQUENCES], 3, all);
            c->reserve = floats ? reserve_output(&r, 4, floats) : output(&r, 4, 0, 0, NULL);
            carry_out(&r, kernel.forward);
        }
    }
    end(&r);
}

static void backward(void *state, void *context) {
    running r;
    if (begin(&r, state, context, ALL_INPUTS)) {
        forecast_call *c = &r.call;
        const int32_t *set = r.set->attribute;
        const int64_t gates = c->cell == FORECAST_LSTM ? 4 : c->cell == FORECAST_GRU ? 3 : 1, columns = gates * c->units;
        const int64_t states[2] = {c->batch, c->units}, x[3] = {c->batch, c->steps, c->inputs};
        const int64_t of_kernel[2] = {c->inputs, columns}, of_recurrent[2] = {c->units, columns}, of_bias[2] = {2, columns};
        const int gru = c->cell == FORECAST_GRU, lstm = c->cell == FORECAST_LSTM;
        const int64_t floats = c->batch ? kernel.reserve(c) : 0;
        c->d_last = data_of(&r, D_LAST, c->batch * c->units);
        c->d_h_last = data_of(&r, D_H, c->batch * c->units);
        c->d_c_last = lstm ? data_of(&r, D_C, c->batch * c->units) : NULL;
        c->d_sequence = data_of(&r, D_SEQUENCE, c->batch * c->steps * c->units);
        c->reserve = (float *)data_of(&r, RESERVE, floats);
        c->d_x = output(&r, 0, set[X_ASKED], 3, x);
        c->d_kernel = output(&r, 1, 1, 2, of_kernel);
        c->d_recurrent = output(&r, 2, 1, 2, of_recurrent);
        c->d_bias = output(&r, 3, c->bias != NULL, gru ? 2 : 1, gru ? of_bias : of_bias + 1);
        c->d_h0 = output(&r, 4, c->h0 != NULL, 2, states);
        c->d_c0 = output(&r, 5, c->c0 != NULL, 2, states);
        void *own = NULL;
        if (tf.GetCode(r.status) == TF_OK && floats > 0 && !c->reserve) {
            /* Nobody knew in time that a gradient would be asked for. */
            c->reserve = own = forecast_take((size_t)floats * sizeof(float));
            carry_out(&r, kernel.forward);
        }
        if (c->batch) carry_out(&r, kernel.backward);
        else {
            memset(c->d_kernel, 0, (size_t)(c->inputs * columns) * sizeof(float));
            memset(c->d_recurrent, 0, (size_t)(c->units * columns) * sizeof(float));
            if (c->d_bias) memset(c->d_bias, 0, (size_t)(columns * (gru ? 2 : 1)) * sizeof(float));
        }
        if (own) forecast_give_back(own, (size_t)floats * sizeof(float));
    }
    end(&r);
}

static void *made(void *construction) {
    settings *set = calloc(1, sizeof *set);
    void *status = tf.NewStatus();
    for (int i = 0; set && i < ATTRIBUTES; i++)
        tf.OpKernelConstruction_GetAttrInt32(construction, attributes[i], &set->attribute[i], status);
    tf.DeleteStatus(status);
    return set;
}

static void defined(const char *name, const char *const *more, const char *const *outputs, void (*code)(void *, void *)) {
    char line[64];
    void *status = tf.NewStatus(), *builder = tf.NewOpDefinitionBuilder(name);
    for (int i = 0; i < INPUTS; i++) {
        strcat(strcpy(line, inputs[i]), i == MASK ? ": bool" : ": float");
        tf.OpDefinitionBuilderAddInput(builder, line);
    }
    for (; *more; more++) tf.OpDefinitionBuilderAddInput(builder, *more);
    for (; *outputs; outputs++) tf.OpDefinitionBuilderAddOutput(builder, *outputs);
    for (int i = 0; i < ATTRIBUTES; i++) tf.OpDefinitionBuilderAddAttr(builder, strcat(strcpy(line, attributes[i]), ": int"));
    tf.RegisterOpDefinition(builder, status);
    if (tf.GetCode(status) == TF_OK)
        tf.RegisterKernelBuilder(name, tf.NewKernelBuilder(name, "CPU", made, code, free), status);
    tf.DeleteStatus(status);
}

__attribute__((constructor)) static void registered(void) {
    static const char *const nothing[] = {NULL};
    static const char *const given_back[] = {"reserve: float", "d_last: float", "d_h: float", "d_c: float",
                                             "d_sequence: float", NULL};
    static const char *const found[] = {"last: float", "h: float", "c: float", "sequence: float", "kept: float", NULL};
    static const char *const gradients[] = {"d_x: float", "d_kernel: float", "d_recurrent: float",
                                            "d_bias: float", "d_h0: float", "d_c0: float", NULL};
    void *library = dlopen("libtensorflow_framework.so.2", RTLD_NOW | RTLD_NOLOAD);
    if (!library) return;
#define FIND(name)                                                                                                     \
    {                                                                                                                  \
        void *symbol = dlsym(library, "TF_" #name);                                                                    \
        if (!symbol) return;                                                                                           \
        memcpy(&tf.name, &symbol, sizeof symbol);                                                                      \
    }
    FIND(NewStatus) FIND(DeleteStatus) FIND(SetStatus) FIND(GetCode) FIND(NewTensor) FIND(DeleteTensor)
    FIND(TensorData) FIND(NumDims) FIND(Dim) FIND(NewOpDefinitionBuilder) FIND(OpDefinitionBuilderAddAttr)
    FIND(OpDefinitionBuilderAddInput) FIND(OpDefinitionBuilderAddOutput) FIND(RegisterOpDefinition)
    FIND(NewKernelBuilder) FIND(RegisterKernelBuilder) FIND(OpKernelConstruction_GetAttrInt32)
    FIND(OpKernelContext_Failure) FIND(GetInput) FIND(AllocateOutput) FIND(SetOutput)
    defined("ForecastRecurrent", nothing, found, forward);
    defined("ForecastRecurrentBack", given_back, gradients, backward);
}
