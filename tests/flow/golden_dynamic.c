/*
 * torch's dynamic linear (golden group qdynamic), its weights given as codes. Our input parameters are those of
 * DynamicQuantizeLinear: torch multiplies by 1/scale where we divide, and takes the zero point from the end of the range
 * with the smaller error, so a code of the input may differ by one. Full-range results are compared (y_ideal): reduced
 * ones exist to dodge the saturation of other engines, which ours do not have.
 */
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "graph/model.h"
#include "qengine.h"
#include "support/golden.h"
#include "support/models.h"

static qe_value_t constant(qe_model_t *m, const char *name, qe_dtype_t dtype, uint32_t rank, const int64_t *dims, const void *data) {
  qe_tensor_t *t = NULL;
  cr_assert_eq(qe_tensor_from_data(dtype, rank, dims, data, &t), QE_OK, "%s", qe_last_error());
  const qe_value_t v = qe_constant(m, name, t);
  qe_tensor_release(&t);
  return v;
}

/* Scales and zero points of w, one or one per row. */
static void weight_params(const golden *g, const json_t *c, qe_model_t *m, int64_t rows, qe_value_t *scale, qe_value_t *zero, float *scales) {
  const json_t *params = json_object_get(c, "params");
  qe_tensor_t *s = golden_tensor(g, c, "inputs", "w_scales"), *z = golden_tensor(g, c, "inputs", "w_zero_points");
  int8_t zeros[256];
  cr_assert_leq(rows, 256);
  for (int64_t i = 0; i < rows; i++) {
    scales[i] = s ? (float)qe__tensor_float_at(s, i) : (float)golden_number(params, "w_scale");
    zeros[i] = (int8_t)(z ? qe__tensor_int_at(z, i) : (int64_t)golden_number(params, "w_zero_point"));
  }
  *scale = constant(m, "w_scale", QE_FLOAT32, 1, &rows, scales);
  *zero = constant(m, "w_zero", QE_INT8, 1, &rows, zeros);
  qe_tensor_release(&s);
  qe_tensor_release(&z);
}

Test(golden_dynamic, linear) {
  golden g;
  golden_open(&g, "qdynamic");
  int close = 0, elsewhere = 0, cases = 0;
  for (size_t i = 0; i < golden_count(&g); i++) {
    const json_t *c = golden_case(&g, i);
    if (strcmp(golden_text(c, "op"), "linear_dynamic") != 0) continue;
    const json_t *params = json_object_get(c, "params");
    qe_tensor_t *x = golden_tensor(&g, c, "inputs", "x"), *w = golden_tensor(&g, c, "inputs", "w");
    qe_tensor_t *b = golden_tensor(&g, c, "inputs", "bias"), *want = golden_tensor(&g, c, "expected", "y_ideal");
    if (!want) want = golden_tensor(&g, c, "expected", "y");
    if (!want) want = golden_tensor(&g, c, "expected", "y_qnnpack");
    cr_assert(x && w && want, "%s", golden_text(c, "name"));
    cases++;
    qe_model_t *m = NULL;
    const int64_t rows = qe_tensor_dims(w)[0], depth = qe_tensor_dims(w)[1];
    float scales[256];
    qe_value_t in[7] = {-1, -1, -1, -1, -1, -1, -1};
    cr_assert_eq(qe_model_create("m", &m), QE_OK);
    const qe_value_t v = qe_input(m, "x", QE_FLOAT32, qe_tensor_rank(x), qe_tensor_dims(x));
    qe__value_id codes[3];
    for (int k = 0; k < 3; k++)
      cr_assert_eq(qe__graph_add_value(m->graph, NULL, k == 1 ? QE_FLOAT32 : QE_UINT8, &codes[k]), QE_OK);
    cr_assert_eq(qe__graph_add_node(m->graph, "DynamicQuantizeLinear", NULL, 1, &v, 3, codes, NULL), QE_OK);
    in[0] = codes[0];
    in[1] = constant(m, "w", QE_INT8, 2, qe_tensor_dims(w), qe_tensor_const_data(w));
    in[2] = codes[1];
    weight_params(&g, c, m, rows, &in[3], &in[5], scales);
    in[4] = codes[2];
    if (b) in[6] = qe_constant(m, "b", b);
    qe__value_id y;
    qe__node *n;
    cr_assert_eq(qe__graph_add_value(m->graph, "y", QE_FLOAT32, &y), QE_OK);
    cr_assert_eq(qe__graph_add_node(m->graph, "MatMulIntegerToFloat", "fc", b ? 7 : 6, in, 1, &y, &n), QE_OK);
    cr_assert_eq(qe__node_set_int(n, "transB", 1), QE_OK);
    if (golden_number(params, "relu") == 1.0) n->act.lo = 0.0f;
    qe_output(m, "y_out", y);
    cr_assert_eq(qe_model_finish(m), QE_OK, "%s: %s", golden_text(c, "name"), qe_last_error());
    qe_tensor_t *got = test_run(m, x, 0);
    cr_assert_eq(qe_tensor_count(got), qe_tensor_count(want));
    const float sx = (float)golden_number(params, "x_scale_full");
    double largest = 1e-30;
    for (int64_t k = 0; k < qe_tensor_count(want); k++) largest = fmax(largest, fabs((double)((const float *)qe_tensor_const_data(want))[k]));
    bool same = true;
    for (int64_t k = 0; k < qe_tensor_count(want); k++) {
      const double e = fabs((double)((const float *)qe_tensor_const_data(got))[k] - (double)((const float *)qe_tensor_const_data(want))[k]);
      double step = 0.0; /* every code of the input off by one */
      for (int64_t d = 0; d < depth; d++)
        step += fabs((double)((const int8_t *)qe_tensor_const_data(w))[k % rows * depth + d]) * (double)scales[k % rows] * (double)sx;
      cr_expect_leq(e, step + 1e-5 * largest, "%s, element %lld: off by %g", golden_text(c, "name"), (long long)k, e);
      same = same && e <= 1e-5 * largest;
    }
    if (same) close++;
    else elsewhere++;
    qe_tensor_release(&got);
    qe_model_destroy(&m);
    qe_tensor_release(&x);
    qe_tensor_release(&w);
    qe_tensor_release(&b);
    qe_tensor_release(&want);
  }
  fprintf(stderr, "dynamic linear: %d cases, %d within 1e-5 of torch's ideal, %d where a code of the input differs\n", cases, close, elsewhere);
  cr_expect_eq(cases, 24);
  cr_expect_geq(close, 20);
  golden_close(&g);
}
