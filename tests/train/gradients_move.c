/* Gradients of ops that move elements. */
#include "gradient_case.h"

#include <string.h>

static qe__value_id build_Concat(gradient_case *t) {
  int64_t x[4];
  const uint32_t rank = case_dims(t, 1, 4, 3, x), n = 1 + (uint32_t)case_below(t, 3);
  const int64_t axis = case_below(t, rank);
  qe__value_id in[3];
  for (uint32_t i = 0; i < n; i++) {
    x[axis] = case_below(t, 4);
    in[i] = case_input(t, rank, x);
  }
  return qe__emit_node(&t->e, QE__OP_Concat, n, in, 1, &QE__INT("axis", axis));
}

/* One part is used, or two. */
static qe__value_id build_Split(gradient_case *t) {
  int64_t x[4], parts[3];
  const uint32_t rank = case_dims(t, 1, 3, 3, x), n = 1 + (uint32_t)case_below(t, 3), used = (uint32_t)case_below(t, n), other = (uint32_t)case_below(t, n);
  const int64_t axis = case_below(t, rank);
  x[axis] = 0;
  for (uint32_t i = 0; i < n; i++) x[axis] += parts[i] = 1 + case_below(t, 3);
  qe__value_id in[2] = {case_input(t, rank, x)}, out[3];
  in[1] = qe__emit_ints(&t->e, n, parts);
  qe__emit_outputs(&t->e, QE__OP_Split, 2, in, 1, &QE__INT("axis", axis), n, NULL, out);
  if (used == other) return out[used];
  return qe__emit_node(&t->e, QE__OP_Concat, 2, (qe__value_id[]){out[other], out[used]}, 1, &QE__INT("axis", axis));
}

static qe__value_id slice(gradient_case *t, bool steps) {
  int64_t x[4], starts[4], ends[4], axes[4], step[4];
  const uint32_t rank = case_dims(t, 1, 4, 5, x);
  uint32_t n = 0;
  for (uint32_t d = 0; d < rank; d++) {
    if (case_coin(t)) continue;
    starts[n] = case_below(t, x[d]);
    ends[n] = starts[n] + 1 + case_below(t, x[d]);
    step[n] = steps ? 1 + case_below(t, 3) : 1;
    if (steps && case_below(t, 3) == 0) {
      ends[n] = -100;
      step[n] = -1 - case_below(t, 2);
    }
    axes[n++] = d;
  }
  if (n == 0) {
    starts[0] = axes[0] = 0;
    ends[0] = step[0] = n = 1;
  }
  qe__value_id in[5] = {case_input(t, rank, x)};
  in[1] = qe__emit_ints(&t->e, n, starts);
  in[2] = qe__emit_ints(&t->e, n, ends);
  in[3] = qe__emit_ints(&t->e, n, axes);
  in[4] = qe__emit_ints(&t->e, n, step);
  return qe__emit_node(&t->e, QE__OP_Slice, 5, in, 0, NULL);
}

static qe__value_id build_Slice(gradient_case *t) { return slice(t, false); }
static qe__value_id build_strided_slice(gradient_case *t) { return slice(t, true); }

static qe__value_id pad(gradient_case *t, const char *mode) {
  int64_t x[3], pads[6];
  const uint32_t rank = case_dims(t, 1, 3, 4, x);
  for (uint32_t d = 0; d < rank; d++) {
    const bool reflect = strcmp(mode, "reflect") == 0, wrap = strcmp(mode, "wrap") == 0;
    const int64_t cut = !wrap && x[d] > 2 && case_below(t, 3) == 0 ? 1 : 0, most = reflect ? x[d] - cut : 4;
    pads[d] = cut ? -1 : case_below(t, most);
    pads[rank + d] = case_below(t, most);
  }
  char copy[12];
  strcpy(copy, mode);
  qe__value_id in[2] = {case_input(t, rank, x)};
  in[1] = qe__emit_ints(&t->e, 2 * rank, pads);
  return qe__emit_node(&t->e, QE__OP_Pad, 2, in, 1, &QE__STRING("mode", copy));
}

static qe__value_id build_Pad(gradient_case *t) { return pad(t, "constant"); }

static qe__value_id build_continued_pad(gradient_case *t) {
  static const char *const modes[] = {"reflect", "edge", "wrap"};
  return pad(t, modes[t->seed % 3]);
}

static qe__value_id build_Gather(gradient_case *t) {
  int64_t x[3], n[2], index[16];
  const uint32_t rank = case_dims(t, 1, 3, 4, x), r = (uint32_t)case_below(t, 3);
  const int64_t axis = case_below(t, rank);
  int64_t count = 1;
  for (uint32_t d = 0; d < r; d++) count *= n[d] = 1 + case_below(t, 3);
  for (int64_t i = 0; i < count; i++) index[i] = case_below(t, 2 * x[axis]) - x[axis];
  qe__value_id in[2] = {case_input(t, rank, x)};
  qe_tensor_t *data = NULL;
  cr_assert_eq(qe_tensor_from_data(QE_INT64, r, n, index, &data), QE_OK);
  in[1] = case_given(t, data);
  return qe__emit_node(&t->e, QE__OP_Gather, 2, in, 1, &QE__INT("axis", axis));
}

static qe__value_id build_Trilu(gradient_case *t) {
  int64_t x[3];
  const uint32_t rank = case_dims(t, 2, 3, 4, x);
  const int64_t k = case_below(t, 5) - 2;
  qe__value_id in[2] = {case_input(t, rank, x)};
  in[1] = qe__emit_ints(&t->e, 1, &k);
  return qe__emit_node(&t->e, QE__OP_Trilu, case_coin(t) ? 2 : 1, in, 1, &QE__INT("upper", case_coin(t)));
}

static qe__value_id build_views(gradient_case *t) {
  const int64_t axis = 1, dims[2] = {-1, 2};
  qe__value_id x = case_input(t, 3, (int64_t[]){2, 3, 2});
  const qe__value_id in[2] = {x, qe__emit_ints(&t->e, 1, &axis)};
  x = qe__emit_node(&t->e, QE__OP_Unsqueeze, 2, in, 0, NULL);
  x = qe__emit_binary(&t->e, QE__OP_Squeeze, x, qe__emit_ints(&t->e, 1, &axis));
  x = qe__emit_node(&t->e, QE__OP_Flatten, 1, &x, 1, &QE__INT("axis", case_below(t, 4)));
  return qe__emit_binary(&t->e, QE__OP_Reshape, x, qe__emit_ints(&t->e, 2, dims));
}

static qe__value_id build_Transpose(gradient_case *t) {
  int64_t x[4], perm[4] = {0, 1, 2, 3};
  const uint32_t rank = case_dims(t, 1, 4, 4, x);
  for (uint32_t d = rank - 1; d > 0; d--) {
    const int64_t j = case_below(t, (int64_t)d + 1), v = perm[d];
    perm[d] = perm[j];
    perm[j] = v;
  }
  const qe__value_id in = case_input(t, rank, x);
  if (case_below(t, 4) == 0) return qe__emit_unary(&t->e, QE__OP_Transpose, in);
  return qe__emit_transpose(&t->e, in, perm);
}

static qe__value_id build_Expand(gradient_case *t) {
  int64_t y[4], x[4];
  const uint32_t rank = case_dims(t, 1, 4, 3, y), r = case_broadcast(t, rank, y, x);
  const qe__value_id in = case_input(t, r, x);
  return qe__emit_binary(&t->e, QE__OP_Expand, in, qe__emit_ints(&t->e, rank, y));
}

static qe__value_id build_Tile(gradient_case *t) {
  int64_t x[4], repeats[4];
  const uint32_t rank = case_dims(t, 1, 4, 3, x);
  for (uint32_t d = 0; d < rank; d++) repeats[d] = 1 + case_below(t, 3);
  const qe__value_id in = case_input(t, rank, x);
  return qe__emit_binary(&t->e, QE__OP_Tile, in, qe__emit_ints(&t->e, rank, repeats));
}

static qe__value_id build_DepthToSpace(gradient_case *t) {
  char mode[4];
  strcpy(mode, case_coin(t) ? "DCR" : "CRD");
  const qe__attr attr[2] = {QE__INT("blocksize", 2), QE__STRING("mode", mode)};
  const qe__value_id in = case_input(t, 4, (int64_t[]){1 + case_below(t, 2), 4 * (1 + case_below(t, 2)), 2, 3});
  return qe__emit_node(&t->e, QE__OP_DepthToSpace, 1, &in, 2, attr);
}

static qe__value_id build_SpaceToDepth(gradient_case *t) {
  const qe__value_id in = case_input(t, 4, (int64_t[]){1 + case_below(t, 2), 1 + case_below(t, 3), 4, 6});
  return qe__emit_node(&t->e, QE__OP_SpaceToDepth, 1, &in, 1, &QE__INT("blocksize", 2));
}

/* By scales or sizes, along some dimensions. */
static qe__value_id build_Resize(gradient_case *t) {
  static const char *const coords[] = {"half_pixel", "asymmetric", "align_corners", "pytorch_half_pixel", "half_pixel_symmetric", "tf_crop_and_resize"};
  static const char *const nearest[] = {"round_prefer_floor", "round_prefer_ceil", "floor", "ceil"};
  char mode[8], coord[24], rounding[24];
  int64_t x[4], axes[4], sizes[4];
  float scales[4], roi[8];
  const uint32_t rank = case_dims(t, 1, 4, 4, x);
  uint32_t n = 0;
  strcpy(mode, case_coin(t) ? "linear" : "nearest");
  strcpy(coord, coords[case_below(t, 6)]);
  strcpy(rounding, nearest[case_below(t, 4)]);
  for (uint32_t d = 0; d < rank; d++) {
    if (n > 0 && case_coin(t)) continue;
    axes[n] = d;
    sizes[n] = 1 + case_below(t, 6);
    scales[n] = case_coin(t) ? 2.0f : 1.0f + (float)case_below(t, 20) / 10.0f;
    roi[n++] = 0.1f;
  }
  for (uint32_t i = 0; i < n; i++) roi[n + i] = 1.3f;
  const qe__attr attr[5] = {QE__STRING("mode", mode), QE__STRING("coordinate_transformation_mode", coord), QE__STRING("nearest_mode", rounding),
                            QE__INTS("axes", n, axes), QE__FLOAT("extrapolation_value", 0.7f)};
  qe__value_id in[4] = {case_input(t, rank, x), QE__NO_VALUE, QE__NO_VALUE, QE__NO_VALUE};
  in[1] = qe__emit_vector(&t->e, 2 * (int64_t)n, roi);
  if (case_coin(t)) in[2] = qe__emit_vector(&t->e, n, scales);
  else in[3] = qe__emit_ints(&t->e, n, sizes);
  return qe__emit_node(&t->e, QE__OP_Resize, 4, in, 5, attr);
}

static const gradient_test resizes[] = {{"Resize", build_Resize}};
static const gradient_test moves[] = {
    {"Concat", build_Concat}, {"Split", build_Split}, {"Slice", build_Slice}, {"Pad", build_Pad}, {"Trilu", build_Trilu},
    {"views", build_views}, {"Transpose", build_Transpose}, {"Expand", build_Expand}, {"Tile", build_Tile},
    {"DepthToSpace", build_DepthToSpace}, {"SpaceToDepth", build_SpaceToDepth}};
static const gradient_test indexed[] = {{"strided slice", build_strided_slice}, {"continued pad", build_continued_pad}, {"Gather", build_Gather}};

Test(gradients_move, by_rule) { CHECK_GRADIENTS(moves, 12); }
Test(gradients_move, by_matrix) { CHECK_GRADIENTS(resizes, 60); }
Test(gradients_move, by_index) { CHECK_GRADIENTS(indexed, 15); }
