/* Properties of training ops: permuted samples, rows and channels; a weight gradient that is a matrix product. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "conform/properties.h"

/* Inputs that are reversed together, each along its dimension; output 0 is then reversed along y. */
typedef struct permutation {
  uint16_t op;
  const char *name;
  uint32_t n, inputs[6], dims[6];
  int y;
} permutation;

static const permutation permutations[] = {
    {QE__OP_BatchNormTrain,          "permute_channels", 4, {0, 1, 2, 3},       {1, 0, 0, 0},       1},
    {QE__OP_BatchNormGrad,           "permute_channels", 6, {0, 1, 2, 3, 4, 5}, {1, 1, 0, 0, 0, 0}, 1},
    {QE__OP_LayerNormGrad,           "permute_rows",     2, {0, 1},             {0, 0},             0},
    {QE__OP_ConvWeightGrad,          "permute_channels", 1, {0},                {1},                0},
    {QE__OP_MaxPoolGrad,             "permute_batch",    2, {0, 1},             {0, 0},             0},
    {QE__OP_MaxPoolGrad,             "permute_channels", 2, {0, 1},             {1, 1},             1},
    {QE__OP_AveragePoolGrad,         "permute_batch",    1, {0},                {0},                0},
    {QE__OP_AveragePoolGrad,         "permute_channels", 1, {0},                {1},                1},
    {QE__OP_SoftmaxCrossEntropyGrad, "permute_rows",     2, {1, 2},             {0, 0},             0},
};

static qe_status_t permute(const qe__property *p, const permutation *q) {
  const qe__built *b = p->b;
  uint32_t n = q->n;
  if (b->text.op != q->op || b->out[0].dims[q->y] < 2) return QE_OK;
  if (q->op == QE__OP_ConvWeightGrad && b->params.groups > 1) return QE_OK;
  if (q->op == QE__OP_LayerNormGrad && b->params.axis == 0) return QE_OK;
  while (n > 0 && (q->inputs[n - 1] >= b->n_in || !b->in[q->inputs[n - 1]].present)) n--;
  return qe__property_permuted(p, q->name, n, q->inputs, q->dims, q->y,
                               "samples, rows or channels in another order must give the same gradients in that order");
}

static bool is_point(const qe_op_params *o) {
  for (uint32_t i = 0; i < o->spatial; i++) {
    if (o->kernel[i] != 1 || o->stride[i] != 1 || o->pad_begin[i] != 0 || o->pad_end[i] != 0) return false;
  }
  return o->groups == 1;
}

/* Gemm of dy [positions, O], transposed, and x [positions, C]. */
static qe_status_t product_of(const qe__built *b, qe__built *v) {
  char text[QE__CASE_TEXT];
  qe__case c;
  snprintf(text, sizeof text, "Gemm:f32/m%lld/n%lld/k%lld/trans=1/bias=0", (long long)b->in[0].dims[1],
           (long long)b->in[1].dims[1], (long long)b->terms);
  QE_TRY(qe__case_parse(text, &c));
  QE_TRY(qe__case_describe(&c, 0, v));
  qe_status_t status = QE_OK;
  for (uint32_t i = 0; i < 2 && status == QE_OK; i++) {
    status = qe_tensor_create(QE_FLOAT32, 2, v->in[i].dims, &v->in[i].data);
    if (status == QE_OK) qe__pixels_first(b->in[i].data, v->in[i].data);
  }
  if (status != QE_OK) qe__built_free(v);
  return status;
}

static qe_status_t point_is_product(const qe__property *p) {
  const qe__built *b = p->b;
  if (b->text.op != QE__OP_ConvWeightGrad || !is_point(&b->params) || b->terms == 0) return QE_OK;
  qe__built v;
  qe__run_result r = {0};
  bool ran = false;
  QE_TRY(product_of(b, &v));
  const qe__kernel *k = qe__property_kernel(p->kernel->engine, &v);
  qe_status_t status = k ? qe__variant_run(p, "conv_gemm", k, &v, &r, &ran) : QE_OK;
  for (int64_t i = 0; status == QE_OK && ran && i < b->out[0].count; i++) {
    const float *want = (const float *)r.out[0] + i, *got = (const float *)p->first->out[0] + i;
    if (memcmp(want, got, sizeof *want) == 0 || (isnan(*want) && isnan(*got))) continue;
    qe__property_broken(p, "conv_gemm", &r, i, i,
                        "the weight gradient of a convolution by 1x1 must be what the engine's Gemm gives");
    break;
  }
  qe__run_result_free(&r);
  qe__built_free(&v);
  return status;
}

qe_status_t qe__property_train(const qe__property *p) {
  if (p->b->out[0].dtype != QE_FLOAT32) return QE_OK;
  for (size_t i = 0; i < sizeof permutations / sizeof permutations[0] && !p->out->check[0]; i++)
    QE_TRY(permute(p, &permutations[i]));
  return p->out->check[0] ? QE_OK : point_is_product(p);
}
