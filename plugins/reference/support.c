/* Helpers that many kernels share: type sizes, refusals, flat plans, walking of strided boxes. */
#include <stdarg.h>
#include <stdio.h>

#include "ref.h"

size_t ref_dtype_size(uint8_t dtype) {
  switch (dtype) {
  case QE_DT_U8: case QE_DT_I8: case QE_DT_BOOL: return 1;
  case QE_DT_U16: case QE_DT_I16: case QE_DT_F16: case QE_DT_BF16: return 2;
  case QE_DT_F32: case QE_DT_I32: case QE_DT_U32: return 4;
  case QE_DT_F64: case QE_DT_I64: case QE_DT_U64: return 8;
  default: return 0;
  }
}

int64_t ref_count(uint32_t rank, const int64_t *dims) {
  int64_t n = 1;
  for (uint32_t i = 0; i < rank; ++i)
    if (dims[i] == 0)
      return 0;
  for (uint32_t i = 0; i < rank; ++i)
    n = (int64_t)((uint64_t)n * (uint64_t)dims[i]); /* wraps only beside an empty tensor, where nobody uses it */
  return n;
}

const char *ref_dtype_name(uint8_t dtype) {
  switch (dtype) {
  case QE_DT_F32: return "float32";
  case QE_DT_U8: return "uint8";
  case QE_DT_I8: return "int8";
  case QE_DT_U16: return "uint16";
  case QE_DT_I16: return "int16";
  case QE_DT_I32: return "int32";
  case QE_DT_I64: return "int64";
  case QE_DT_BOOL: return "bool";
  case QE_DT_F16: return "float16";
  case QE_DT_F64: return "float64";
  case QE_DT_U32: return "uint32";
  case QE_DT_U64: return "uint64";
  case QE_DT_BF16: return "bfloat16";
  case QE_DT_U4: return "uint4";
  case QE_DT_I4: return "int4";
  default: return "no type";
  }
}

int ref_refuse(char *reason, size_t reason_size, const char *format, ...) {
  if (reason && reason_size) {
    va_list args;
    va_start(args, format);
    (void)vsnprintf(reason, reason_size, format, args);
    va_end(args);
  }
  return 0;
}

int ref_flat_plan(void *self, const qe_problem *p, qe_kernel_plan *plan) {
  (void)self;
  plan->tiles = ref_ceil_div(p->out[0]->count, REF_FLAT_TILE);
  plan->flags = QE_PLAN_INPLACE;
  return 0;
}

int ref_flat_copy_plan(void *self, const qe_problem *p, qe_kernel_plan *plan) {
  (void)self;
  plan->tiles = ref_ceil_div(p->out[0]->count, REF_FLAT_TILE);
  return 0;
}

void ref_iter_start(ref_iter *it, uint32_t rank, const int64_t *dims, const int64_t *strides, int64_t linear) {
  it->rank = rank;
  it->offset = 0;
  for (uint32_t i = rank; i-- > 0;) {
    it->dims[i] = dims[i];
    it->strides[i] = strides[i];
    it->index[i] = dims[i] > 0 ? linear % dims[i] : 0;
    linear = dims[i] > 0 ? linear / dims[i] : 0;
    it->offset += it->index[i] * strides[i];
  }
}

void ref_iter_next(ref_iter *it) {
  for (uint32_t i = it->rank; i-- > 0;) {
    it->offset += it->strides[i];
    if (++it->index[i] < it->dims[i])
      return;
    it->offset -= it->strides[i] * it->dims[i];
    it->index[i] = 0;
  }
}

int64_t ref_offset(uint32_t rank, const int64_t *dims, const int64_t *strides, int64_t linear) {
  int64_t offset = 0;
  for (uint32_t i = rank; i-- > 0;) {
    offset += linear % dims[i] * strides[i];
    linear /= dims[i];
  }
  return offset;
}

bool ref_same_strides(const qe_problem *p) {
  const qe_operand *x = p->in[0], *y = p->out[0];
  if (x->rank != y->rank)
    return false;
  for (uint32_t i = 0; i < x->rank; ++i)
    if (x->dims[i] != y->dims[i] || (x->dims[i] > 1 && x->strides[i] != y->strides[i]))
      return false;
  return true;
}

uint32_t ref_box_merge(uint32_t rank, const int64_t *dims, const int64_t *strides, int64_t *new_dims,
                       int64_t *new_strides) {
  uint32_t n = 0;
  for (uint32_t i = 0; i < rank; ++i) {
    if (dims[i] == 1)
      continue;
    if (n > 0 && new_strides[n - 1] == dims[i] * strides[i]) {
      new_dims[n - 1] *= dims[i];
      new_strides[n - 1] = strides[i];
    } else {
      new_dims[n] = dims[i];
      new_strides[n++] = strides[i];
    }
  }
  return n;
}

void ref_broadcast_strides(const qe_operand *o, uint32_t rank, int64_t *strides) {
  const uint32_t lead = rank - o->rank;
  for (uint32_t i = 0; i < rank; ++i)
    strides[i] = i < lead || o->dims[i - lead] == 1 ? 0 : o->strides[i - lead];
}
