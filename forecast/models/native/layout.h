/* Which blocks of sums a cell has and which weights make them.
 *
 * The sums of a row are blocks of `width` floats (units, rounded up to whole vectors), laid out as
 *   simple cell   h
 *   LSTM          i f c o
 *   GRU           n z r m      n: the candidate's input part, m: its recurrent part; the inputs' weights make
 *                              n z r, the recurrent ones z r m, each in one product
 */
#ifndef FORECAST_LAYOUT_H
#define FORECAST_LAYOUT_H

#include "kernel.h"

typedef struct {
    int blocks;                    /* of sums */
    int x_first, x_blocks;         /* blocks that the inputs' weights make */
    int h_first, h_blocks;         /* blocks that the recurrent weights make */
    int x_gate[4], h_gate[4];      /* Keras's gate in each block; -1 for none */
} cell_layout;

static const cell_layout layouts[FORECAST_CELLS] = {
    {1, 0, 1, 0, 1, {0, -1, -1, -1}, {0, -1, -1, -1}},
    {1, 0, 1, 0, 1, {0, -1, -1, -1}, {0, -1, -1, -1}},
    {4, 0, 4, 0, 4, {0, 1, 2, 3}, {0, 1, 2, 3}},
    {4, 0, 3, 1, 3, {2, 0, 1, -1}, {-1, 0, 1, 2}},
};

#endif
