/* Matrix products of small matrices that stay in the cache: C = init + sum over segments of A B.
 *
 * A tile of C, up to ROWS rows and PANEL vectors, is held in registers while the products run. B is packed in panels of
 * PANEL vectors so that it is read in one stream; or it lies as it is, rows of b_step floats.
 */
#ifndef FORECAST_PRODUCT_H
#define FORECAST_PRODUCT_H

#include "vectors.h"

#define MOST_ROWS 8

/* A (rows, k) is at a[row * a_row + i * a_step]; B (k, columns) at b, packed where b_step is 0. */
typedef struct {
    const float *a;
    ptrdiff_t a_row, a_step;
    const float *b;
    ptrdiff_t b_step;
    ptrdiff_t k;
} segment;

/* Where C is, and what it begins with: init_row is 0 for one row that all share. */
typedef struct {
    float *c;
    ptrdiff_t c_row;
    const float *init;
    ptrdiff_t init_row;
} target;

INLINE void tile(int rows, int vectors, const segment *segments, int count, target to) {
    vec acc[MOST_ROWS][PANEL];
#pragma GCC unroll 8
    for (int r = 0; r < rows; r++)
#pragma GCC unroll 4
        for (int v = 0; v < vectors; v++) acc[r][v] = load(to.init + r * to.init_row + v * LANES);
    for (int s = 0; s < count; s++) {
        const float *a = segments[s].a, *b = segments[s].b;
        const ptrdiff_t a_row = segments[s].a_row, a_step = segments[s].a_step, k = segments[s].k;
        const ptrdiff_t b_step = segments[s].b_step;
        for (ptrdiff_t i = 0; i < k; i++, a += a_step, b += b_step) {
            vec line[PANEL];
#pragma GCC unroll 4
            for (int v = 0; v < vectors; v++) line[v] = load(b + v * LANES);
#pragma GCC unroll 8
            for (int r = 0; r < rows; r++) {
                const vec each = every(a[r * a_row]);
#pragma GCC unroll 4
                for (int v = 0; v < vectors; v++) acc[r][v] += each * line[v];
            }
        }
    }
#pragma GCC unroll 8
    for (int r = 0; r < rows; r++)
#pragma GCC unroll 4
        for (int v = 0; v < vectors; v++) store(to.c + r * to.c_row + v * LANES, acc[r][v]);
}

/* The target goes in registers: a structure written just before would be waited for. */
#define TILE(R, V)                                                                                                     \
    static void tile_##R##_##V(const segment *segments, int count, float *c, ptrdiff_t c_row, const float *init,       \
                               ptrdiff_t init_row) {                                                                   \
        tile(R, V, segments, count, (target){c, c_row, init, init_row});                                               \
    }
#define TILES(V) TILE(1, V) TILE(2, V) TILE(3, V) TILE(4, V) TILE(5, V) TILE(6, V) TILE(7, V) TILE(8, V)
#define ROW_OF_TILES(V) {tile_1_##V, tile_2_##V, tile_3_##V, tile_4_##V, tile_5_##V, tile_6_##V, tile_7_##V, tile_8_##V}

TILES(1)
TILES(2)
#if PANEL > 2
TILES(3)
TILES(4)
#endif

typedef void tile_code(const segment *, int, float *, ptrdiff_t, const float *, ptrdiff_t);
static tile_code *const tile_of[PANEL][MOST_ROWS] = {
    ROW_OF_TILES(1), ROW_OF_TILES(2),
#if PANEL > 2
    ROW_OF_TILES(3), ROW_OF_TILES(4),
#endif
};

/* Rows of C that registers hold beside so many vectors of B. */
INLINE int rows_of(int vectors) {
    const int rows = (REGISTERS - 1 - vectors) / vectors;
    return rows < MOST_ROWS ? rows : MOST_ROWS;
}

/* C (rows, vectors * LANES) = init + the sum of up to MOST_SEGMENTS products. */
#define MOST_SEGMENTS 8
static void product(ptrdiff_t rows, ptrdiff_t vectors, const segment *segments, int count, target to) {
    for (ptrdiff_t first = 0; first < vectors; first += PANEL) {
        const int width = vectors - first < PANEL ? (int)(vectors - first) : PANEL;
        segment part[MOST_SEGMENTS];
        for (int s = 0; s < count; s++) {
            part[s] = segments[s];
            part[s].b += first * LANES * (segments[s].b_step ? 1 : segments[s].k);
            if (!segments[s].b_step) part[s].b_step = width * LANES;
        }
        /* Parts of nearly equal height: a last one of a single row would waste its registers. */
        const int parts = ((int)rows + rows_of(width) - 1) / rows_of(width), height = (int)rows / parts;
        const int higher = (int)rows - parts * height;
        float *c = to.c + first * LANES;
        const float *init = to.init + first * LANES;
        for (int p = 0; p < parts; p++) {
            const int here = height + (p < higher);
            tile_of[width - 1][here - 1](part, count, c, to.c_row, init, to.init_row);
            for (int s = 0; s < count; s++) part[s].a += here * part[s].a_row;
            c += here * to.c_row, init += here * to.init_row;
        }
    }
}

/* Where element (i, j) of B (k, columns) goes among panels. */
INLINE ptrdiff_t packed_at(ptrdiff_t i, ptrdiff_t j, ptrdiff_t k, ptrdiff_t columns) {
    const ptrdiff_t panel = j / (PANEL * LANES) * (PANEL * LANES);
    const ptrdiff_t width = columns - panel < PANEL * LANES ? columns - panel : PANEL * LANES;
    return panel * k + i * width + (j - panel);
}

#endif
