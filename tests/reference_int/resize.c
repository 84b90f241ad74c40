/* Resize: examples of the ONNX specification and a plain interpolation in double precision. */
#include "int_support.h"

static kh_case resize(const float *x, int64_t h, int64_t w, float *y, int64_t oh, int64_t ow) {
  kh_case c = kh_new("Resize");
  c.params.scales[0] = c.params.scales[1] = 1.0f;
  c.params.scales[2] = (float)oh / (float)h;
  c.params.scales[3] = (float)ow / (float)w;
  c.params.roi[QE_MAX_RANK] = c.params.roi[QE_MAX_RANK + 1] = c.params.roi[QE_MAX_RANK + 2] =
      c.params.roi[QE_MAX_RANK + 3] = 1.0f;
  kh_in(&c, KH_F32(x, 1, 1, h, w));
  kh_out(&c, KH_F32(y, 1, 1, oh, ow));
  return c;
}

static const float grid2[4] = {1, 2, 3, 4};
static const float grid8[8] = {1, 2, 3, 4, 5, 6, 7, 8};
static const float grid16[16] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};

static void close_to(const float *expected, const float *got, int64_t n, const char *what) {
  for (int64_t i = 0; i < n; ++i)
    cr_assert_float_eq((double)expected[i], (double)got[i], 1e-4, "%s: element %ld: expected %g, got %g", what, (long)i,
                       (double)expected[i], (double)got[i]);
}

Test(reference_resize, nearest_examples) {
  float y[64];
  kh_case c = resize(grid2, 2, 2, y, 4, 6);
  kh_run(&c);
  close_to((const float[]){1, 1, 1, 2, 2, 2, 1, 1, 1, 2, 2, 2, 3, 3, 3, 4, 4, 4, 3, 3, 3, 4, 4, 4}, y, 24, "upsample");
  c = resize(grid8, 2, 4, y, 1, 2);
  c.params.scales[2] = c.params.scales[3] = 0.6f;
  kh_run(&c);
  close_to((const float[]){1, 3}, y, 2, "downsample");
  c = resize(grid16, 4, 4, y, 8, 8);
  c.params.nearest = QE_NEAREST_CEIL;
  kh_run(&c);
  close_to((const float[]){1, 2, 2, 3, 3, 4, 4, 4, 5, 6,  6,  7,  7,  8,  8,  8,
                           5, 6, 6, 7, 7, 8, 8, 8, 9, 10, 10, 11, 11, 12, 12, 12},
           y, 32, "half pixel, ceil");
  c.params.nearest = QE_NEAREST_FLOOR;
  c.params.coord = QE_COORD_ALIGN_CORNERS;
  kh_run(&c);
  close_to(
      (const float[]){1, 1, 1, 2, 2, 3, 3, 4, 1, 1, 1, 2, 2, 3, 3, 4, 1, 1, 1, 2, 2, 3, 3, 4, 5, 5, 5, 6, 6, 7, 7, 8},
      y, 32, "align corners, floor");
  c.params.nearest = QE_NEAREST_ROUND_PREFER_CEIL;
  c.params.coord = QE_COORD_ASYMMETRIC;
  kh_run(&c);
  close_to((const float[]){1, 2, 2, 3, 3, 4, 4, 4, 5, 6,  6,  7,  7,  8,  8,  8,
                           5, 6, 6, 7, 7, 8, 8, 8, 9, 10, 10, 11, 11, 12, 12, 12},
           y, 32, "asymmetric, prefer ceil");
}

Test(reference_resize, linear_examples) {
  float y[64];
  kh_case c = resize(grid2, 2, 2, y, 4, 4);
  c.params.mode = QE_RESIZE_LINEAR;
  kh_run(&c);
  close_to((const float[]){1, 1.25f, 1.75f, 2, 1.5f, 1.75f, 2.25f, 2.5f, 2.5f, 2.75f, 3.25f, 3.5f, 3, 3.25f, 3.75f, 4},
           y, 16, "half pixel");
  c.params.coord = QE_COORD_ALIGN_CORNERS;
  kh_run(&c);
  close_to((const float[]){1, 1.33333333f, 1.66666667f, 2, 1.66666667f, 2, 2.33333333f, 2.66666667f, 2.33333333f,
                           2.66666667f, 3, 3.33333333f, 3, 3.33333333f, 3.66666667f, 4},
           y, 16, "align corners");
  c = resize(grid8, 2, 4, y, 1, 2);
  c.params.scales[2] = c.params.scales[3] = 0.6f;
  c.params.mode = QE_RESIZE_LINEAR;
  kh_run(&c);
  close_to((const float[]){2.6666665f, 4.3333331f}, y, 2, "downsample");
  c.params.coord = QE_COORD_ALIGN_CORNERS;
  kh_run(&c);
  close_to((const float[]){1, 4}, y, 2, "downsample, align corners");
  c = resize(grid16, 4, 4, y, 3, 1);
  c.params.mode = QE_RESIZE_LINEAR;
  c.params.coord = QE_COORD_PYTORCH_HALF_PIXEL;
  kh_run(&c);
  close_to((const float[]){1.6666666f, 7.0f, 12.333333f}, y, 3, "pytorch half pixel");
}

Test(reference_resize, crop_examples) {
  float y[9];
  kh_case c = resize(grid16, 4, 4, y, 3, 3);
  c.params.mode = QE_RESIZE_LINEAR;
  c.params.coord = QE_COORD_TF_CROP_AND_RESIZE;
  c.params.roi[2] = 0.4f;
  c.params.roi[3] = 0.6f;
  c.params.roi[QE_MAX_RANK + 2] = 0.6f;
  c.params.roi[QE_MAX_RANK + 3] = 0.8f;
  kh_run(&c);
  close_to((const float[]){7.6000004f, 7.9f, 8.2f, 8.8f, 9.1f, 9.400001f, 10.0f, 10.3f, 10.6f}, y, 9, "crop");
  c.params.roi[QE_MAX_RANK + 2] = 1.2f;
  c.params.roi[QE_MAX_RANK + 3] = 1.7f;
  c.params.fill = 10.0f;
  kh_run(&c);
  close_to((const float[]){7.6000004f, 10, 10, 12.400001f, 10, 10, 10, 10, 10}, y, 9, "crop with extrapolation");
}

Test(reference_resize, linear_in_three_dimensions_and_bytes) {
  uint64_t s = 9;
  static const int64_t in[4] = {2, 3, 4, 5}, out[4] = {2, 5, 3, 9};
  float x[120], y[270];
  uint8_t codes[120], small[270];
  for (int i = 0; i < 120; ++i) {
    codes[i] = (uint8_t)kh_int(&s, 0, 255);
    x[i] = (float)codes[i];
  }
  kh_case c = kh_new("Resize");
  c.params.mode = QE_RESIZE_LINEAR;
  for (int d = 0; d < 4; ++d)
    c.params.scales[d] = (float)out[d] / (float)in[d];
  kh_in(&c, kh_tensor_make(QE_DT_F32, x, 4, in));
  kh_out(&c, kh_tensor_make(QE_DT_F32, y, 4, out));
  kh_run(&c);
  kh_case b = c;
  b.in[0] = kh_tensor_make(QE_DT_U8, codes, 4, in);
  b.out[0] = kh_tensor_make(QE_DT_U8, small, 4, out);
  kh_run(&b);
  for (int64_t i = 0; i < 270; ++i) {
    const int64_t at[4] = {i / 135, i / 27 % 5, i / 9 % 3, i % 9};
    double sum = 0.0;
    for (int corner = 0; corner < 8; ++corner) {
      double weight = 1.0;
      int64_t index = at[0];
      for (int d = 1; d < 4; ++d) {
        double p = ((double)at[d] + 0.5) * (double)in[d] / (double)out[d] - 0.5;
        p = p < 0 ? 0 : p > (double)(in[d] - 1) ? (double)(in[d] - 1) : p;
        const int64_t low = (int64_t)p, high = low + 1 < in[d] ? low + 1 : low;
        const bool up = corner >> (d - 1) & 1;
        weight *= up ? p - (double)low : 1.0 - (p - (double)low);
        index = index * in[d] + (up ? high : low);
      }
      sum += weight * (double)x[index];
    }
    cr_assert_float_eq((double)y[i], sum, 1e-3, "element %ld: expected %g, got %g", (long)i, sum, (double)y[i]);
    cr_assert_eq(small[i], (uint8_t)nearbyintf(y[i]), "element %ld: %g as a byte became %d", (long)i, (double)y[i],
                 small[i]);
  }
}

Test(reference_resize, same_size_copies_whatever_the_mode) {
  uint64_t s = 2;
  float x[64], y[64];
  kh_fill_f32(&s, x, 64, -5.0f, 5.0f);
  x[3] = INFINITY;
  for (uint32_t mode = 0; mode < 2; ++mode)
    for (uint32_t coord = 0; coord < 6; ++coord)
      for (uint32_t nearest = 0; nearest < 4; ++nearest) {
        kh_case c = resize(x, 8, 8, y, 8, 8);
        c.params.mode = mode;
        c.params.coord = coord;
        c.params.nearest = nearest;
        kh_run(&c);
        kh_same_f32(x, y, 64, "same size");
      }
}
