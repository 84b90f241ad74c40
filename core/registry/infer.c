/* Helpers of the inference functions. */
#include "registry/infer.h"

#include <stdio.h>
#include <string.h>

const char *qe__in_text(const qe__infer_ctx *c, uint32_t i, char *buffer, size_t size) {
  return qe__dims_text(c->in[i].rank, c->in[i].dims, buffer, size);
}

static const char *types_text(qe__dtypes set, char *buffer, size_t size) {
  size_t used = 0;
  buffer[0] = '\0';
  for (unsigned t = 1; t < 32; t++) {
    if ((set >> t & 1u) == 0) continue;
    const int n = snprintf(buffer + used, size - used, "%s%s", used > 0 ? ", " : "", qe_dtype_name((qe_dtype_t)t));
    if (n < 0 || (size_t)n >= size - used) break;
    used += (size_t)n;
  }
  return buffer;
}

qe_status_t qe__need_type(const qe__infer_ctx *c, uint32_t i, qe__dtypes allowed) {
  const unsigned type = (unsigned)c->in[i].dtype;
  if (c->node->quantized) allowed |= QE__T_CODE | QE__T(FLOAT32);
  if (type < 32 && (allowed >> type & 1u) != 0) return QE_OK;
  char text[200];
  return qe__fail(QE_ERROR_DTYPE, "input %u is %s; %s takes %s there", (unsigned)i, qe_dtype_name(c->in[i].dtype),
                  c->node->op->name, types_text(allowed, text, sizeof text));
}

qe_status_t qe__need_same_type(const qe__infer_ctx *c, uint32_t i) {
  if (c->in[i].dtype == c->in[0].dtype) return QE_OK;
  if (c->node->quantized) return qe__need_type(c, i, 0);
  return qe__fail(QE_ERROR_DTYPE, "input %u is %s but input 0 is %s; they must have one type (insert a Cast)",
                  (unsigned)i, qe_dtype_name(c->in[i].dtype), qe_dtype_name(c->in[0].dtype));
}

qe_status_t qe__need_rank(const qe__infer_ctx *c, uint32_t i, uint32_t lo, uint32_t hi) {
  if (c->in[i].rank >= lo && c->in[i].rank <= hi) return QE_OK;
  char text[200];
  if (lo == hi) {
    return qe__fail(QE_ERROR_SHAPE, "input %u has shape %s; rank %u was expected", (unsigned)i,
                    qe__in_text(c, i, text, sizeof text), (unsigned)lo);
  }
  return qe__fail(QE_ERROR_SHAPE, "input %u has shape %s; rank %u to %u was expected", (unsigned)i,
                  qe__in_text(c, i, text, sizeof text), (unsigned)lo, (unsigned)hi);
}

qe_status_t qe__need_vector(const qe__infer_ctx *c, uint32_t i, int64_t n, const char *what) {
  if (c->in[i].rank == 1 && c->in[i].dims[0] == n) return QE_OK;
  char text[200];
  return qe__fail(QE_ERROR_SHAPE, "input %u (%s) has shape %s; [%lld] was expected", (unsigned)i, what,
                  qe__in_text(c, i, text, sizeof text), (long long)n);
}

static qe_status_t not_known(uint32_t i, const char *what) {
  return qe__fail(QE_ERROR_UNSUPPORTED,
                  "depends on data: the value of input %u (%s) is needed when planning, but it is computed from the "
                  "model's inputs; make it a constant or derive it from shapes only",
                  (unsigned)i, what);
}

qe_status_t qe__read_ints(const qe__infer_ctx *c, uint32_t i, const char *what, size_t capacity, int64_t *out,
                          size_t *count) {
  *count = 0;
  const qe__operand_info *in = &c->in[i];
  if (in->dtype != QE_INT64 && in->dtype != QE_INT32) {
    return qe__fail(QE_ERROR_DTYPE, "input %u (%s) is %s; int64 was expected", (unsigned)i, what,
                    qe_dtype_name(in->dtype));
  }
  QE_TRY(qe__need_rank(c, i, 0, 1));
  if (in->data == NULL) return not_known(i, what);
  if ((uint64_t)in->data->count > capacity) {
    return qe__fail(QE_ERROR_SHAPE, "input %u (%s) has %lld elements; at most %llu make sense", (unsigned)i, what,
                    (long long)in->data->count, (unsigned long long)capacity);
  }
  *count = (size_t)in->data->count;
  for (size_t k = 0; k < *count; k++) out[k] = qe__tensor_int_at(in->data, (int64_t)k);
  return QE_OK;
}

qe_status_t qe__need_scalar_value(const qe__infer_ctx *c, uint32_t i, const char *what) {
  char text[200];
  const qe__operand_info *in = &c->in[i];
  if (in->rank > 1 || (in->rank == 1 && in->dims[0] != 1)) {
    return qe__fail(QE_ERROR_SHAPE, "input %u (%s) has shape %s; a scalar was expected", (unsigned)i, what,
                    qe__in_text(c, i, text, sizeof text));
  }
  return in->data != NULL ? QE_OK : not_known(i, what);
}

/* *out NULL when absent. */
static qe_status_t find_attr(const qe__infer_ctx *c, const char *name, qe__attr_kind kind, const qe__attr **out) {
  static const char *const kinds[] = {"an integer", "a float", "a string", "integers", "floats", "strings", "a tensor"};
  *out = qe__node_attr(c->node, name);
  if (*out == NULL || (*out)->kind == kind) return QE_OK;
  if (kind == QE__ATTR_FLOAT && (*out)->kind == QE__ATTR_INT) return QE_OK;
  return qe__fail(QE_ERROR_FORMAT, "attribute '%s' is %s; %s was expected", name, kinds[(*out)->kind], kinds[kind]);
}

qe_status_t qe__attr_int(const qe__infer_ctx *c, const char *name, int64_t fallback, int64_t *out) {
  const qe__attr *a;
  QE_TRY(find_attr(c, name, QE__ATTR_INT, &a));
  *out = a != NULL ? a->i : fallback;
  return QE_OK;
}

qe_status_t qe__attr_flag(const qe__infer_ctx *c, const char *name, bool fallback, bool *out) {
  int64_t value;
  QE_TRY(qe__attr_int(c, name, fallback, &value));
  *out = value != 0;
  return QE_OK;
}

qe_status_t qe__attr_float(const qe__infer_ctx *c, const char *name, float fallback, float *out) {
  const qe__attr *a;
  QE_TRY(find_attr(c, name, QE__ATTR_FLOAT, &a));
  *out = a == NULL ? fallback : a->kind == QE__ATTR_INT ? (float)a->i : a->f;
  return QE_OK;
}

qe_status_t qe__attr_string(const qe__infer_ctx *c, const char *name, const char *fallback, const char **out) {
  const qe__attr *a;
  QE_TRY(find_attr(c, name, QE__ATTR_STRING, &a));
  *out = a != NULL ? a->s : fallback;
  return QE_OK;
}

qe_status_t qe__attr_ints(const qe__infer_ctx *c, const char *name, size_t want, const int64_t **values,
                          size_t *count) {
  const qe__attr *a;
  *values = NULL;
  *count = 0;
  QE_TRY(find_attr(c, name, QE__ATTR_INTS, &a));
  if (a == NULL) return QE_OK;
  if (want != SIZE_MAX && a->count != want) {
    return qe__fail(QE_ERROR_SHAPE, "attribute '%s' has %llu entries; %llu were expected", name,
                    (unsigned long long)a->count, (unsigned long long)want);
  }
  *values = a->ints;
  *count = a->count;
  return QE_OK;
}

qe_status_t qe__attr_choice(const qe__infer_ctx *c, const char *name, const char *const *names, uint32_t fallback,
                            uint32_t *out) {
  const char *text;
  *out = fallback;
  QE_TRY(qe__attr_string(c, name, names[fallback], &text));
  char list[200];
  size_t used = 0;
  list[0] = '\0';
  for (uint32_t i = 0; names[i] != NULL; i++) {
    if (strcmp(text, names[i]) == 0) {
      *out = i;
      return QE_OK;
    }
    const int n = snprintf(list + used, sizeof list - used, "%s%s", i > 0 ? ", " : "", names[i]);
    if (n > 0 && (size_t)n < sizeof list - used) used += (size_t)n;
  }
  return qe__fail(QE_ERROR_UNSUPPORTED, "attribute '%s' is '%.60s'; supported: %s", name, text, list);
}

qe_status_t qe__positive_axis(const char *what, int64_t axis, uint32_t rank, uint32_t *out) {
  *out = 0;
  if (axis < -(int64_t)rank || axis >= (int64_t)rank) {
    return qe__fail(QE_ERROR_SHAPE, "%s is %lld; rank %u allows %d to %d", what, (long long)axis, (unsigned)rank,
                    -(int)rank, (int)rank - 1);
  }
  *out = (uint32_t)(axis < 0 ? axis + (int64_t)rank : axis);
  return QE_OK;
}

qe_status_t qe__attr_axis(const qe__infer_ctx *c, int64_t fallback, uint32_t rank, uint32_t *out) {
  int64_t axis;
  *out = 0;
  QE_TRY(qe__attr_int(c, "axis", fallback, &axis));
  return qe__positive_axis("attribute 'axis'", axis, rank, out);
}

qe_status_t qe__axis_set(const char *what, const int64_t *axes, size_t count, uint32_t rank, uint32_t *out) {
  *out = 0;
  for (size_t i = 0; i < count; i++) {
    uint32_t axis;
    QE_TRY(qe__positive_axis(what, axes[i], rank, &axis));
    if ((*out >> axis & 1u) != 0)
      return qe__fail(QE_ERROR_SHAPE, "%s: dimension %u is named twice", what, (unsigned)axis);
    *out |= 1u << axis;
  }
  return QE_OK;
}

static qe_status_t overflow(int64_t a, const char *op, int64_t b) {
  return qe__fail(QE_ERROR_SHAPE, "a dimension overflows: %lld %s %lld", (long long)a, op, (long long)b);
}

qe_status_t qe__dim_add(int64_t a, int64_t b, int64_t *out) {
  *out = 0;
  if ((b > 0 && a > INT64_MAX - b) || (b < 0 && a < INT64_MIN - b)) return overflow(a, "+", b);
  *out = a + b;
  return QE_OK;
}

qe_status_t qe__dim_mul(int64_t a, int64_t b, int64_t *out) {
  *out = 0;
  return qe__mul_i64(a, b, out) ? QE_OK : overflow(a, "*", b);
}

int64_t qe__floor_div(int64_t a, int64_t b) { return a / b - (a % b < 0); }
int64_t qe__ceil_div(int64_t a, int64_t b) { return a / b + (a % b > 0); }

qe_status_t qe__broadcast(uint32_t *rank, int64_t *dims, uint32_t b_rank, const int64_t *b_dims) {
  int64_t wide[QE_MAX_RANK];
  const uint32_t r = *rank > b_rank ? *rank : b_rank;
  for (uint32_t i = 0; i < r; i++) {
    const int64_t a = i < r - *rank ? 1 : dims[i - (r - *rank)];
    const int64_t b = i < r - b_rank ? 1 : b_dims[i - (r - b_rank)];
    if (a != b && a != 1 && b != 1) {
      char ta[200], tb[200];
      return qe__fail(QE_ERROR_SHAPE, "shapes %s and %s do not broadcast: dimension %u is %lld and %lld",
                      qe__dims_text(*rank, dims, ta, sizeof ta), qe__dims_text(b_rank, b_dims, tb, sizeof tb),
                      (unsigned)i, (long long)a, (long long)b);
    }
    wide[i] = a == 1 ? b : a;
  }
  *rank = r;
  memcpy(dims, wide, r * sizeof dims[0]);
  return QE_OK;
}

bool qe__broadcasts_to(uint32_t b_rank, const int64_t *b_dims, uint32_t rank, const int64_t *dims) {
  if (b_rank > rank) return false;
  for (uint32_t i = 0; i < b_rank; i++) {
    if (b_dims[i] != 1 && b_dims[i] != dims[rank - b_rank + i]) return false;
  }
  return true;
}

void qe__set_out(qe__infer_ctx *c, uint32_t i, qe_dtype_t dtype, uint32_t rank, const int64_t *dims) {
  if (i >= c->n_out) return;
  qe__operand_info *out = &c->out[i];
  if (!c->node->quantized || out->dtype == QE_DTYPE_NONE) out->dtype = dtype;
  out->rank = rank;
  memset(out->dims, 0, sizeof out->dims);
  if (rank <= QE_MAX_RANK && rank > 0) memcpy(out->dims, dims, rank * sizeof dims[0]);
}
