/* The same elements under another shape, in another order, or repeated: nothing is computed. */
#include <string.h>

#include "registry/infer.h"

/* The -1 of a Reshape: what is left of the elements; dimensions that were copied cancel out, also when they are 0. */
static qe_status_t reshape_missing(const qe__infer_ctx *c, const int64_t *wanted, size_t n, size_t missing,
                                   uint32_t copied, int64_t *out) {
  int64_t have = 1, given = 1;
  for (uint32_t d = 0; d < c->in[0].rank; d++) {
    if ((copied >> d & 1u) == 0) QE_TRY(qe__dim_mul(have, c->in[0].dims[d], &have));
  }
  for (size_t d = 0; d < n; d++) {
    if (d != missing && (copied >> d & 1u) == 0) QE_TRY(qe__dim_mul(given, wanted[d], &given));
  }
  if (given != 0 && have % given == 0) {
    *out = have / given;
    return QE_OK;
  }
  char from[200], to[200];
  return qe__fail(QE_ERROR_SHAPE, "%s cannot take shape %s: the dimension -1 has no solution",
                  qe__in_text(c, 0, from, sizeof from), qe__dims_text((uint32_t)n, wanted, to, sizeof to));
}

qe_status_t qe__infer_reshape(qe__infer_ctx *c) {
  int64_t wanted[QE_MAX_RANK], dims[QE_MAX_RANK] = {0};
  size_t n, missing = SIZE_MAX;
  uint32_t copied = 0; /* dimensions with a 0 that stands for the input's */
  bool allow_zero;
  char from[200], to[200];
  QE_TRY(qe__need_type(c, 0, QE__T_ANY));
  QE_TRY(qe__read_ints(c, 1, "shape", QE_MAX_RANK, wanted, &n));
  QE_TRY(qe__attr_flag(c, "allowzero", false, &allow_zero));
  for (size_t d = 0; d < n; d++) {
    dims[d] = wanted[d];
    if (wanted[d] == 0 && !allow_zero) {
      if (d >= c->in[0].rank) {
        return qe__fail(QE_ERROR_SHAPE, "shape %s copies dimension %u of input %s, which has none",
                        qe__dims_text((uint32_t)n, wanted, to, sizeof to), (unsigned)d,
                        qe__in_text(c, 0, from, sizeof from));
      }
      dims[d] = c->in[0].dims[d];
      copied |= 1u << d;
    } else if (wanted[d] == -1 && missing == SIZE_MAX) {
      missing = d;
    } else if (wanted[d] < 0) {
      return qe__fail(QE_ERROR_SHAPE, "shape %s: at most one -1 and no other negative number is allowed",
                      qe__dims_text((uint32_t)n, wanted, to, sizeof to));
    }
  }
  if (missing != SIZE_MAX) QE_TRY(reshape_missing(c, dims, n, missing, copied, &dims[missing]));
  int64_t before, after;
  if (!qe__dims_count(c->in[0].rank, c->in[0].dims, &before) || !qe__dims_count((uint32_t)n, dims, &after) ||
      before != after) {
    return qe__fail(QE_ERROR_SHAPE, "%s cannot take shape %s: the number of elements differs",
                    qe__in_text(c, 0, from, sizeof from), qe__dims_text((uint32_t)n, dims, to, sizeof to));
  }
  qe__set_out(c, 0, c->in[0].dtype, (uint32_t)n, dims);
  return QE_OK;
}

qe_status_t qe__infer_flatten(qe__infer_ctx *c) {
  int64_t axis, dims[2] = {1, 1};
  const int64_t rank = c->in[0].rank;
  QE_TRY(qe__need_type(c, 0, QE__T_ANY));
  QE_TRY(qe__attr_int(c, "axis", 1, &axis));
  if (axis < -rank || axis > rank) {
    return qe__fail(QE_ERROR_SHAPE, "attribute 'axis' is %lld; rank %lld allows %lld to %lld", (long long)axis,
                    (long long)rank, (long long)-rank, (long long)rank);
  }
  if (axis < 0) axis += rank;
  for (int64_t d = 0; d < rank; d++)
    QE_TRY(qe__dim_mul(dims[d < axis ? 0 : 1], c->in[0].dims[d], &dims[d < axis ? 0 : 1]));
  c->params->axis = axis;
  qe__set_out(c, 0, c->in[0].dtype, 2, dims);
  return QE_OK;
}

qe_status_t qe__infer_squeeze(qe__infer_ctx *c) {
  int64_t list[QE_MAX_RANK], dims[QE_MAX_RANK] = {0};
  size_t count;
  uint32_t axes = 0, rank = 0;
  QE_TRY(qe__need_type(c, 0, QE__T_ANY));
  if (qe__has(c, 1)) {
    QE_TRY(qe__read_ints(c, 1, "axes", QE_MAX_RANK, list, &count));
    QE_TRY(qe__axis_set("axes", list, count, c->in[0].rank, &axes));
  }
  for (uint32_t d = 0; d < c->in[0].rank; d++) {
    const int64_t size = c->in[0].dims[d];
    const bool drop = qe__has(c, 1) ? (axes >> d & 1u) != 0 : size == 1;
    if (!drop) {
      dims[rank++] = size;
    } else if (size != 1) {
      char from[200];
      return qe__fail(QE_ERROR_SHAPE, "dimension %u of %s is not 1 and cannot be dropped", (unsigned)d,
                      qe__in_text(c, 0, from, sizeof from));
    }
  }
  qe__set_out(c, 0, c->in[0].dtype, rank, dims);
  return QE_OK;
}

qe_status_t qe__infer_unsqueeze(qe__infer_ctx *c) {
  int64_t list[QE_MAX_RANK], dims[QE_MAX_RANK] = {0};
  size_t count;
  uint32_t axes, next = 0;
  QE_TRY(qe__need_type(c, 0, QE__T_ANY));
  QE_TRY(qe__read_ints(c, 1, "axes", QE_MAX_RANK, list, &count));
  const uint32_t rank = c->in[0].rank + (uint32_t)count;
  if (rank > QE_MAX_RANK)
    return qe__fail(QE_ERROR_SHAPE, "the result would have rank %u; at most %d is supported", (unsigned)rank,
                    QE_MAX_RANK);
  QE_TRY(qe__axis_set("axes", list, count, rank, &axes));
  for (uint32_t d = 0; d < rank; d++) dims[d] = (axes >> d & 1u) != 0 ? 1 : c->in[0].dims[next++];
  qe__set_out(c, 0, c->in[0].dtype, rank, dims);
  return QE_OK;
}

qe_status_t qe__infer_transpose(qe__infer_ctx *c) {
  const int64_t *perm;
  size_t count;
  int64_t dims[QE_MAX_RANK] = {0};
  uint32_t seen = 0;
  const uint32_t rank = c->in[0].rank;
  QE_TRY(qe__need_type(c, 0, QE__T_ANY));
  QE_TRY(qe__attr_ints(c, "perm", SIZE_MAX, &perm, &count));
  if (perm != NULL && count != rank) {
    return qe__fail(QE_ERROR_SHAPE, "attribute 'perm' has %llu entries; the input has rank %u",
                    (unsigned long long)count, (unsigned)rank);
  }
  for (uint32_t d = 0; d < rank; d++) {
    const int64_t from = perm != NULL ? perm[d] : (int64_t)(rank - 1 - d);
    if (from < 0 || from >= (int64_t)rank || (seen >> from & 1u) != 0) {
      return qe__fail(QE_ERROR_SHAPE, "attribute 'perm' is no permutation of %u dimensions: entry %u is %lld",
                      (unsigned)rank, (unsigned)d, (long long)from);
    }
    seen |= 1u << from;
    c->params->perm[d] = from;
    dims[d] = c->in[0].dims[from];
  }
  qe__set_out(c, 0, c->in[0].dtype, rank, dims);
  return QE_OK;
}

qe_status_t qe__infer_expand(qe__infer_ctx *c) {
  int64_t wanted[QE_MAX_RANK], dims[QE_MAX_RANK] = {0};
  size_t n;
  QE_TRY(qe__need_type(c, 0, QE__T_ANY));
  QE_TRY(qe__read_ints(c, 1, "shape", QE_MAX_RANK, wanted, &n));
  for (size_t d = 0; d < n; d++) {
    if (wanted[d] < 0)
      return qe__fail(QE_ERROR_SHAPE, "input 1 (shape) holds %lld; at least 0 was expected", (long long)wanted[d]);
  }
  uint32_t rank = c->in[0].rank;
  memcpy(dims, c->in[0].dims, sizeof dims);
  QE_TRY(qe__broadcast(&rank, dims, (uint32_t)n, wanted));
  qe__set_out(c, 0, c->in[0].dtype, rank, dims);
  return QE_OK;
}

qe_status_t qe__infer_tile(qe__infer_ctx *c) {
  int64_t repeats[QE_MAX_RANK], dims[QE_MAX_RANK] = {0};
  size_t n;
  QE_TRY(qe__need_type(c, 0, QE__T_ANY));
  QE_TRY(qe__read_ints(c, 1, "repeats", QE_MAX_RANK, repeats, &n));
  if (n != c->in[0].rank) {
    return qe__fail(QE_ERROR_SHAPE, "input 1 (repeats) has %llu entries; the input has rank %u", (unsigned long long)n,
                    (unsigned)c->in[0].rank);
  }
  for (size_t d = 0; d < n; d++) {
    if (repeats[d] < 0)
      return qe__fail(QE_ERROR_SHAPE, "input 1 (repeats) holds %lld; at least 0 was expected", (long long)repeats[d]);
    QE_TRY(qe__dim_mul(c->in[0].dims[d], repeats[d], &dims[d]));
  }
  qe__set_out(c, 0, c->in[0].dtype, (uint32_t)n, dims);
  return QE_OK;
}

qe_status_t qe__infer_depth_to_space(qe__infer_ctx *c) {
  static const char *const modes[] = {"DCR", "CRD", NULL};
  int64_t block, square;
  QE_TRY(qe__need_type(c, 0, QE__T_ANY));
  QE_TRY(qe__need_rank(c, 0, 4, 4));
  QE_TRY(qe__attr_int(c, "blocksize", 0, &block));
  QE_TRY(qe__attr_choice(c, "mode", modes, 0, &c->params->mode));
  QE_TRY(qe__dim_mul(block, block, &square));
  const int64_t *in = c->in[0].dims;
  if (block < 1 || in[1] % square != 0) {
    return qe__fail(QE_ERROR_SHAPE, "attribute 'blocksize' is %lld; its square must divide the %lld channels",
                    (long long)block, (long long)in[1]);
  }
  int64_t dims[4] = {in[0], in[1] / square};
  QE_TRY(qe__dim_mul(in[2], block, &dims[2]));
  QE_TRY(qe__dim_mul(in[3], block, &dims[3]));
  c->params->kernel[0] = block;
  qe__set_out(c, 0, c->in[0].dtype, 4, dims);
  return QE_OK;
}

qe_status_t qe__infer_space_to_depth(qe__infer_ctx *c) {
  int64_t block, square;
  QE_TRY(qe__need_type(c, 0, QE__T_ANY));
  QE_TRY(qe__need_rank(c, 0, 4, 4));
  QE_TRY(qe__attr_int(c, "blocksize", 0, &block));
  QE_TRY(qe__dim_mul(block, block, &square));
  const int64_t *in = c->in[0].dims;
  if (block < 1 || in[2] % block != 0 || in[3] % block != 0) {
    return qe__fail(QE_ERROR_SHAPE, "attribute 'blocksize' is %lld; it must divide height %lld and width %lld",
                    (long long)block, (long long)in[2], (long long)in[3]);
  }
  int64_t dims[4] = {in[0], 0, in[2] / block, in[3] / block};
  QE_TRY(qe__dim_mul(in[1], square, &dims[1]));
  c->params->kernel[0] = block;
  qe__set_out(c, 0, c->in[0].dtype, 4, dims);
  return QE_OK;
}
