/* Random networks over one input, the same for the same seed; batch keeps samples apart (no op mixes dimension 0). */
#ifndef TEST_SUPPORT_RANDOM_GRAPH_H
#define TEST_SUPPORT_RANDOM_GRAPH_H

#include <stdio.h>

#include "support/models.h"

enum { RANDOM_MAX_VALUES = 64, RANDOM_STEPS = 14 };

typedef struct random_graph {
  qe_model_t *m;
  uint64_t state;
  qe_value_t values[RANDOM_MAX_VALUES];
  int count, names;
  int calm; /* only ops whose result moves little with its input, for comparisons that are not exact */
} random_graph;

static inline int64_t random_below(random_graph *g, int64_t n) {
  g->state = g->state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
  return (int64_t)((g->state >> 33) % (uint64_t)n);
}

static inline qe_value_info_t random_info(const random_graph *g, qe_value_t v) {
  qe_value_info_t info;
  cr_assert_eq(qe_model_value(g->m, (uint32_t)v, &info), QE_OK, "%s", qe_last_error());
  return info;
}

static inline const char *random_name(random_graph *g) {
  static char name[32];
  snprintf(name, sizeof name, "v%d", g->names++);
  return name;
}

static inline qe_value_t random_ints(random_graph *g, int64_t n, const int64_t *values) {
  qe_tensor_t *t = NULL;
  cr_assert_eq(qe_tensor_from_data(QE_INT64, 1, &n, values, &t), QE_OK);
  const qe_value_t v = qe_constant(g->m, random_name(g), t);
  qe_tensor_release(&t);
  return v;
}

static inline qe_value_t random_constant(random_graph *g, uint32_t rank, const int64_t *dims) {
  qe_tensor_t *t = test_random(rank, dims, 0.8f, (uint64_t)random_below(g, 1 << 20));
  const qe_value_t v = qe_constant(g->m, random_name(g), t);
  qe_tensor_release(&t);
  return v;
}

static inline qe_value_t random_conv(random_graph *g, qe_value_t x, const qe_value_info_t *i, int transposed) {
  const int64_t c = i->dims[1], k = 1 + random_below(g, 3);
  int64_t groups = 1;
  const int kind = (int)random_below(g, 4);
  if (kind == 0) groups = c;
  if (kind == 1 && c % 2 == 0) groups = 2;
  const int64_t out = groups * (1 + random_below(g, groups > 2 ? 2 : 5));
  qe_conv_options_t o = {.groups = groups};
  for (uint32_t d = 0; d + 2 < (uint32_t)i->rank; d++) {
    o.stride[d] = 1 + random_below(g, 2);
    o.padding[d] = random_below(g, k);
    o.dilation[d] = i->dims[2 + d] > 2 * k ? 1 + random_below(g, 2) : 1;
    if (i->dims[2 + d] + 2 * o.padding[d] < (k - 1) * o.dilation[d] + 1) return -1;
    if (transposed && ((i->dims[2 + d] - 1) * o.stride[d] + (k - 1) * o.dilation[d] + 1 - 2 * o.padding[d] < 1 ||
                       i->dims[2 + d] > 12))
      return -1;
  }
  int64_t dims[5] = {transposed ? c : out, transposed ? out / groups : c / groups, k, k, k};
  qe_tensor_t *w = test_random((uint32_t)i->rank, dims, 0.5f, (uint64_t)random_below(g, 1 << 20));
  qe_tensor_t *b = random_below(g, 2) ? test_random(1, &out, 0.3f, (uint64_t)random_below(g, 1 << 20)) : NULL;
  qe_value_t y;
  if (transposed)
    y = qe_conv_transpose(g->m, random_name(g), x, w, b, &o);
  else if (i->rank == 3)
    y = qe_conv1d(g->m, random_name(g), x, w, b, &o);
  else if (i->rank == 4)
    y = qe_conv2d(g->m, random_name(g), x, w, b, &o);
  else
    y = qe_conv3d(g->m, random_name(g), x, w, b, &o);
  qe_tensor_release(&w);
  qe_tensor_release(&b);
  return y;
}

static inline qe_value_t random_unary(random_graph *g, qe_value_t x) {
  static const char *const ops[] = {"Relu", "Sigmoid", "HardSwish", "Tanh",     "LeakyRelu", "Elu",      "Gelu",
                                    "Silu", "Abs",     "Neg",       "Identity", "Dropout",   "Softplus", "HardSigmoid"};
  if (random_below(g, 4) == 0) return qe_relu6(g->m, random_name(g), x);
  if (random_below(g, 4) == 0) return qe_clip(g->m, random_name(g), x, -0.5f, 0.75f);
  return qe_op(g->m, ops[random_below(g, (int64_t)(sizeof ops / sizeof *ops))], random_name(g), 1, &x, NULL);
}

/* A second operand: another value of the same shape, the value itself, or a constant that broadcasts. */
static inline qe_value_t random_partner(random_graph *g, qe_value_t x, const qe_value_info_t *i) {
  for (int tries = 0; tries < 6; tries++) {
    const qe_value_t y = g->values[random_below(g, g->count)];
    const qe_value_info_t j = random_info(g, y);
    if (j.rank != i->rank) continue;
    int fits = 1;
    for (int d = 0; d < i->rank; d++)
      fits = fits && (d == 0 || i->dims[d] == j.dims[d] || j.dims[d] == 1 || i->dims[d] == 1);
    if (fits) return y;
  }
  if (random_below(g, 5) == 0) return x;
  int64_t dims[QE_MAX_RANK];
  uint32_t skip = (uint32_t)random_below(g, i->rank), rank = 0;
  if (skip == 0) dims[rank++] = 1, skip = 1;
  for (int d = (int)skip; d < i->rank; d++) dims[rank++] = random_below(g, 2) ? i->dims[d] : 1;
  return random_constant(g, rank, dims);
}

static inline qe_value_t random_binary(random_graph *g, qe_value_t x, const qe_value_info_t *i) {
  static const char *const ops[] = {"Add", "Sub", "Mul", "Add", "Max", "Min", "Sum"};
  qe_value_t in[2] = {x, random_partner(g, x, i)};
  if (random_below(g, 3) == 0) {
    const qe_value_t t = in[0];
    in[0] = in[1];
    in[1] = t;
  }
  if (!g->calm && random_below(g, 6) == 0) {
    const qe_value_t c = qe_op(g->m, "Greater", random_name(g), 2, in, NULL);
    qe_value_t w[3] = {c, in[1], in[0]};
    return qe_op(g->m, "Where", random_name(g), 3, w, NULL);
  }
  return qe_op(g->m, ops[random_below(g, 7)], random_name(g), 2, in, NULL);
}

static inline qe_value_t random_move(random_graph *g, qe_value_t x, const qe_value_info_t *i) {
  char json[128];
  const int rank = i->rank;
  switch (random_below(g, 10)) {
    case 0: { /* transpose all but the batch */
      int64_t perm[QE_MAX_RANK];
      for (int d = 0; d < rank; d++) perm[d] = d;
      for (int d = rank - 1; d > 1; d--) {
        const int64_t o = 1 + random_below(g, d), t = perm[d];
        perm[d] = perm[o];
        perm[o] = t;
      }
      return qe_transpose(g->m, random_name(g), x, (uint32_t)rank, perm);
    }
    case 1:
    case 2: { /* join two dimensions, or split one */
      int64_t dims[QE_MAX_RANK];
      uint32_t n = 0;
      if (rank > 2 && random_below(g, 2)) {
        const int at = 1 + (int)random_below(g, rank - 2);
        for (int d = 0; d < rank; d++) {
          if (d == at)
            dims[n++] = i->dims[d] * i->dims[d + 1], d++;
          else
            dims[n++] = i->dims[d];
        }
      } else {
        if (rank >= 5) return -1;
        const int at = 1 + (int)random_below(g, rank - 1);
        int64_t f = 1;
        for (int64_t k = 2; k <= 6; k++) f = i->dims[at] % k == 0 && random_below(g, 2) ? k : f;
        for (int d = 0; d < rank; d++) {
          if (d == at)
            dims[n++] = f, dims[n++] = i->dims[d] / f;
          else
            dims[n++] = i->dims[d];
        }
      }
      return qe_reshape(g->m, random_name(g), x, n, dims);
    }
    case 3: { /* slice one dimension */
      const int64_t d = 1 + random_below(g, rank - 1), size = i->dims[d];
      const int64_t step = random_below(g, 3) == 0 ? 2 : 1, from = random_below(g, size),
                    to = from + 1 + random_below(g, size - from);
      qe_value_t in[5] = {x, random_ints(g, 1, &from), random_ints(g, 1, &to), random_ints(g, 1, &d),
                          random_ints(g, 1, &step)};
      if (random_below(g, 4) == 0) {
        const int64_t back = -1, end = INT64_MIN + 1, start = size - 1;
        in[1] = random_ints(g, 1, &start), in[2] = random_ints(g, 1, &end), in[4] = random_ints(g, 1, &back);
      }
      return qe_op(g->m, "Slice", random_name(g), 5, in, NULL);
    }
    case 4: { /* pad */
      int64_t pads[2 * QE_MAX_RANK] = {0};
      static const char *const modes[] = {"constant", "edge", "reflect"};
      const int mode = (int)random_below(g, 3);
      for (int d = 1; d < rank; d++) {
        if (mode == 2 && i->dims[d] < 2) continue;
        pads[d] = random_below(g, 2), pads[rank + d] = random_below(g, 2);
      }
      qe_value_t in[2] = {x, random_ints(g, 2 * rank, pads)};
      snprintf(json, sizeof json, "{\"mode\": \"%s\"}", modes[mode]);
      return qe_op(g->m, "Pad", random_name(g), 2, in, json);
    }
    case 5:
    case 6: { /* concat with what fits */
      qe_value_t in[3] = {x, x, x};
      uint32_t n = 1;
      const int axis = 1 + (int)random_below(g, rank - 1);
      for (int k = 0; k < g->count && n < 3; k++) {
        const qe_value_t y = g->values[random_below(g, g->count)];
        const qe_value_info_t j = random_info(g, y);
        int fits = j.rank == rank;
        for (int d = 1; fits && d < rank; d++) fits = d == axis || i->dims[d] == j.dims[d];
        if (fits) in[n++] = y;
      }
      return qe_concat(g->m, random_name(g), n == 1 ? 2 : n, in, axis);
    }
    case 7: { /* a dimension of 1 comes or goes */
      const int64_t one = 1;
      if (rank >= 3 && i->dims[1] == 1) {
        qe_value_t in[2] = {x, random_ints(g, 1, &one)};
        return qe_op(g->m, "Squeeze", random_name(g), 2, in, NULL);
      }
      if (rank >= 5) return -1;
      const int64_t at = 1 + random_below(g, rank);
      qe_value_t in[2] = {x, random_ints(g, 1, &at)};
      return qe_op(g->m, "Unsqueeze", random_name(g), 2, in, NULL);
    }
    case 8: {
      if (rank != 4) return -1;
      if (i->dims[1] % 4 == 0)
        return qe_op(g->m, "DepthToSpace", random_name(g), 1, &x,
                     random_below(g, 2) ? "{\"blocksize\": 2, \"mode\": \"CRD\"}" : "{\"blocksize\": 2}");
      if (i->dims[2] % 2 == 0 && i->dims[3] % 2 == 0)
        return qe_op(g->m, "SpaceToDepth", random_name(g), 1, &x, "{\"blocksize\": 2}");
      return -1;
    }
    default: { /* gather along a dimension */
      const int64_t axis = 1 + random_below(g, rank - 1), size = i->dims[axis];
      int64_t index[4];
      const int64_t n = 1 + random_below(g, 4);
      for (int64_t k = 0; k < n; k++) index[k] = random_below(g, 2 * size) - size;
      qe_value_t in[2] = {x, random_ints(g, n, index)};
      snprintf(json, sizeof json, "{\"axis\": %d}", (int)axis);
      return qe_op(g->m, "Gather", random_name(g), 2, in, json);
    }
  }
}

static inline qe_value_t random_pool(random_graph *g, qe_value_t x, const qe_value_info_t *i) {
  if (random_below(g, 5) == 0) return qe_global_avg_pool(g->m, random_name(g), x);
  if (random_below(g, 8) == 0) return qe_op(g->m, "GlobalMaxPool", random_name(g), 1, &x, NULL);
  if (i->rank != 4 || i->dims[2] < 2 || i->dims[3] < 2) return -1;
  const int64_t k = 2 + random_below(g, 2);
  qe_pool_options_t o = {
      .kernel = {k,                   k },
      .stride = { 1 + random_below(g, 2), 1 + random_below(g, 2)},
      .padding = { random_below(g,     2),     random_below(g, 2)},
      .ceil_mode = (int)random_below(g, 2),
      .count_exclude_pad = (int)random_below(g, 2)
  };
  if (i->dims[2] + 2 * o.padding[0] < k || i->dims[3] + 2 * o.padding[1] < k) return -1;
  return random_below(g, 2) ? qe_max_pool2d(g->m, random_name(g), x, &o) : qe_avg_pool2d(g->m, random_name(g), x, &o);
}

static inline qe_value_t random_norm(random_graph *g, qe_value_t x, const qe_value_info_t *i) {
  char json[64];
  const int64_t c = i->dims[1], last = i->dims[i->rank - 1], axis = 1 + random_below(g, i->rank - 1);
  qe_value_t y = -1;
  switch (random_below(g, 6)) {
    case 0: {
      qe_tensor_t *t[4] = {test_filled(c, 0.7f, 0.1f), test_filled(c, -0.3f, 0.1f), test_filled(c, 0.0f, 0.05f),
                           test_filled(c, 0.5f, 0.1f)};
      y = qe_batch_norm(g->m, random_name(g), x, t[0], t[1], t[2], t[3], 1e-5f);
      for (int k = 0; k < 4; k++) qe_tensor_release(&t[k]);
      return y;
    }
    case 1: {
      if (g->calm) return -1;
      qe_tensor_t *w = test_filled(last, 0.7f, 0.1f);
      y = qe_layer_norm(g->m, random_name(g), x, w, NULL, 1e-3f);
      qe_tensor_release(&w);
      return y;
    }
    case 2: return qe_softmax(g->m, random_name(g), x, axis);
    case 3: {
      qe_value_t in[2] = {x, random_ints(g, 1, &axis)};
      static const char *const ops[] = {"ReduceMean", "ReduceMax", "ReduceMin", "ReduceSum"};
      if (i->rank < 3) return -1;
      snprintf(json, sizeof json, "{\"keepdims\": %d}", (int)random_below(g, 2));
      return qe_op(g->m, ops[random_below(g, 4)], random_name(g), 2, in, json);
    }
    case 4: {
      const int64_t n = 1 + random_below(g, 8);
      qe_tensor_t *w = test_random(2, (int64_t[]){n, last}, 0.5f, (uint64_t)random_below(g, 1 << 20)),
                  *b = test_random(1, &n, 0.3f, (uint64_t)random_below(g, 1 << 20));
      y = qe_linear(g->m, random_name(g), x, w, random_below(g, 2) ? b : NULL);
      qe_tensor_release(&w);
      qe_tensor_release(&b);
      return y;
    }
    default: { /* x * x^T */
      if (i->rank != 3 || i->dims[1] > 64) return -1;
      const qe_value_t t = qe_transpose(g->m, random_name(g), x, 3, (int64_t[]){0, 2, 1});
      return qe_matmul(g->m, random_name(g), x, t);
    }
  }
}

/* Through a recurrent layer along dimension 1 of [batch, time, features]. */
static inline qe_value_t random_lstm(random_graph *g, qe_value_t x, const qe_value_info_t *i) {
  if (i->rank != 3 || i->dims[1] > 16 || i->dims[2] > 64) return -1;
  const int64_t hidden = 1 + random_below(g, 4), seed = random_below(g, 1 << 20), perm[3] = {1, 0, 2};
  qe_tensor_t *w = test_random(2, (int64_t[]){4 * hidden, i->dims[2]}, 0.5f, (uint64_t)seed);
  qe_tensor_t *r = test_random(2, (int64_t[]){4 * hidden, hidden}, 0.5f, (uint64_t)seed + 1);
  const qe_value_t turned = qe_transpose(g->m, random_name(g), x, 3, perm);
  const qe_value_t y = qe_lstm(g->m, random_name(g), turned, -1, -1, w, r, NULL, NULL, NULL, NULL);
  qe_tensor_release(&w);
  qe_tensor_release(&r);
  return qe_transpose(g->m, random_name(g), y, 3, perm);
}

static inline qe_value_t random_other(random_graph *g, qe_value_t x, const qe_value_info_t *i) {
  const int rank = i->rank;
  const int64_t c = i->dims[1], axis = 1 + random_below(g, rank - 1);
  int64_t dims[QE_MAX_RANK];
  char json[64];
  for (int d = 0; d < rank; d++) dims[d] = 1;
  switch (random_below(g, 8)) {
    case 0: {
      dims[axis] = 2;
      qe_value_t in[2] = {x, random_ints(g, rank, dims)};
      return qe_op(g->m, "Tile", random_name(g), 2, in, NULL);
    }
    case 1: {
      if (i->dims[axis] != 1) return -1;
      dims[axis] = 3;
      qe_value_t in[2] = {x, random_ints(g, rank, dims)};
      return qe_op(g->m, "Expand", random_name(g), 2, in, NULL);
    }
    case 2: {
      qe_tensor_t *t = test_filled(c, 1.5f, 0.25f);
      for (int d = 2; d < rank; d++) dims[d - 1] = 1;
      dims[0] = c;
      qe_tensor_t *divisor = NULL;
      cr_assert_eq(qe_tensor_from_data(QE_FLOAT32, (uint32_t)rank - 1, dims, qe_tensor_const_data(t), &divisor), QE_OK);
      qe_value_t in[2] = {x, qe_constant(g->m, random_name(g), divisor)};
      qe_tensor_release(&t);
      qe_tensor_release(&divisor);
      return qe_op(g->m, random_below(g, 2) ? "Div" : "PRelu", random_name(g), 2, in, NULL);
    }
    case 3: {
      if (rank < 3 || g->calm) return -1;
      qe_value_t in[3] = {x, random_constant(g, 1, &c), random_constant(g, 1, &c)};
      return qe_op(g->m, "InstanceNormalization", random_name(g), 3, in, "{\"epsilon\": 0.001}");
    }
    case 4: {
      qe_value_t in[2] = {x, random_ints(g, 1, &axis)};
      return qe_op(g->m, "CumSum", random_name(g), 2, in, NULL);
    }
    case 5: {
      if (g->calm) return -1;
      snprintf(json, sizeof json, "{\"axis\": %d}", (int)axis);
      const qe_value_t at = qe_op(g->m, "ArgMax", random_name(g), 1, &x, json);
      return qe_op(g->m, "Cast", random_name(g), 1, &at, "{\"to\": 1}");
    }
    case 6:
      if (rank < 3) return -1;
      return qe_op(g->m, "Trilu", random_name(g), 1, &x, "{\"upper\": 0}");
    default: return random_lstm(g, x, i);
  }
}

static inline qe_value_t random_step(random_graph *g) {
  const int64_t back = random_below(g, 3) ? random_below(g, g->count < 3 ? g->count : 3) : random_below(g, g->count);
  const qe_value_t x = g->values[g->count - 1 - back];
  const qe_value_info_t i = random_info(g, x);
  const int64_t kind = random_below(g, 14);
  if (i.rank < 2) return -1;
  if (kind < 3 && i.rank >= 3) return random_conv(g, x, &i, 0);
  if (kind < 4 && i.rank >= 3) return random_conv(g, x, &i, 1);
  if (kind < 6) return random_unary(g, x);
  if (kind < 8) return random_binary(g, x, &i);
  if (kind < 10) return random_move(g, x, &i);
  if (kind < 11 && i.rank >= 3) return random_pool(g, x, &i);
  return kind < 12 ? random_norm(g, x, &i) : random_other(g, x, &i);
}

/* The network of this seed for x [batch, 4, 6, 6]; outputs: the last value and up to two inner ones. */
static inline qe_model_t *random_graph_make(uint64_t seed, int64_t batch, int calm) {
  random_graph g = {.state = seed * 7919 + 13, .calm = calm};
  cr_assert_eq(qe_model_create("random", &g.m), QE_OK);
  g.values[g.count++] = qe_input(g.m, "x", QE_FLOAT32, 4, (int64_t[]){batch, 4, 6, 6});
  for (int k = 0; k < RANDOM_STEPS && g.count < RANDOM_MAX_VALUES; k++) {
    const qe_value_t v = random_step(&g);
    if (v < 0) continue;
    const qe_value_info_t i = random_info(&g, v);
    int64_t n = 1;
    for (int d = 1; d < i.rank; d++) n *= i.dims[d];
    if (i.dtype != QE_FLOAT32 || n > 4096) continue;
    g.values[g.count++] = v;
  }
  qe_output(g.m, NULL, g.values[g.count - 1]);
  for (int k = 0; k < 2 && g.count > 2; k++) {
    const int at = 1 + (int)random_below(&g, g.count - 2);
    if (g.values[at] >= 0) qe_output(g.m, NULL, g.values[at]);
    g.values[at] = -1;
  }
  cr_assert_eq(qe_model_finish(g.m), QE_OK, "seed %llu: %s", (unsigned long long)seed, qe_last_error());
  return g.m;
}

#endif
