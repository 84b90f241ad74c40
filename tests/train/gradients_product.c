/* Gradients of convolutions and matrix products. */
#include "gradient_case.h"

#include <string.h>

/* A window that fits x, as attributes: n of them. */
typedef struct window {
  int64_t kernel[3], stride[3], dilation[3], pads[6], extra[3];
  char auto_pad[12];
  qe__attr attr[6];
  uint32_t n;
} window;

static void random_window(gradient_case *t, uint32_t spatial, const int64_t *size, bool transposed, window *w) {
  const int64_t kind = case_below(t, 4); /* pads as given, given, SAME, VALID */
  for (uint32_t i = 0; i < spatial; i++) {
    w->kernel[i] = 1 + case_below(t, 3);
    w->stride[i] = 1 + case_below(t, 3);
    w->dilation[i] = 1 + case_below(t, 2);
    int64_t reach = (w->kernel[i] - 1) * w->dilation[i] + 1;
    if (reach > size[i] && !transposed) w->kernel[i] = reach = 1;
    w->pads[i] = case_below(t, reach);
    w->pads[spatial + i] = case_below(t, reach);
    if (transposed) w->pads[i] = w->pads[spatial + i] = (size[i] > 2 && w->kernel[i] > 1) ? 1 : 0;
    w->extra[i] = transposed ? case_below(t, 5) : 0;
  }
  w->n = 0;
  w->attr[w->n++] = QE__INTS("strides", spatial, w->stride);
  w->attr[w->n++] = QE__INTS("dilations", spatial, w->dilation);
  if (transposed) w->attr[w->n++] = QE__INTS("output_padding", spatial, w->extra);
  strcpy(w->auto_pad, case_coin(t) ? "SAME_UPPER" : "SAME_LOWER");
  if (kind >= 2) strcpy(w->auto_pad, "VALID");
  w->attr[w->n++] = kind < 2 || transposed ? QE__INTS("pads", 2 * (size_t)spatial, w->pads) : QE__STRING("auto_pad", w->auto_pad);
}

static qe__value_id convolution(gradient_case *t, bool transposed) {
  window w;
  const uint32_t spatial = 1 + (uint32_t)case_below(t, 3), rank = 2 + spatial;
  const int64_t groups = 1 + case_below(t, 3), each = 1 + case_below(t, 2), to = 1 + case_below(t, 2);
  int64_t x[5] = {1 + case_below(t, 2), groups * each}, weight[5] = {groups * to, each};
  if (transposed) {
    weight[0] = groups * each;
    weight[1] = to;
  }
  for (uint32_t i = 0; i < spatial; i++) x[2 + i] = spatial == 3 ? 2 + case_below(t, 2) : 3 + case_below(t, 3);
  random_window(t, spatial, x + 2, transposed, &w);
  for (uint32_t i = 0; i < spatial; i++) weight[2 + i] = w.kernel[i];
  w.attr[w.n++] = QE__INT("group", groups);
  qe__value_id in[3] = {case_input(t, rank, x)};
  in[1] = case_input(t, rank, weight);
  const int64_t channels = groups * to;
  const uint32_t n = case_coin(t) ? 3 : 2;
  if (n == 3) in[2] = case_input(t, 1, &channels);
  return qe__emit_node(&t->e, transposed ? QE__OP_ConvTranspose : QE__OP_Conv, n, in, w.n, w.attr);
}

static qe__value_id build_Conv(gradient_case *t) { return convolution(t, false); }
static qe__value_id build_ConvTranspose(gradient_case *t) { return convolution(t, true); }

/* More output than the input reaches. */
static qe__value_id build_output_shape(gradient_case *t) {
  int64_t x[4] = {1, 2, 3, 2}, w[4] = {2, 3, 2, 2}, shape[2] = {9, 6}, strides[2] = {2, 2};
  const qe__attr attr[2] = {QE__INTS("output_shape", 2, shape), QE__INTS("strides", 2, strides)};
  qe__value_id in[2] = {case_input(t, 4, x)};
  in[1] = case_input(t, 4, w);
  return qe__emit_node(&t->e, QE__OP_ConvTranspose, 2, in, 2, attr);
}

static qe__value_id build_Gemm(gradient_case *t) {
  const int64_t m = 1 + case_below(t, 5), k = 1 + case_below(t, 5), n = 1 + case_below(t, 5), y[2] = {m, n};
  const bool ta = case_coin(t), tb = case_coin(t);
  qe__attr attr[4] = {QE__INT("transA", ta), QE__INT("transB", tb), QE__FLOAT("alpha", case_coin(t) ? 1.0f : 0.7f),
                      QE__FLOAT("beta", case_coin(t) ? 1.0f : -0.6f)};
  int64_t part[2];
  qe__value_id in[3] = {case_input(t, 2, ta ? (int64_t[]){k, m} : (int64_t[]){m, k})};
  in[1] = case_input(t, 2, tb ? (int64_t[]){n, k} : (int64_t[]){k, n});
  const bool bias = case_below(t, 4) != 0;
  if (bias) {
    const uint32_t rank = case_broadcast(t, 2, y, part);
    in[2] = case_input(t, rank, part);
  }
  return qe__emit_node(&t->e, QE__OP_Gemm, bias ? 3 : 2, in, 4, attr);
}

static qe__value_id build_MatMul(gradient_case *t) {
  const int64_t m = 1 + case_below(t, 4), k = 1 + case_below(t, 4), n = 1 + case_below(t, 4);
  int64_t batch[2] = {1 + case_below(t, 2), 1 + case_below(t, 3)}, a[4], b[4];
  uint32_t a_rank = case_broadcast(t, 2, batch, a), b_rank = case_broadcast(t, 2, batch, b);
  const bool row = case_below(t, 5) == 0, column = case_below(t, 5) == 0;
  if (row) a_rank = 0;
  if (column) b_rank = 0;
  if (!row) a[a_rank++] = m;
  a[a_rank++] = k;
  b[b_rank++] = k;
  if (!column) b[b_rank++] = n;
  qe__value_id in[3] = {case_input(t, a_rank, a)};
  in[1] = case_input(t, b_rank, b);
  const bool bias = !column && case_coin(t);
  if (bias) in[2] = case_input(t, 1, &n);
  return qe__emit_node(&t->e, QE__OP_MatMul, bias ? 3 : 2, in, 0, NULL);
}

static const gradient_test convolutions[] = {{"Conv", build_Conv}, {"ConvTranspose", build_ConvTranspose}};
static const gradient_test longer[] = {{"output_shape", build_output_shape}};
static const gradient_test products[] = {{"Gemm", build_Gemm}, {"MatMul", build_MatMul}};

Test(gradients_product, convolutions) { CHECK_GRADIENTS(convolutions, 20); }
Test(gradients_product, output_shape) { CHECK_GRADIENTS(longer, 1); }
Test(gradients_product, matrices) { CHECK_GRADIENTS(products, 24); }
