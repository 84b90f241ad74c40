/*
 * Equal, Less, LessOrEqual, Greater, GreaterOrEqual with broadcasting, any strides; the result is bool. NaN equals
 * nothing.
 */
#include <string.h>

#include "nest.h"

typedef enum compare_op { EQUAL, LESS, LESS_EQUAL, GREATER, GREATER_EQUAL } compare_op;

static compare_op op_of(const qe_problem *p) {
  static const char *const names[] = {"Equal", "Less", "LessOrEqual", "Greater"};
  for (int i = 0; i < 4; ++i)
    if (strcmp(p->op, names[i]) == 0)
      return (compare_op)i;
  return GREATER_EQUAL;
}

int ref_compare_supports(void *self, const qe_problem *p, char *reason, size_t reason_size) {
  (void)self;
  const uint8_t type = p->in[0]->dtype;
  if (type != p->in[1]->dtype || p->out[0]->dtype != QE_DT_BOOL)
    return ref_refuse(reason, reason_size, "%s: %s and %s -> %s, expected one type -> bool", p->op,
                      ref_dtype_name(type), ref_dtype_name(p->in[1]->dtype), ref_dtype_name(p->out[0]->dtype));
  if (ref_dtype_size(type) == 0 || type == QE_DT_F16 || type == QE_DT_BF16)
    return ref_refuse(reason, reason_size, "%s: no kernel for %s", p->op, ref_dtype_name(type));
  return ref_broadcast_check(p, reason, reason_size);
}

typedef struct piece {
  uint8_t *y;
  const void *a, *b;
  int64_t y_step, a_step, b_step, n;
} piece;

#define LOOP(type, operator)                                                            \
  for (int64_t i = 0; i < c->n; ++i)                                                    \
    c->y[i * c->y_step] = ((const type *)c->a)[i * c->a_step] operator((const type *)c->b)[i * c->b_step]; \
  break

#define COMPARE(stem, type)                                  \
  static void compare_##stem(compare_op op, const piece *c) { \
    switch (op) {                                            \
    case EQUAL: LOOP(type, ==);                              \
    case LESS: LOOP(type, <);                                \
    case LESS_EQUAL: LOOP(type, <=);                         \
    case GREATER: LOOP(type, >);                             \
    case GREATER_EQUAL: LOOP(type, >=);                      \
    }                                                        \
  }
COMPARE(f32, float)
COMPARE(f64, double)
COMPARE(u8, uint8_t)
COMPARE(u16, uint16_t)
COMPARE(u32, uint32_t)
COMPARE(u64, uint64_t)
COMPARE(i8, int8_t)
COMPARE(i16, int16_t)
COMPARE(i32, int32_t)
COMPARE(i64, int64_t)

int ref_compare_run(void *self, const qe_call *call, int64_t tile_begin, int64_t tile_end) {
  (void)self;
  const qe_problem *p = call->problem;
  const compare_op op = op_of(p);
  const size_t size = ref_dtype_size(p->in[0]->dtype);
  ref_nest nest;
  ref_nest_of_problem(&nest, p);
  int64_t begin, end;
  ref_flat_range(p, tile_begin, tile_end, &begin, &end);
  ref_walk w;
  for (ref_walk_start(&w, &nest, begin, end); w.n > 0; ref_walk_next(&w)) {
    const piece c = {.y = (uint8_t *)call->out[0] + w.offset[0],
                     .a = ref_at_const(call->in[0], size, w.offset[1]),
                     .b = ref_at_const(call->in[1], size, w.offset[2]),
                     .y_step = w.step[0],
                     .a_step = w.step[1],
                     .b_step = w.step[2],
                     .n = w.n};
    switch (p->in[0]->dtype) {
    case QE_DT_F32: compare_f32(op, &c); break;
    case QE_DT_F64: compare_f64(op, &c); break;
    case QE_DT_U8: case QE_DT_BOOL: compare_u8(op, &c); break;
    case QE_DT_U16: compare_u16(op, &c); break;
    case QE_DT_U32: compare_u32(op, &c); break;
    case QE_DT_U64: compare_u64(op, &c); break;
    case QE_DT_I8: compare_i8(op, &c); break;
    case QE_DT_I16: compare_i16(op, &c); break;
    case QE_DT_I32: compare_i32(op, &c); break;
    default: compare_i64(op, &c); break;
    }
  }
  return 0;
}
