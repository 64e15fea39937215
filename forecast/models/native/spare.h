/* Large blocks of memory that are used anew. */
#ifndef FORECAST_SPARE_H
#define FORECAST_SPARE_H

#include <stddef.h>

/* A block of so many bytes with any content, aligned to 64; NULL if there is no memory. */
void *forecast_take(size_t size);

/* Give it back, with its size. */
void forecast_give_back(void *block, size_t size);

#endif
