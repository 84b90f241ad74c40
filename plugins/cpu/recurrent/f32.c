/* Products of the recurrent ops in float32, by the cores of f32/core.h. */
#include "f32/product.h"
#include "recurrent/recurrent.h"

static const fb_f32_core *core_of(const fb_rnn_kind *kind) { return kind->core; }

static int64_t hidden(const qe_problem *p) { return p->in[FB_RNN_R]->dims[2]; }

static int supports(const fb_rnn_kind *kind, const qe_problem *p, char *reason, size_t reason_size) {
  const fb_rnn_shape s = fb_rnn_shape_of(kind, p);
  const qe_operand *w = p->in[FB_RNN_W], *r = p->in[FB_RNN_R];
  const int64_t n = s.gates * s.hidden;
  if (w->dtype != QE_DT_F32 || r->dtype != QE_DT_F32 || w->dims[1] != n || w->dims[2] != s.inputs ||
      r->dims[0] != s.directions || r->dims[1] != n)
    return fb_refuse(reason, reason_size, "%s: W and R do not have the types and shapes that X and R ask for", p->op);
  return 1;
}

static uint64_t size_of(const fb_rnn_kind *kind, const fb_rnn_matrix *m) {
  return sizeof(float) * (uint64_t)(fb_f32_packed_cols(core_of(kind), m->n) * m->k);
}

static bool packed_size(const fb_rnn_kind *kind, void *self, const qe_problem *p, int which, int64_t direction,
                        uint64_t *size) {
  (void)self, (void)direction;
  const fb_rnn_matrix m = fb_rnn_shape_of(kind, p).matrix[which];
  *size = size_of(kind, &m);
  return true;
}

static fb_f32_product product_of(const fb_rnn_matrix *m, int64_t rows) {
  return (fb_f32_product){
      .m = rows,
      .n = m->n,
      .k = m->k,
      .a_m = m->k,
      .a_k = 1,
      .finish = {.alpha = 1.0f, .beta = 1.0f, .c_n = 1, .lo = -INFINITY, .hi = INFINITY}
  };
}

/* A product of fewer rows may take more columns at once. */
static uint64_t scratch_size(const fb_rnn_kind *kind, void *self, const fb_rnn_matrix *m, int64_t rows) {
  uint64_t most = 0;
  for (int64_t i = 1; i <= rows; ++i) {
    fb_f32_product g = product_of(m, i);
    const fb_f32_tiling t = fb_f32_tile(core_of(kind), fb_cpu(self), i, m->n, m->k);
    g.packed = (const float *)(const void *)kind; /* any: there is one */
    const uint64_t size = fb_f32_product_scratch(core_of(kind), &t, &g);
    most = size > most ? size : most;
  }
  return most;
}

static bool constant(const fb_rnn_kind *kind, const qe_problem *p) {
  (void)kind;
  return p->in[FB_RNN_W]->data && p->in[FB_RNN_R]->data;
}

static bool pack(const fb_rnn_kind *kind, void *self, const qe_problem *p, const qe_call *call, int which,
                 int64_t direction, void *packed, uint64_t *size) {
  (void)self;
  const fb_rnn_matrix m = fb_rnn_shape_of(kind, p).matrix[which];
  const uint32_t in = which == FB_RNN_INPUT ? FB_RNN_W : FB_RNN_R;
  const qe_operand *o = p->in[in];
  const float *data = fb_rnn_data(p, call, in);
  const fb_f32_weight w = {.data = data + direction * o->strides[0] + m.first * o->strides[1],
                           .n = m.n,
                           .kc = m.k,
                           .taps = {1, 1, 1},
                           .step_n = o->strides[1],
                           .step_c = o->strides[2]};
  fb_f32_pack(core_of(kind), &w, 0, m.n, packed);
  *size = size_of(kind, &m);
  return true;
}

static void multiply(const fb_rnn_job *j, int which, const float *x, int64_t rows, float *y) {
  const fb_rnn_matrix *m = &j->s.matrix[which];
  fb_f32_product g = product_of(m, rows);
  const fb_f32_tiling t = fb_f32_tile(core_of(j->kind), fb_cpu(j->self), rows, m->n, m->k);
  g.a = x;
  g.packed = (const float *)(const void *)j->packed[which];
  g.y = y;
  g.y_m = j->s.gates * j->s.hidden;
  g.finish.c = j->bias[which];
  int64_t column = -1;
  for (int64_t tile = 0; tile < t.tiles; ++tile)
    fb_f32_product_tile(core_of(j->kind), &t, &g, tile, j->product, &column);
}

const fb_rnn_maker fb_rnn_f32 = {.hidden = hidden,
                                 .supports = supports,
                                 .packed_size = packed_size,
                                 .scratch_size = scratch_size,
                                 .constant = constant,
                                 .pack = pack,
                                 .multiply = multiply};
