/* Seeded pictures of ten simple shapes: the demo's data, made on the spot, the same on every machine. */
#ifndef SHAPES_H
#define SHAPES_H

#include <stdint.h>

enum { SHAPE_SIZE = 24, SHAPE_CLASSES = 10 };

/* Draws picture `index` of the series `seed`: SHAPE_SIZE x SHAPE_SIZE grey levels. Returns its class. */
int shape_draw(uint64_t seed, uint64_t index, uint8_t image[SHAPE_SIZE * SHAPE_SIZE]);
const char *shape_name(int shape);

#endif
