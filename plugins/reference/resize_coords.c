/* Coordinates of Resize (resize_coords.h). */
#include "resize_coords.h"

#include <math.h>

ref_resize_dim ref_resize_dim_of(const qe_problem *p, uint32_t d) {
  const qe_op_params *a = p->params;
  ref_resize_dim r = {.coord = a->coord,
                      .in = p->in[0]->dims[d],
                      .out = p->out[0]->dims[d],
                      .scale = a->scales[d],
                      .start = a->roi[d],
                      .end = a->roi[QE_MAX_RANK + d]};
  /* Said apart because large sizes are not exact in float32. */
  r.same = r.in == r.out && r.scale == 1.0f &&
           (r.coord != QE_COORD_TF_CROP_AND_RESIZE || (r.start == 0.0f && r.end == 1.0f));
  return r;
}

float ref_resize_coordinate(const ref_resize_dim *r, int64_t i) {
  const float x = (float)i, in = (float)r->in, out = (float)r->out;
  if (r->same)
    return x;
  switch (r->coord) {
  case QE_COORD_ASYMMETRIC: return x / r->scale;
  case QE_COORD_ALIGN_CORNERS: return r->out == 1 ? 0.0f : x * (in - 1.0f) / (out - 1.0f);
  case QE_COORD_PYTORCH_HALF_PIXEL: return r->out > 1 ? (x + 0.5f) / r->scale - 0.5f : 0.0f;
  case QE_COORD_HALF_PIXEL_SYMMETRIC: {
    const float adjustment = out / (r->scale * in), center = in / 2.0f, offset = center * (1.0f - adjustment);
    return offset + (x + 0.5f) / r->scale - 0.5f;
  }
  case QE_COORD_TF_CROP_AND_RESIZE:
    return r->out > 1 ? r->start * (in - 1.0f) + x * (r->end - r->start) * (in - 1.0f) / (out - 1.0f)
                      : 0.5f * (r->start + r->end) * (in - 1.0f);
  default: return (x + 0.5f) / r->scale - 0.5f; /* half_pixel */
  }
}

int64_t ref_resize_nearest(const ref_resize_dim *r, uint32_t nearest, float x) {
  float v;
  switch (nearest) {
  case QE_NEAREST_FLOOR: v = floorf(x); break;
  case QE_NEAREST_CEIL: v = ceilf(x); break;
  case QE_NEAREST_ROUND_PREFER_CEIL: v = floorf(x) + (x - floorf(x) >= 0.5f ? 1.0f : 0.0f); break;
  default: v = floorf(x) + (x - floorf(x) > 0.5f ? 1.0f : 0.0f); break;
  }
  return !(v > 0.0f) ? 0 : v >= (float)(r->in - 1) ? r->in - 1 : (int64_t)v;
}
