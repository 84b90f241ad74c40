/* Where a position of Resize's output lies in the input, per ONNX, in float32. */
#ifndef QE_REFERENCE_RESIZE_COORDS_H
#define QE_REFERENCE_RESIZE_COORDS_H

#include "ref.h"

typedef struct ref_resize_dim {
  uint32_t coord;     /* QE_COORD_* */
  int64_t in, out;
  float scale, start, end; /* start, end: the region of tf_crop_and_resize */
  bool same;          /* position i is input position i */
} ref_resize_dim;

ref_resize_dim ref_resize_dim_of(const qe_problem *p, uint32_t d);
float ref_resize_coordinate(const ref_resize_dim *r, int64_t i);
/* The input position of mode nearest. */
int64_t ref_resize_nearest(const ref_resize_dim *r, uint32_t nearest, float x);

#endif
