/*
 * Pictures of ten shapes at random places, sizes and angles, with uneven light, clutter and noise. Only + - * / and
 * sqrt are used, so that the bytes are the same everywhere.
 */
#include "shapes.h"

#include <math.h>

typedef struct rng {
  uint64_t state;
} rng;

static uint64_t next(rng *r) { /* splitmix64 */
  uint64_t z = (r->state += UINT64_C(0x9e3779b97f4a7c15));
  z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
  z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
  return z ^ (z >> 31);
}

static float uniform(rng *r, float lo, float hi) { return lo + (hi - lo) * ((float)(next(r) >> 40) / 16777216.0f); }

/* Close enough to a normal deviate for noise: the sum of four uniforms. */
static float noise(rng *r) { return uniform(r, -1, 1) + uniform(r, -1, 1) + uniform(r, -1, 1) + uniform(r, -1, 1); }

static const char *const NAMES[SHAPE_CLASSES] = {"disc", "ring", "square", "frame", "triangle", "plus", "cross", "bar", "stripes", "corner"};

const char *shape_name(int shape) { return shape >= 0 && shape < SHAPE_CLASSES ? NAMES[shape] : "?"; }

/* Is (x, y), in units of the shape's size, inside? The shape spans about -1..1. */
static int inside(int shape, float x, float y) {
  const float ax = fabsf(x), ay = fabsf(y), far = ax > ay ? ax : ay, r2 = x * x + y * y;
  switch (shape) {
    case 0: return r2 < 0.8f;
    case 1: return r2 < 0.9f && r2 > 0.36f;
    case 2: return far < 0.75f;
    case 3: return far < 0.85f && far > 0.5f;
    case 4: return y < 0.7f && y > -0.8f + 1.6f * ax;
    case 5: return far < 0.9f && (ax < 0.25f || ay < 0.25f);
    case 6: return far < 0.85f && (fabsf(x - y) < 0.35f || fabsf(x + y) < 0.35f);
    case 7: return ax < 0.3f && ay < 0.95f;
    case 8: return far < 0.9f && (fabsf(x - 0.6f) < 0.2f || ax < 0.2f || fabsf(x + 0.6f) < 0.2f);
    default: return far < 0.85f && (x < -0.4f || y > 0.4f);
  }
}

int shape_draw(uint64_t seed, uint64_t index, uint8_t image[SHAPE_SIZE * SHAPE_SIZE]) {
  rng r = {seed * UINT64_C(0x2545f4914f6cdd1d) + index * UINT64_C(0xd1342543de82ef95)};
  (void)next(&r);
  const int shape = (int)(next(&r) % SHAPE_CLASSES);
  const float size = uniform(&r, 4.0f, 8.5f);
  const float cx = uniform(&r, 8.0f, 16.0f), cy = uniform(&r, 8.0f, 16.0f);
  /* an angle as a direction: no sine needed */
  float c = uniform(&r, 0.55f, 1.0f), s = uniform(&r, -0.5f, 0.5f);
  const float length = sqrtf(c * c + s * s);
  c /= length;
  s /= length;
  const float stretch = uniform(&r, 0.75f, 1.0f);
  const float ground = uniform(&r, 20.0f, 110.0f), contrast = uniform(&r, 35.0f, 110.0f);
  const float light_x = uniform(&r, -2.5f, 2.5f), light_y = uniform(&r, -2.5f, 2.5f), grain = uniform(&r, 4.0f, 16.0f);
  const float spot_x = uniform(&r, 0.0f, 24.0f), spot_y = uniform(&r, 0.0f, 24.0f), spot = uniform(&r, 1.0f, 3.0f);
  for (int row = 0; row < SHAPE_SIZE; row++) {
    for (int col = 0; col < SHAPE_SIZE; col++) {
      int hits = 0;
      for (int sub = 0; sub < 4; sub++) { /* 2 x 2 samples a pixel */
        const float dx = (float)col + (float)(sub & 1) * 0.5f - cx, dy = (float)row + (float)(sub >> 1) * 0.5f - cy;
        hits += inside(shape, (c * dx + s * dy) / (size * stretch), (c * dy - s * dx) / size);
      }
      float v = ground + light_x * (float)(col - 12) + light_y * (float)(row - 12) + contrast * (float)hits * 0.25f;
      const float ex = (float)col - spot_x, ey = (float)row - spot_y;
      if (ex * ex + ey * ey < spot * spot) v += 40.0f;
      v += grain * noise(&r);
      image[row * SHAPE_SIZE + col] = (uint8_t)(v < 0.0f ? 0.0f : v > 255.0f ? 255.0f : v);
    }
  }
  return shape;
}
