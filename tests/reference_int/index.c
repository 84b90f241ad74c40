/* Gather, GatherElements, OneHot, ArgMax, ArgMin, CumSum, Range. */
#include "int_support.h"

Test(reference_gather, all_axes_and_negative_indices) {
  static const int64_t dims[3] = {3, 4, 5};
  for (int64_t axis = 0; axis < 3; ++axis)
    for (int wide = 0; wide < 2; ++wide) {
      uint64_t s = (uint64_t)axis + 1;
      uint16_t x[60], y[360];
      int64_t i64[6];
      int32_t i32[6];
      ti_bytes(&s, x, sizeof x);
      for (int i = 0; i < 6; ++i) {
        i64[i] = kh_int(&s, -dims[axis], dims[axis] - 1);
        i32[i] = (int32_t)i64[i];
      }
      int64_t out[4], outer = 1, inner = 1;
      uint32_t rank = 0;
      for (int64_t d = 0; d < axis; ++d)
        outer *= out[rank++] = dims[d];
      out[rank++] = 2;
      out[rank++] = 3;
      for (int64_t d = axis + 1; d < 3; ++d)
        inner *= out[rank++] = dims[d];
      kh_case c = kh_new("Gather");
      c.params.axis = axis;
      kh_in(&c, KH(QE_DT_U16, x, 3, 4, 5));
      kh_in(&c, wide ? KH(QE_DT_I64, i64, 2, 3) : KH(QE_DT_I32, i32, 2, 3));
      kh_out(&c, kh_tensor_make(QE_DT_U16, y, rank, out));
      kh_run(&c);
      for (int64_t o = 0; o < outer; ++o)
        for (int64_t i = 0; i < 6; ++i)
          for (int64_t k = 0; k < inner; ++k) {
            const int64_t index = i64[i] < 0 ? i64[i] + dims[axis] : i64[i], at = (o * 6 + i) * inner + k;
            const uint16_t e = x[(o * dims[axis] + index) * inner + k];
            cr_assert_eq(e, y[at], "axis %ld: element %ld: expected %d, got %d", (long)axis, (long)at, e, y[at]);
          }
      i64[3] = dims[axis];
      i32[3] = (int32_t)(-dims[axis] - 1);
      c.may_fail = true;
      cr_assert_neq(kh_run(&c), 0, "an index out of range went unnoticed");
    }
}

Test(reference_gather, scalar_index_and_empty) {
  const float x[6] = {1, 2, 3, 4, 5, 6};
  const int64_t index = -1;
  float y[3];
  kh_case c = kh_new("Gather");
  kh_in(&c, KH_F32(x, 2, 3));
  kh_in(&c, KH_SCALAR(QE_DT_I64, &index));
  kh_out(&c, KH_F32(y, 3));
  kh_run(&c);
  kh_same_f32(x + 3, y, 3, "Gather");
  c.in[1] = KH(QE_DT_I64, &index, 0);
  c.out[0] = KH_F32(y, 0, 3);
  kh_run(&c);
}

Test(reference_gather, elements) {
  uint64_t s = 4;
  int32_t x[60], y[24];
  int64_t indices[24];
  for (int64_t axis = 0; axis < 3; ++axis) {
    static const int64_t dims[3] = {3, 4, 5}, out[3] = {2, 3, 4};
    for (int i = 0; i < 60; ++i)
      x[i] = (int32_t)kh_next(&s);
    for (int i = 0; i < 24; ++i)
      indices[i] = kh_int(&s, -dims[axis], dims[axis] - 1);
    kh_case c = kh_new("GatherElements");
    c.params.axis = axis;
    kh_in(&c, KH(QE_DT_I32, x, 3, 4, 5));
    kh_in(&c, KH(QE_DT_I64, indices, 2, 3, 4));
    kh_out(&c, KH(QE_DT_I32, y, 2, 3, 4));
    kh_run(&c);
    for (int64_t i = 0; i < 24; ++i) {
      int64_t at[3] = {i / (out[1] * out[2]), i / out[2] % out[1], i % out[2]};
      at[axis] = indices[i] < 0 ? indices[i] + dims[axis] : indices[i];
      const int32_t e = x[(at[0] * 4 + at[1]) * 5 + at[2]];
      cr_assert_eq(e, y[i], "axis %ld: element %ld: expected %d, got %d", (long)axis, (long)i, e, y[i]);
    }
    indices[5] = dims[axis];
    c.may_fail = true;
    cr_assert_neq(kh_run(&c), 0);
  }
}

Test(reference_one_hot, every_axis) {
  const int64_t indices[6] = {0, 3, -1, 7, -5, 2};
  const float real[6] = {0.0f, 3.0f, -1.0f, 7.0f, NAN, 2.9f};
  const int32_t values[2] = {-7, 9};
  const int64_t depth = 4;
  int32_t y[24];
  for (int64_t axis = 0; axis < 3; ++axis)
    for (int floats = 0; floats < 2; ++floats) {
      int64_t dims[3] = {2, 3, 0};
      dims[2] = axis == 2 ? 4 : 3;
      dims[1] = axis == 1 ? 4 : axis == 0 ? 2 : 3;
      dims[0] = axis == 0 ? 4 : 2;
      kh_case c = kh_new("OneHot");
      c.params.axis = axis;
      kh_in(&c, floats ? KH_F32(real, 2, 3) : KH(QE_DT_I64, indices, 2, 3));
      kh_in(&c, KH_SCALAR(QE_DT_I64, &depth));
      kh_in(&c, KH(QE_DT_I32, values, 2));
      kh_out(&c, kh_tensor_make(QE_DT_I32, y, 3, dims));
      kh_run(&c);
      for (int64_t i = 0; i < 24; ++i) {
        const int64_t at[3] = {i / (dims[1] * dims[2]), i / dims[2] % dims[1], i % dims[2]};
        const int64_t u = axis == 0 ? at[1] : at[0], v = axis == 2 ? at[1] : at[2];
        static const int64_t hot[2][6] = {{0, 3, 3, -1, -1, 2}, {0, 3, 3, -1, 0, 2}}; /* NaN counts as 0 */
        const int32_t e = at[axis] == hot[floats][u * 3 + v] ? 9 : -7;
        cr_assert_eq(e, y[i], "axis %ld: element %ld: expected %d, got %d", (long)axis, (long)i, e, y[i]);
      }
    }
}

Test(reference_arg, first_last_and_nan) {
  const float x[2][6] = {{1.0f, 5.0f, -2.0f, 5.0f, -2.0f, 0.0f}, {1.0f, NAN, -2.0f, NAN, 9.0f, -9.0f}};
  static const struct { const char *op; uint32_t last; int64_t e[2]; } cases[] = {
      {"ArgMax", 0, {1, 1}}, {"ArgMax", 1, {3, 3}}, {"ArgMin", 0, {2, 1}}, {"ArgMin", 1, {4, 3}}};
  for (int i = 0; i < 4; ++i)
    for (int keep = 0; keep < 2; ++keep) {
      int64_t y[2];
      kh_case c = kh_new(cases[i].op);
      c.params.axis = 1;
      c.params.select_last_index = cases[i].last;
      c.params.keepdims = (uint32_t)keep;
      kh_in(&c, KH_F32(x, 2, 6));
      kh_out(&c, keep ? KH(QE_DT_I64, y, 2, 1) : KH(QE_DT_I64, y, 2));
      kh_run(&c);
      for (int k = 0; k < 2; ++k)
        cr_assert_eq(y[k], cases[i].e[k], "case %d row %d: expected %ld, got %ld", i, k, (long)cases[i].e[k],
                     (long)y[k]);
    }
}

Test(reference_arg, types_and_axes) {
  static const uint8_t types[] = {QE_DT_U8, QE_DT_I8, QE_DT_U16, QE_DT_I16, QE_DT_I32, QE_DT_I64};
  for (size_t t = 0; t < sizeof types; ++t)
    for (int64_t axis = 0; axis < 3; ++axis) {
      static const int64_t dims[3] = {3, 4, 5};
      uint64_t s = t * 3 + (uint64_t)axis + 1;
      uint8_t x[60 * 8];
      ti_bytes(&s, x, sizeof x);
      int64_t y[20], out[3] = {3, 4, 5}, outer = 1, inner = 1;
      out[axis] = 1;
      for (int64_t d = 0; d < 3; ++d) {
        outer *= d < axis ? dims[d] : 1;
        inner *= d > axis ? dims[d] : 1;
      }
      kh_case c = kh_new("ArgMax");
      c.params.axis = axis;
      kh_in(&c, KH(types[t], x, 3, 4, 5));
      kh_out(&c, kh_tensor_make(QE_DT_I64, y, 3, out));
      kh_run(&c);
      for (int64_t o = 0; o < outer; ++o)
        for (int64_t i = 0; i < inner; ++i) {
          int64_t best = 0;
          for (int64_t k = 1; k < dims[axis]; ++k)
            if (ti_code(x, types[t], (o * dims[axis] + k) * inner + i) >
                ti_code(x, types[t], (o * dims[axis] + best) * inner + i))
              best = k;
          cr_assert_eq(y[o * inner + i], best, "type %d axis %ld: expected %ld, got %ld", types[t], (long)axis,
                       (long)best, (long)y[o * inner + i]);
        }
    }
}

Test(reference_cumsum, modes_and_types) {
  const float x[2][3] = {{1.0f, 2.0f, 3.0f}, {0.5f, -1.0f, 4.0f}};
  static const float expected[4][2][3] = {{{1, 3, 6}, {0.5f, -0.5f, 3.5f}},
                                          {{0, 1, 3}, {0, 0.5f, -0.5f}},
                                          {{6, 5, 3}, {3.5f, 3, 4}},
                                          {{5, 3, 0}, {3, 4, 0}}};
  for (uint32_t mode = 0; mode < 4; ++mode) {
    float y[6];
    kh_case c = kh_new("CumSum");
    c.params.axis = 1;
    c.params.mode = mode;
    kh_in(&c, KH_F32(x, 2, 3));
    kh_out(&c, KH_F32(y, 2, 3));
    kh_run(&c);
    kh_same_f32(expected[mode][0], y, 6, "CumSum");
  }
  const int32_t big[4] = {INT32_MAX, 1, -5, 7};
  int32_t y[4];
  kh_case c = kh_new("CumSum");
  kh_in(&c, KH(QE_DT_I32, big, 2, 2));
  kh_out(&c, KH(QE_DT_I32, y, 2, 2));
  kh_run(&c);
  cr_assert(y[0] == INT32_MAX && y[1] == 1 && y[2] == INT32_MAX - 5 && y[3] == 8, "got %d %d %d %d", y[0], y[1], y[2],
            y[3]);
  c.in[0] = KH(QE_DT_I32, big, 0, 2);
  c.out[0] = KH(QE_DT_I32, y, 0, 2);
  kh_run(&c);
}

Test(reference_range, types) {
  const float f[3] = {1.0f, 2.0f, 0.3f};
  const int64_t i[3] = {10, 0, -4};
  float fy[4];
  int64_t iy[3];
  kh_case c = kh_new("Range");
  for (int k = 0; k < 3; ++k)
    kh_in(&c, KH_SCALAR(QE_DT_F32, &f[k]));
  kh_out(&c, KH_F32(fy, 4));
  kh_run(&c);
  for (int k = 0; k < 4; ++k)
    cr_assert_eq(fy[k], 1.0f + (float)k * 0.3f, "element %d is %.9g", k, (double)fy[k]);
  kh_case d = kh_new("Range");
  for (int k = 0; k < 3; ++k)
    kh_in(&d, KH_SCALAR(QE_DT_I64, &i[k]));
  kh_out(&d, KH(QE_DT_I64, iy, 3));
  kh_run(&d);
  cr_assert(iy[0] == 10 && iy[1] == 6 && iy[2] == 2, "got %ld %ld %ld", (long)iy[0], (long)iy[1], (long)iy[2]);
}
