/* Ops whose weights are codes and whose activations stay float32: MatMulNBits, Embedding, EmbeddingBag. */
#include "registry/infer.h"

#define TABLE_CODES (QE__T_BYTE | QE__T(UINT4) | QE__T(INT4))

static qe_status_t need_float(const qe__infer_ctx *c, uint32_t i, const char *what) {
  if (!qe__has(c, i) || c->in[i].dtype == QE_FLOAT32) return QE_OK;
  return qe__fail(QE_ERROR_DTYPE, "input %u (%s) is %s; float32 was expected", (unsigned)i, what,
                  qe_dtype_name(c->in[i].dtype));
}

static qe_status_t need_indices(const qe__infer_ctx *c, uint32_t i, const char *what) {
  if (c->in[i].dtype == QE_INT64 || c->in[i].dtype == QE_INT32) return QE_OK;
  return qe__fail(QE_ERROR_DTYPE, "input %u (%s) is %s; int32 or int64 was expected", (unsigned)i, what,
                  qe_dtype_name(c->in[i].dtype));
}

/* ---- MatMulNBits ---- */

/* An attribute that has to be there. */
static qe_status_t required(const qe__infer_ctx *c, const char *name, int64_t *out) {
  QE_TRY(qe__attr_int(c, name, 0, out));
  if (*out > 0) return QE_OK;
  return qe__fail(QE_ERROR_FORMAT, "attribute '%s' is %lld or missing; a positive number was expected", name,
                  (long long)*out);
}

static qe_status_t need_count(const qe__infer_ctx *c, uint32_t i, const char *what, int64_t count) {
  int64_t found = 0;
  if (qe__dims_count(c->in[i].rank, c->in[i].dims, &found) && found == count) return QE_OK;
  char text[200];
  return qe__fail(QE_ERROR_SHAPE, "input %u (%s) has shape %s; %lld elements were expected", (unsigned)i, what,
                  qe__in_text(c, i, text, sizeof text), (long long)count);
}

static qe_status_t block_attributes(qe__infer_ctx *c, int64_t *k, int64_t *n, int64_t *bits, int64_t *block) {
  QE_TRY(required(c, "K", k));
  QE_TRY(required(c, "N", n));
  QE_TRY(qe__attr_int(c, "bits", 4, bits));
  QE_TRY(required(c, "block_size", block));
  if (*bits != 4 && *bits != 8)
    return qe__fail(QE_ERROR_UNSUPPORTED, "attribute 'bits' is %lld; 4 and 8 are supported", (long long)*bits);
  if (*block < 16 || (*block & (*block - 1)) != 0 || *block > INT64_C(1) << 30)
    return qe__fail(QE_ERROR_FORMAT, "attribute 'block_size' is %lld; a power of 2 from 16 on was expected",
                    (long long)*block);
  c->params->mode = (uint32_t)*bits;
  c->params->kernel[0] = *block;
  return QE_OK;
}

static qe_status_t block_weight(qe__infer_ctx *c, int64_t k, int64_t n, int64_t bits, int64_t block) {
  const int64_t want[3] = {n, qe__ceil_div(k, block), block * bits / 8};
  bool same = c->in[1].rank == 3;
  for (uint32_t d = 0; same && d < 3; d++) same = c->in[1].dims[d] == want[d];
  QE_TRY(qe__need_type(c, 1, QE__T(UINT8)));
  if (!same) {
    char found[200], expected[200];
    return qe__fail(QE_ERROR_SHAPE, "input 1 (B) has shape %s; %s was expected of %lld columns of %lld elements in "
                    "blocks of %lld", qe__in_text(c, 1, found, sizeof found),
                    qe__dims_text(3, want, expected, sizeof expected), (long long)n, (long long)k, (long long)block);
  }
  int64_t blocks, packed;
  QE_TRY(qe__dim_mul(n, want[1], &blocks));
  QE_TRY(qe__dim_mul(n, qe__ceil_div(want[1] * bits, 8), &packed));
  QE_TRY(need_float(c, 2, "scales"));
  QE_TRY(need_count(c, 2, "scales", blocks));
  if (!qe__has(c, 3)) return QE_OK;
  if (c->in[3].dtype == QE_FLOAT32) return need_count(c, 3, "zero points", blocks);
  if (c->in[3].dtype == QE_UINT8) return need_count(c, 3, "zero points", packed);
  return qe__fail(QE_ERROR_DTYPE, "input 3 (zero points) is %s; uint8 (packed) or float32 was expected",
                  qe_dtype_name(c->in[3].dtype));
}

qe_status_t qe__infer_matmul_nbits(qe__infer_ctx *c) {
  int64_t k, n, bits, block, dims[QE_MAX_RANK];
  QE_TRY(qe__need_rank(c, 0, 1, QE_MAX_RANK));
  QE_TRY(need_float(c, 0, "A"));
  QE_TRY(block_attributes(c, &k, &n, &bits, &block));
  const uint32_t rank = c->in[0].rank;
  if (c->in[0].dims[rank - 1] != k) {
    char text[200];
    return qe__fail(QE_ERROR_SHAPE, "input 0 (A) has shape %s; its last dimension should be attribute 'K', %lld",
                    qe__in_text(c, 0, text, sizeof text), (long long)k);
  }
  QE_TRY(block_weight(c, k, n, bits, block));
  if (qe__has(c, 4))
    return qe__fail(QE_ERROR_UNSUPPORTED, "input 4 (g_idx) is given; blocks of neighbouring rows only are supported: "
                    "export without reordering (act-order)");
  QE_TRY(need_float(c, 5, "bias"));
  if (qe__has(c, 5)) QE_TRY(qe__need_vector(c, 5, n, "bias"));
  for (uint32_t d = 0; d + 1 < rank; d++) dims[d] = c->in[0].dims[d];
  dims[rank - 1] = n;
  qe__set_out(c, 0, QE_FLOAT32, rank, dims);
  return QE_OK;
}

/* ---- Embedding, EmbeddingBag ---- */

/* Scale (input `at`) and offset (the one behind it) of every row. */
static qe_status_t row_parameters(const qe__infer_ctx *c, uint32_t at) {
  const int64_t rows = c->in[0].dims[0];
  QE_TRY(need_float(c, at, "scale"));
  if (qe__has(c, at)) QE_TRY(qe__need_vector(c, at, rows, "scale"));
  QE_TRY(need_float(c, at + 1, "offset"));
  return qe__has(c, at + 1) ? qe__need_vector(c, at + 1, rows, "offset") : QE_OK;
}

qe_status_t qe__infer_embedding(qe__infer_ctx *c) {
  int64_t dims[QE_MAX_RANK + 1];
  QE_TRY(qe__need_rank(c, 0, 2, 2));
  QE_TRY(qe__need_type(c, 0, TABLE_CODES));
  QE_TRY(need_indices(c, 1, "indices"));
  QE_TRY(row_parameters(c, 2));
  const uint32_t rank = c->in[1].rank;
  for (uint32_t d = 0; d < rank; d++) dims[d] = c->in[1].dims[d];
  dims[rank] = c->in[0].dims[1];
  qe__set_out(c, 0, QE_FLOAT32, rank + 1, dims);
  return QE_OK;
}

static qe_status_t bag_attributes(qe__infer_ctx *c, bool *last) {
  static const char *const modes[] = {"sum", "mean", "max", NULL};
  int64_t padding;
  QE_TRY(qe__attr_choice(c, "mode", modes, 0, &c->params->mode));
  QE_TRY(qe__attr_flag(c, "include_last_offset", false, last));
  QE_TRY(qe__attr_int(c, "padding_idx", -1, &padding));
  if (padding < -1 || padding >= c->in[0].dims[0]) {
    return qe__fail(QE_ERROR_FORMAT, "attribute 'padding_idx' is %lld; -1 (none) or a row of the %lld was expected",
                    (long long)padding, (long long)c->in[0].dims[0]);
  }
  c->params->starts[0] = padding;
  return QE_OK;
}

qe_status_t qe__infer_embedding_bag(qe__infer_ctx *c) {
  bool last;
  QE_TRY(qe__need_rank(c, 0, 2, 2));
  QE_TRY(qe__need_type(c, 0, TABLE_CODES | QE__T(FLOAT32)));
  QE_TRY(qe__need_rank(c, 1, 1, 1));
  QE_TRY(need_indices(c, 1, "indices"));
  QE_TRY(qe__need_rank(c, 2, 1, 1));
  QE_TRY(need_indices(c, 2, "offsets"));
  const bool codes = c->in[0].dtype != QE_FLOAT32;
  if (codes != qe__has(c, 3)) {
    return qe__fail(QE_ERROR_FORMAT, "input 3 (scale) is %s but the table is %s: a table of codes needs a scale of "
                    "every row, one of float32 none", qe__has(c, 3) ? "given" : "missing",
                    qe_dtype_name(c->in[0].dtype));
  }
  if (!codes && qe__has(c, 4))
    return qe__fail(QE_ERROR_FORMAT, "input 4 (offset) is given but the table is float32; leave it out");
  QE_TRY(row_parameters(c, 3));
  QE_TRY(bag_attributes(c, &last));
  if (qe__has(c, 5)) {
    QE_TRY(need_float(c, 5, "per_sample_weights"));
    QE_TRY(qe__need_vector(c, 5, c->in[1].dims[0], "per_sample_weights"));
    if (c->params->mode != 0)
      return qe__fail(QE_ERROR_UNSUPPORTED, "input 5 (per_sample_weights) is given; only mode 'sum' takes it");
  }
  if (last && c->in[2].dims[0] < 1)
    return qe__fail(QE_ERROR_SHAPE, "input 2 (offsets) is empty; with include_last_offset it has one more element "
                    "than there are bags");
  const int64_t dims[2] = {c->in[2].dims[0] - last, c->in[0].dims[1]};
  qe__set_out(c, 0, QE_FLOAT32, 2, dims);
  return QE_OK;
}
