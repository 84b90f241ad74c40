/* Metamorphic properties: what must hold between outputs of related cases, whatever the reference says. */
#include "conform/properties.h"

#include <stdio.h>
#include <string.h>

static qe_status_t copy_params(const qe__case_operand *from, qe__case_operand *to) {
  if (!from->q.view.count) return QE_OK;
  if (from->q.view.count > 1 &&
      (from->rank != to->rank || from->dims[from->q.view.axis] != to->dims[from->q.view.axis]))
    return QE_OK;
  return qe__qparams_set(&to->q, &from->q.view, to->dtype, to->rank, to->dims);
}

static bool same_shape(const qe__case_operand *a, const qe__case_operand *b) {
  return a->dtype == b->dtype && a->rank == b->rank && memcmp(a->dims, b->dims, a->rank * sizeof a->dims[0]) == 0;
}

qe_status_t qe__variant(const qe__built *b, const char *key, const char *value, qe__built *out) {
  qe__case c = b->text;
  memset(out, 0, sizeof *out);
  if (key && !qe__case_set(&c, key, value)) return qe__fail(QE_ERROR_INTERNAL, "no room for field %s", key);
  qe_status_t status = qe__case_describe(&c, 0, out);
  for (uint32_t i = 0; status == QE_OK && i < out->n_in; i++) {
    if (!out->in[i].present || i >= b->n_in || !b->in[i].present) continue;
    status = copy_params(&b->in[i], &out->in[i]);
    if (status == QE_OK && !out->in[i].data && b->in[i].data && same_shape(&b->in[i], &out->in[i]))
      status = qe__tensor_copy(b->in[i].data, &out->in[i].data);
  }
  for (uint32_t i = 0; status == QE_OK && i < out->n_out && i < b->n_out; i++)
    status = copy_params(&b->out[i], &out->out[i]);
  if (status != QE_OK) {
    qe__built_free(out);
    return status;
  }
  qe__case_clamp(out);
  return QE_OK;
}

qe_status_t qe__variant_run(const qe__property *p, const char *name, const qe__kernel *kernel, const qe__built *v,
                            qe__run_result *r, bool *ran) {
  const qe__run_mode mode = {.arrange = qe__case_arrange(kernel, v), .poison = 0x77};
  QE_TRY(qe__case_run(kernel, v, &mode, r));
  *ran = !r->unsupported && !r->check[0];
  if (r->check[0]) {
    snprintf(p->out->check, sizeof p->out->check, "property:%s", name);
    qe__detail(p->out, "while trying it: %s: %s", r->check, r->detail);
  }
  return QE_OK;
}

void qe__property_broken(const qe__property *p, const char *name, const qe__run_result *got, int64_t index,
                         int64_t want_index, const char *rule) {
  char where[160];
  const qe__case_operand *o = &p->b->out[0];
  int64_t at[QE_MAX_RANK], rest = want_index;
  (void)got;
  (void)index;
  snprintf(p->out->check, sizeof p->out->check, "property:%s", name);
  for (uint32_t d = o->rank; d-- > 0;) {
    at[d] = rest % o->dims[d];
    rest /= o->dims[d];
  }
  qe__detail(p->out, "%s", rule);
  qe__detail(p->out, "broken first at %s of output 0", qe__dims_text(o->rank, at, where, sizeof where));
}

qe_status_t qe__reversed(const qe_tensor_t *t, uint32_t d, qe_tensor_t **out) {
  const size_t size = qe_dtype_bits(t->dtype) / 8;
  int64_t inner = 1;
  QE_TRY(qe_tensor_create(t->dtype, t->rank, t->dims, out));
  for (uint32_t k = d + 1; k < t->rank; k++) inner *= t->dims[k];
  const int64_t n = t->dims[d], block = inner * (int64_t)size;
  for (int64_t i = 0; n * inner > 0 && i < t->count / inner; i++) {
    const int64_t mirrored = i / n * n + (n - 1 - i % n);
    memcpy((char *)(*out)->data + i * block, (const char *)t->data + mirrored * block, (size_t)block);
  }
  return QE_OK;
}

int32_t qe__code_of(qe_dtype_t dtype, const void *data, int64_t i) {
  return dtype == QE_INT8 ? ((const int8_t *)data)[i] : ((const uint8_t *)data)[i];
}

qe_status_t qe__check_properties(const qe__kernel *kernel, const qe__built *b, const qe__run_result *first,
                                 uint64_t seed, qe__case_result *out) {
  static qe_status_t (*const all[])(const qe__property *) = {
      qe__property_permute,    qe__property_split, qe__property_layout,  qe__property_gemm,   qe__property_grouped,
      qe__property_zero_point, qe__property_bias,  qe__property_rescale, qe__property_unfused, qe__property_train};
  const qe__property p = {kernel, b, first, out};
  (void)seed;
  if (b->out[0].count == 0) return QE_OK;
  for (size_t i = 0; i < sizeof all / sizeof all[0] && !out->check[0]; i++) QE_TRY(all[i](&p));
  return QE_OK;
}
