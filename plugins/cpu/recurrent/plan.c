/* Memory of the recurrent ops: packed weights and scratch. */
#include "recurrent/recurrent.h"

int fb_rnn_supports(const fb_rnn_kind *kind, const qe_problem *p, char *reason, size_t reason_size) {
  return fb_rnn_check(kind, p, reason, reason_size) && kind->maker->supports(kind, p, reason, reason_size);
}

uint64_t fb_rnn_packed_bytes(const fb_rnn_kind *kind, const fb_rnn_matrix *m) {
  return m->n ? (kind->maker->packed_size(kind, m) + 63) / 64 * 64 : 0;
}

uint64_t fb_rnn_direction_bytes(const fb_rnn_kind *kind, const fb_rnn_shape *s) {
  uint64_t size = 0;
  for (int i = 0; i < FB_RNN_MATRICES; ++i) size += fb_rnn_packed_bytes(kind, &s->matrix[i]);
  return size;
}

static uint64_t take(uint64_t *size, int64_t count, size_t element) {
  const uint64_t at = *size;
  *size += ((uint64_t)count * element + 63) / 64 * 64;
  return at;
}

fb_rnn_scratch fb_rnn_scratch_of(const fb_rnn_kind *kind, void *self, const fb_rnn_shape *s, bool packs) {
  fb_rnn_scratch at = {0};
  const int64_t n = s->gates * s->hidden, states = s->group * s->hidden;
  at.bias = take(&at.size, 2 * n, sizeof(float));
  at.peephole = take(&at.size, kind->op->cell ? 3 * s->hidden : 0, sizeof(float));
  at.length = take(&at.size, s->group, sizeof(int64_t));
  at.running = take(&at.size, s->group, sizeof(int64_t));
  at.h = take(&at.size, states, sizeof(float));
  at.c = take(&at.size, kind->op->cell ? states : 0, sizeof(float));
  at.live = take(&at.size, states, sizeof(float));
  at.reset = take(&at.size, s->gates == fb_rnn_gru.gates ? states : 0, sizeof(float));
  at.hg = take(&at.size, s->group * n, sizeof(float));
  at.x = take(&at.size, s->rows * s->inputs, sizeof(float));
  at.xg = take(&at.size, s->rows * n, sizeof(float));
  at.product = at.size;
  uint64_t most = 0;
  for (int i = 0; i < FB_RNN_MATRICES; ++i) {
    if (s->matrix[i].n == 0) continue;
    const uint64_t size =
        kind->maker->scratch_size(kind, self, &s->matrix[i], i == FB_RNN_INPUT ? s->rows : s->group);
    most = size > most ? size : most;
  }
  at.packed = at.size += (most + 63) / 64 * 64;
  if (packs) at.size += fb_rnn_direction_bytes(kind, s);
  return at;
}

int fb_rnn_plan(const fb_rnn_kind *kind, void *self, const qe_problem *p, qe_kernel_plan *plan) {
  const fb_rnn_shape s = fb_rnn_shape_of(kind, p);
  const bool constant = kind->maker->constant(kind, p);
  plan->packed_size = constant ? (uint64_t)s.directions * fb_rnn_direction_bytes(kind, &s) : 0;
  plan->scratch_size = fb_rnn_scratch_of(kind, self, &s, !constant).size;
  plan->tiles = s.batch == 0 ? 0 : s.directions * s.groups;
  return 0;
}

void fb_rnn_pack(const fb_rnn_kind *kind, const qe_problem *p, const qe_call *call, int64_t direction, void *packed) {
  const fb_rnn_shape s = fb_rnn_shape_of(kind, p);
  char *to = packed;
  for (int i = 0; i < FB_RNN_MATRICES; ++i) {
    if (s.matrix[i].n == 0) continue;
    kind->maker->pack(kind, p, call, i, direction, to);
    to += fb_rnn_packed_bytes(kind, &s.matrix[i]);
  }
}

int fb_rnn_prepack(const fb_rnn_kind *kind, void *self, const qe_problem *p, void *packed) {
  (void)self;
  const fb_rnn_shape s = fb_rnn_shape_of(kind, p);
  const uint64_t size = fb_rnn_direction_bytes(kind, &s);
  for (int64_t direction = 0; direction < s.directions; ++direction)
    fb_rnn_pack(kind, p, NULL, direction, (char *)packed + (uint64_t)direction * size);
  return 0;
}
