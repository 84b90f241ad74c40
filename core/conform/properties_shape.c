/* Properties of shape: permuted batches and channels, split batches, other strides, a product under another name. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "conform/properties.h"

static bool windowed(uint16_t op) {
  return op == QE__OP_Conv || op == QE__OP_ConvTranspose || op == QE__OP_ConvInteger;
}

static bool by_batch(uint16_t op) {
  switch (op) {
    case QE__OP_MaxPool:
    case QE__OP_AveragePool:
    case QE__OP_GlobalMaxPool:
    case QE__OP_GlobalAveragePool:
    case QE__OP_BatchNormalization:
    case QE__OP_InstanceNormalization:
    case QE__OP_GroupNormalization: return true;
    default: return windowed(op);
  }
}

/* The same bytes, or float32 NaNs: which operand's payload a NaN gets differs between vectors and their remainders. */
static bool same(const qe__case_operand *o, const void *x, const void *y, size_t size) {
  float a, b;
  if (memcmp(x, y, size) == 0) return true;
  if (o->dtype != QE_FLOAT32) return false;
  memcpy(&a, x, sizeof a);
  memcpy(&b, y, sizeof b);
  return isnan(a) && isnan(b);
}

/* Output 0 of the variant, reversed along d, is the first run's: element by element. d < 0: as it is. */
static void expect(const qe__property *p, const char *name, const qe__run_result *r, int d, const char *rule) {
  const qe__case_operand *o = &p->b->out[0];
  const size_t size = qe_dtype_bits(o->dtype) / 8;
  int64_t inner = 1;
  for (uint32_t k = d < 0 ? o->rank : (uint32_t)d + 1; k < o->rank; k++) inner *= o->dims[k];
  const int64_t n = d < 0 ? 1 : o->dims[d];
  for (int64_t i = 0; i < o->count; i++) {
    const int64_t outer = i / inner, mirrored = d < 0 ? i : (outer / n * n + (n - 1 - outer % n)) * inner + i % inner;
    if (same(o, (const char *)r->out[0] + (size_t)mirrored * size, (const char *)p->first->out[0] + (size_t)i * size,
             size))
      continue;
    qe__property_broken(p, name, r, mirrored, i, rule);
    return;
  }
}

static qe_status_t reverse_operand(qe__built *v, uint32_t i, uint32_t d) {
  qe_tensor_t *t = NULL;
  QE_TRY(qe__reversed(v->in[i].data, d, &t));
  qe_tensor_release(&v->in[i].data);
  v->in[i].data = t;
  qe__qparams *q = &v->in[i].q;
  for (uint32_t k = 0; q->view.count > 1 && q->view.axis == (int32_t)d && k < q->view.count / 2; k++) {
    const uint32_t other = q->view.count - 1 - k;
    const float s = q->scales[k];
    const int32_t z = q->zero_points[k];
    q->scales[k] = q->scales[other];
    q->zero_points[k] = q->zero_points[other];
    q->scales[other] = s;
    q->zero_points[other] = z;
  }
  return QE_OK;
}

qe_status_t qe__property_permuted(const qe__property *p, const char *name, uint32_t count, const uint32_t *inputs,
                                  const uint32_t *dims, int y, const char *rule) {
  qe__built v;
  qe__run_result r = {0};
  bool ran = false;
  QE_TRY(qe__variant(p->b, NULL, NULL, &v));
  qe_status_t status = QE_OK;
  for (uint32_t i = 0; i < count && status == QE_OK; i++) status = reverse_operand(&v, inputs[i], dims[i]);
  if (status == QE_OK) status = qe__variant_run(p, name, p->kernel, &v, &r, &ran);
  if (status == QE_OK && ran) expect(p, name, &r, y, rule);
  qe__run_result_free(&r);
  qe__built_free(&v);
  return status;
}

qe_status_t qe__property_permute(const qe__property *p) {
  const qe__built *b = p->b;
  const uint16_t op = b->text.op;
  const qe__case_operand *x = &b->in[0], *y = &b->out[0];
  const bool bias = b->n_in > 2 && b->in[2].present;
  if (by_batch(op) && x->dims[0] > 1)
    QE_TRY(qe__property_permuted(p, "permute_batch", 1, (const uint32_t[]){0}, (const uint32_t[]){0}, 0,
                                 "samples in another order must give the same results in that order"));
  if (p->out->check[0]) return QE_OK;
  if (op == QE__OP_Gemm && y->dims[0] > 1 && (!bias || b->in[2].rank == 1)) {
    QE_TRY(qe__property_permuted(p, "permute_rows", 1, (const uint32_t[]){0},
                                 (const uint32_t[]){b->params.trans_a ? 1u : 0u}, 0,
                                 "rows of A in another order must give the same rows"));
  }
  if (op == QE__OP_MatMul && x->rank == 2 && b->in[1].rank == 2 && y->dims[0] > 1) {
    QE_TRY(qe__property_permuted(p, "permute_rows", 1, (const uint32_t[]){0}, (const uint32_t[]){0}, 0,
                                 "rows of A in another order must give the same rows"));
  }
  if (p->out->check[0]) return QE_OK;
  if (op == QE__OP_Conv && b->params.groups == 1 && y->dims[1] > 1) {
    QE_TRY(qe__property_permuted(p, "permute_channels", bias ? 2 : 1, (const uint32_t[]){1, 2},
                                 (const uint32_t[]){0, 0}, 1,
                                 "output channels in another order must give the same channels"));
  }
  if (((op == QE__OP_Gemm && (!bias || b->in[2].rank == 1)) ||
       (op == QE__OP_MatMul && b->in[1].rank == 2 && y->rank == 2)) &&
      y->dims[1] > 1) {
    const uint32_t d = op == QE__OP_Gemm && b->params.trans_b ? 0 : 1;
    QE_TRY(qe__property_permuted(p, "permute_columns", bias ? 2 : 1, (const uint32_t[]){1, 2},
                                 (const uint32_t[]){d, 0}, 1,
                                 "columns of B in another order must give the same columns"));
  }
  return QE_OK;
}

/* The first half of the batch (rows) alone. */
qe_status_t qe__property_split(const qe__property *p) {
  const qe__built *b = p->b;
  const uint16_t op = b->text.op;
  const bool rows =
      (op == QE__OP_Gemm && !b->params.trans_a && (b->n_in < 3 || !b->in[2].present || b->in[2].rank == 1)) ||
      (op == QE__OP_MatMul && b->in[0].rank == 2 && b->in[1].rank == 2);
  const char *key = rows ? "m" : "n",
             *rule = "the first part of the batch alone must give the first part of the results";
  char half[24];
  if ((!rows && !windowed(op) && op != QE__OP_MaxPool && op != QE__OP_AveragePool) || b->out[0].rank < 2 ||
      b->out[0].dims[0] < 2)
    return QE_OK;
  snprintf(half, sizeof half, "%lld", (long long)(b->out[0].dims[0] / 2));
  qe__built v;
  qe__run_result r = {0};
  bool ran = false;
  QE_TRY(qe__variant(b, key, half, &v));
  qe_status_t status = QE_OK;
  if (!v.in[0].data) {
    status = qe_tensor_create(v.in[0].dtype, v.in[0].rank, v.in[0].dims, &v.in[0].data);
    if (status == QE_OK) memcpy(v.in[0].data->data, b->in[0].data->data, v.in[0].data->bytes);
  }
  if (status == QE_OK) status = qe__variant_run(p, "split", p->kernel, &v, &r, &ran);
  for (size_t i = 0; status == QE_OK && ran && i < r.out_bytes[0]; i++) {
    if (((const uint8_t *)r.out[0])[i] == ((const uint8_t *)p->first->out[0])[i]) continue;
    const int64_t at = (int64_t)(i / (qe_dtype_bits(b->out[0].dtype) / 8));
    qe__property_broken(p, "split", &r, at, at, rule);
    break;
  }
  qe__run_result_free(&r);
  qe__built_free(&v);
  return status;
}

/* Strided memory gives what tight memory gives, for kernels that take both. */
qe_status_t qe__property_layout(const qe__property *p) {
  static const qe__arrange others[] = {QE__TIGHT, QE__CHANNELS_LAST, QE__GAPS};
  const uint8_t key = p->kernel->row.key.layout;
  if (key != QE_LAYOUT_SAME && key != QE_LAYOUT_STRIDED) return QE_OK;
  for (int i = 0; i < 3 && !p->out->check[0]; i++) {
    const qe__run_mode mode = {.arrange = others[i], .guard = true, .poison = 0x31};
    qe__run_result r;
    if (others[i] == qe__case_arrange(p->kernel, p->b) || (others[i] == QE__GAPS && key == QE_LAYOUT_SAME) ||
        (others[i] == QE__CHANNELS_LAST && p->b->out[0].rank < 3))
      continue;
    qe_status_t status = qe__case_run(p->kernel, p->b, &mode, &r);
    if (status == QE_OK && r.check[0]) {
      snprintf(p->out->check, sizeof p->out->check, "%s", r.check);
      qe__detail(p->out, "with %s: %s",
                 others[i] == QE__GAPS ? "gaps between elements (strides)" : "another memory layout", r.detail);
    } else if (status == QE_OK && !r.unsupported) {
      expect(p, "strided", &r, -1, "other strides of inputs and outputs must not change the results");
    }
    qe__run_result_free(&r);
    QE_TRY(status);
  }
  return QE_OK;
}

/* ---- a product under another name ---- */

const qe__kernel *qe__property_kernel(const qe__engine *engine, const qe__built *v) {
  char reason[200];
  for (uint32_t i = 0; i < engine->n_kernels; i++) {
    if (qe__case_supported(&engine->kernels[i], v, QE__TIGHT, reason, sizeof reason)) return &engine->kernels[i];
  }
  return NULL;
}

static qe_status_t take_tensor(const qe_tensor_t *from, qe__case_operand *to) {
  qe_tensor_release(&to->data);
  QE_TRY(qe_tensor_create(to->dtype, to->rank, to->dims, &to->data));
  if (to->data->bytes == from->bytes) memcpy(to->data->data, from->data, from->bytes);
  return QE_OK;
}

void qe__pixels_first(const qe_tensor_t *x, qe_tensor_t *a) {
  const size_t size = qe_dtype_bits(x->dtype) / 8;
  const int64_t channels = x->dims[1], pixels = x->count / (x->dims[0] * channels);
  for (int64_t i = 0; i < x->count; i++) {
    const int64_t n = i / (channels * pixels), c = i / pixels % channels, at = i % pixels;
    memcpy((char *)a->data + (size_t)((n * pixels + at) * channels + c) * size,
           (const char *)x->data + (size_t)i * size, size);
  }
}

static qe_status_t gemm_of(const qe__built *b, qe__built *v) {
  char text[QE__CASE_TEXT];
  qe__case c;
  const int64_t pixels = b->out[0].count / b->out[0].dims[1];
  const bool bias = b->n_in > 2 && b->in[2].present;
  const char *act = qe__case_text(&b->text, "act");
  snprintf(text, sizeof text, "Gemm:%s/m%lld/n%lld/k%lld/trans=2/bias=%d%s%s", b->text.dtypes, (long long)pixels,
           (long long)b->out[0].dims[1], (long long)b->in[0].dims[1], bias, act ? "/act=" : "", act ? act : "");
  QE_TRY(qe__case_parse(text, &c));
  QE_TRY(qe__case_describe(&c, 0, v));
  v->in[1].constant = b->in[1].constant;
  qe_status_t status = qe_tensor_create(v->in[0].dtype, 2, v->in[0].dims, &v->in[0].data);
  if (status == QE_OK) qe__pixels_first(b->in[0].data, v->in[0].data);
  for (uint32_t i = 1; i < b->n_in && status == QE_OK; i++) {
    if (b->in[i].present) status = take_tensor(b->in[i].data, &v->in[i]);
  }
  for (uint32_t i = 0; i < 2 && status == QE_OK && b->quantized; i++)
    status = qe__qparams_set(&v->in[i].q, &b->in[i].q.view, v->in[i].dtype, v->in[i].rank, v->in[i].dims);
  if (status == QE_OK && b->out[0].q.view.count)
    status = qe__qparams_set(&v->out[0].q, &b->out[0].q.view, v->out[0].dtype, 2, v->out[0].dims);
  if (status == QE_OK)
    qe__case_clamp(v);
  else
    qe__built_free(v);
  return status;
}

static bool one(const int64_t *v, uint32_t n, int64_t want) {
  for (uint32_t i = 0; i < n; i++) {
    if (v[i] != want) return false;
  }
  return true;
}

qe_status_t qe__property_gemm(const qe__property *p) {
  const qe__built *b = p->b;
  const qe_op_params *o = &b->params;
  if (b->text.op != QE__OP_Conv || o->groups != 1 || !one(o->kernel, o->spatial, 1) || !one(o->stride, o->spatial, 1) ||
      !one(o->pad_begin, o->spatial, 0) || !one(o->pad_end, o->spatial, 0))
    return QE_OK;
  qe__built v;
  qe__run_result r = {0};
  bool ran = false;
  QE_TRY(gemm_of(b, &v));
  const qe__kernel *k = qe__property_kernel(p->kernel->engine, &v);
  qe_status_t status = k ? qe__variant_run(p, "conv_gemm", k, &v, &r, &ran) : QE_OK;
  const size_t size = qe_dtype_bits(b->out[0].dtype) / 8;
  const int64_t channels = b->out[0].dims[1], pixels = b->out[0].count / (channels * b->out[0].dims[0]);
  for (int64_t i = 0; status == QE_OK && ran && i < b->out[0].count; i++) {
    const int64_t n = i / (channels * pixels), c = i / pixels % channels, at = (n * pixels + i % pixels) * channels + c;
    if (memcmp((const char *)r.out[0] + (size_t)at * size, (const char *)p->first->out[0] + (size_t)i * size, size) ==
        0)
      continue;
    qe__property_broken(p, "conv_gemm", &r, at, i, "a convolution by 1x1 must give what the engine's Gemm gives");
    break;
  }
  qe__run_result_free(&r);
  qe__built_free(&v);
  return status;
}

/* Grouped weights as one dense weight whose other entries stand for 0. */
static qe_status_t dense_weight(const qe__built *b, qe__built *v) {
  const qe__case_operand *w = &b->in[1];
  const size_t size = qe_dtype_bits(w->dtype) / 8;
  const int64_t taps = w->count / (w->dims[0] * w->dims[1]), per_group = w->dims[0] / b->params.groups,
                depth = w->dims[1], all = v->in[1].dims[1];
  QE_TRY(qe_tensor_create(v->in[1].dtype, v->in[1].rank, v->in[1].dims, &v->in[1].data));
  char *dense = v->in[1].data->data;
  for (int64_t o = 0; o < w->dims[0]; o++) {
    const int32_t zero = w->q.view.count ? w->q.zero_points[w->q.view.count > 1 ? o : 0] : 0;
    if (size == 1) memset(dense + (size_t)(o * all * taps), zero, (size_t)(all * taps));
    memcpy(dense + (size_t)((o * all + o / per_group * depth) * taps) * size,
           (const char *)w->data->data + (size_t)(o * depth * taps) * size, (size_t)(depth * taps) * size);
  }
  return QE_OK;
}

qe_status_t qe__property_grouped(const qe__property *p) {
  const qe__built *b = p->b;
  const int64_t groups = b->params.groups;
  if (b->text.op != QE__OP_Conv || groups < 2 || b->in[1].count == 0 || b->terms * groups > 4096) return QE_OK;
  if (qe__case_is(&b->text, "pat", "special")) return QE_OK;
  qe__built v;
  qe__run_result r = {0};
  bool ran = false;
  QE_TRY(qe__variant(b, "g", NULL, &v));
  if (b->in[1].q.view.count)
    QE_TRY(qe__qparams_set(&v.in[1].q, &b->in[1].q.view, v.in[1].dtype, v.in[1].rank, v.in[1].dims));
  qe_status_t status = dense_weight(b, &v);
  const qe__kernel *k = qe__property_kernel(p->kernel->engine, &v);
  if (status == QE_OK && k) status = qe__variant_run(p, "grouped", k, &v, &r, &ran);
  for (int64_t i = 0; status == QE_OK && ran && i < b->out[0].count; i++) {
    const bool same = b->out[0].dtype == QE_FLOAT32
                          ? ((const float *)r.out[0])[i] == ((const float *)p->first->out[0])[i]
                          : ((const uint8_t *)r.out[0])[i] == ((const uint8_t *)p->first->out[0])[i];
    if (same) continue;
    qe__property_broken(p, "grouped", &r, i, i,
                        "a grouped convolution must give what a dense one gives whose other weights stand for 0");
    break;
  }
  qe__run_result_free(&r);
  qe__built_free(&v);
  return status;
}
