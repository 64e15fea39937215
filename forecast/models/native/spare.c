/* A few blocks are kept between the calls; the one that was given back longest ago makes room. */
#include "spare.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum { KEPT = 8 };

static struct {
    void *block;
    size_t size;
} kept[KEPT];
static int count;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

void *forecast_take(size_t size) {
    void *found = NULL;
    pthread_mutex_lock(&lock);
    for (int i = count - 1; i >= 0 && !found; i--)
        if (kept[i].size == size) {
            found = kept[i].block;
            memmove(kept + i, kept + i + 1, (size_t)(--count - i) * sizeof *kept);
        }
    pthread_mutex_unlock(&lock);
    return found ? found : aligned_alloc(64, (size + 63) / 64 * 64);
}

void forecast_give_back(void *block, size_t size) {
    void *out = NULL;
    pthread_mutex_lock(&lock);
    if (count == KEPT) {
        out = kept[0].block;
        memmove(kept, kept + 1, (size_t)--count * sizeof *kept);
    }
    kept[count].block = block;
    kept[count++].size = size;
    pthread_mutex_unlock(&lock);
    free(out);
}
