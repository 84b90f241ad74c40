/* Resize: output sizes from scales or sizes, and the factors the kernel works with. */
#include <math.h>

#include "registry/infer.h"

enum { STRETCH = 0, NOT_LARGER = 1, NOT_SMALLER = 2 };

static qe_status_t read_modes(qe__infer_ctx *c) {
  static const char *const modes[] = {"nearest", "linear", NULL};
  static const char *const coords[] = {
      "half_pixel",         "asymmetric", "align_corners", "pytorch_half_pixel", "half_pixel_symmetric",
      "tf_crop_and_resize", NULL};
  static const char *const nearest[] = {"round_prefer_floor", "round_prefer_ceil", "floor", "ceil", NULL};
  qe_op_params *p = c->params;
  bool antialias, outside;
  QE_TRY(qe__attr_choice(c, "mode", modes, QE_RESIZE_NEAREST, &p->mode));
  QE_TRY(qe__attr_choice(c, "coordinate_transformation_mode", coords, QE_COORD_HALF_PIXEL, &p->coord));
  QE_TRY(qe__attr_choice(c, "nearest_mode", nearest, QE_NEAREST_ROUND_PREFER_FLOOR, &p->nearest));
  QE_TRY(qe__attr_float(c, "extrapolation_value", 0.0f, &p->fill));
  QE_TRY(qe__attr_flag(c, "antialias", false, &antialias));
  QE_TRY(qe__attr_flag(c, "exclude_outside", false, &outside));
  if (antialias) return qe__fail(QE_ERROR_UNSUPPORTED, "attribute 'antialias' is 1; export without antialiasing");
  return QE_OK;
}

/* The dimensions that scales, sizes and roi speak about. */
static qe_status_t read_axes(const qe__infer_ctx *c, uint32_t *count, uint32_t *axes) {
  const int64_t *list;
  size_t n;
  uint32_t set;
  const uint32_t rank = c->in[0].rank;
  *count = 0;
  QE_TRY(qe__attr_ints(c, "axes", SIZE_MAX, &list, &n));
  if (list == NULL) {
    *count = rank;
    for (uint32_t d = 0; d < rank; d++) axes[d] = d;
    return QE_OK;
  }
  QE_TRY(qe__axis_set("attribute 'axes'", list, n, rank, &set));
  for (size_t i = 0; i < n; i++) axes[i] = (uint32_t)(list[i] < 0 ? list[i] + (int64_t)rank : list[i]);
  *count = (uint32_t)n;
  return QE_OK;
}

/* Input i is given and not the empty tensor that older models write for "none". */
static bool given(const qe__infer_ctx *c, uint32_t i) {
  return qe__has(c, i) && !(c->in[i].rank == 1 && c->in[i].dims[0] == 0);
}

/* A constant float vector of n elements. */
static qe_status_t read_floats(const qe__infer_ctx *c, uint32_t i, const char *what, uint32_t n, float *out) {
  QE_TRY(qe__need_type(c, i, QE__T_FLOAT));
  QE_TRY(qe__need_vector(c, i, n, what));
  if (c->in[i].data == NULL) {
    return qe__fail(QE_ERROR_UNSUPPORTED,
                    "depends on data: the value of input %u (%s) is needed when planning, but it is computed from the "
                    "model's inputs; make it a constant or derive it from shapes only",
                    (unsigned)i, what);
  }
  for (uint32_t k = 0; k < n; k++) out[k] = (float)qe__tensor_float_at(c->in[i].data, k);
  return QE_OK;
}

static qe_status_t from_scales(qe__infer_ctx *c, uint32_t n, const uint32_t *axes, int64_t *dims) {
  float scales[QE_MAX_RANK];
  QE_TRY(read_floats(c, 2, "scales", n, scales));
  for (uint32_t i = 0; i < n; i++) {
    const uint32_t d = axes[i];
    if (!isfinite(scales[i]) || scales[i] <= 0.0f) {
      return qe__fail(QE_ERROR_NUMERIC, "input 2 (scales) holds %g; finite and positive numbers were expected",
                      (double)scales[i]);
    }
    float size = (float)c->in[0].dims[d] * scales[i];
    if (c->params->coord == QE_COORD_TF_CROP_AND_RESIZE) {
      size = (float)c->in[0].dims[d] * (c->params->roi[QE_MAX_RANK + d] - c->params->roi[d]) * scales[i];
    }
    if (!(floorf(size) < 9.0e15f) || size < 0.0f) {
      return qe__fail(QE_ERROR_SHAPE, "dimension %u would become %g", (unsigned)d, (double)size);
    }
    c->params->scales[d] = scales[i];
    dims[d] = (int64_t)floorf(size);
  }
  return QE_OK;
}

static qe_status_t from_sizes(qe__infer_ctx *c, uint32_t n, const uint32_t *axes, int64_t *dims) {
  static const char *const policies[] = {"stretch", "not_larger", "not_smaller", NULL};
  int64_t sizes[QE_MAX_RANK];
  size_t count;
  uint32_t policy;
  QE_TRY(qe__attr_choice(c, "keep_aspect_ratio_policy", policies, STRETCH, &policy));
  QE_TRY(qe__read_ints(c, 3, "sizes", QE_MAX_RANK, sizes, &count));
  if (count != n) {
    return qe__fail(QE_ERROR_SHAPE, "input 3 (sizes) has %llu entries; %u were expected", (unsigned long long)count,
                    (unsigned)n);
  }
  float common = 0.0f;
  for (uint32_t i = 0; i < n; i++) {
    const uint32_t d = axes[i];
    const int64_t in = c->in[0].dims[d];
    if (sizes[i] < 0 || (in == 0 && sizes[i] != 0)) {
      return qe__fail(QE_ERROR_SHAPE, "input 3 (sizes) asks for %lld elements where the input has %lld",
                      (long long)sizes[i], (long long)in);
    }
    const float scale = in == 0 ? 1.0f : (float)sizes[i] / (float)in;
    if (i == 0 || (policy == NOT_LARGER ? scale < common : scale > common)) common = scale;
    c->params->scales[d] = scale;
    dims[d] = sizes[i];
  }
  for (uint32_t i = 0; policy != STRETCH && i < n; i++) {
    const uint32_t d = axes[i];
    c->params->scales[d] = common;
    const float size = floorf(common * (float)c->in[0].dims[d] + 0.5f);
    if (!(size < 9.0e15f)) return qe__fail(QE_ERROR_SHAPE, "dimension %u would become %g", (unsigned)d, (double)size);
    dims[d] = (int64_t)size;
  }
  return QE_OK;
}

qe_status_t qe__infer_resize(qe__infer_ctx *c) {
  qe_op_params *p = c->params;
  uint32_t n, axes[QE_MAX_RANK];
  int64_t dims[QE_MAX_RANK] = {0};
  QE_TRY(qe__need_type(c, 0, QE__T_NUMBER));
  QE_TRY(qe__need_rank(c, 0, 1, QE_MAX_RANK));
  QE_TRY(read_modes(c));
  QE_TRY(read_axes(c, &n, axes));
  for (uint32_t d = 0; d < c->in[0].rank; d++) {
    dims[d] = c->in[0].dims[d];
    p->scales[d] = 1.0f;
    p->roi[QE_MAX_RANK + d] = 1.0f;
  }
  if (p->coord == QE_COORD_TF_CROP_AND_RESIZE) {
    float roi[2 * QE_MAX_RANK];
    if (!given(c, 1)) return qe__fail(QE_ERROR_FORMAT, "tf_crop_and_resize needs input 1 (roi)");
    QE_TRY(read_floats(c, 1, "roi", 2 * n, roi));
    for (uint32_t i = 0; i < n; i++) {
      p->roi[axes[i]] = roi[i];
      p->roi[QE_MAX_RANK + axes[i]] = roi[n + i];
    }
  }
  if (given(c, 2) == given(c, 3)) {
    return qe__fail(QE_ERROR_FORMAT, "exactly one of input 2 (scales) and input 3 (sizes) must be given");
  }
  QE_TRY(given(c, 2) ? from_scales(c, n, axes, dims) : from_sizes(c, n, axes, dims));
  for (uint32_t d = 0; d < c->in[0].rank; d++) {
    if (c->in[0].dims[d] == 0 && dims[d] != 0)
      return qe__fail(QE_ERROR_SHAPE, "dimension %u is 0 and cannot grow", (unsigned)d);
  }
  qe__set_out(c, 0, c->in[0].dtype, c->in[0].rank, dims);
  return QE_OK;
}
