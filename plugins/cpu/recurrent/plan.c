/* Memory of the recurrent ops: packed weights and scratch. */
#include "recurrent/recurrent.h"

int fb_rnn_supports(const fb_rnn_kind *kind, const qe_problem *p, char *reason, size_t reason_size) {
  return fb_rnn_check(kind, p, reason, reason_size) && kind->maker->supports(kind, p, reason, reason_size);
}

static uint64_t aligned(uint64_t size) { return (size + 63) / 64 * 64; }

static uint64_t take(uint64_t *size, int64_t count, size_t element) {
  const uint64_t at = *size;
  *size += aligned((uint64_t)count * element);
  return at;
}

fb_rnn_scratch fb_rnn_scratch_of(const fb_rnn_kind *kind, void *self, const fb_rnn_shape *s) {
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
  at.packed = at.size += aligned(most);
  return at;
}

/* Adds the bytes of a packed direction; false: no memory to find out. */
static bool add_direction(const fb_rnn_kind *kind, void *self, const qe_problem *p, const fb_rnn_shape *s,
                          int64_t direction, uint64_t *sum) {
  *sum += sizeof(fb_rnn_index);
  for (int i = 0; i < FB_RNN_MATRICES; ++i) {
    uint64_t size = 0;
    if (s->matrix[i].n && !kind->maker->packed_size(kind, self, p, i, direction, &size)) return false;
    *sum += aligned(size);
  }
  return true;
}

int fb_rnn_plan(const fb_rnn_kind *kind, void *self, const qe_problem *p, qe_kernel_plan *plan) {
  const fb_rnn_shape s = fb_rnn_shape_of(kind, p);
  const bool constant = kind->maker->constant(kind, p);
  plan->scratch_size = fb_rnn_scratch_of(kind, self, &s).size;
  for (int64_t direction = 0; direction < (constant ? s.directions : 1); ++direction)
    if (!add_direction(kind, self, p, &s, direction, constant ? &plan->packed_size : &plan->scratch_size)) return 1;
  plan->tiles = s.batch == 0 ? 0 : s.directions * s.groups;
  return 0;
}

bool fb_rnn_pack(const fb_rnn_kind *kind, void *self, const qe_problem *p, const qe_call *call, int64_t direction,
                 void *packed) {
  const fb_rnn_shape s = fb_rnn_shape_of(kind, p);
  fb_rnn_index *index = packed;
  *index = (fb_rnn_index){.size = sizeof *index};
  for (int i = 0; i < FB_RNN_MATRICES; ++i) {
    if (s.matrix[i].n == 0) continue;
    index->at[i] = index->size;
    uint64_t size;
    if (!kind->maker->pack(kind, self, p, call, i, direction, (char *)packed + index->at[i], &size)) return false;
    index->size += aligned(size);
  }
  return true;
}

int fb_rnn_prepack(const fb_rnn_kind *kind, void *self, const qe_problem *p, void *packed) {
  const fb_rnn_shape s = fb_rnn_shape_of(kind, p);
  char *to = packed;
  for (int64_t direction = 0; direction < s.directions; ++direction) {
    if (!fb_rnn_pack(kind, self, p, NULL, direction, to)) return 1;
    to += ((const fb_rnn_index *)(const void *)to)->size;
  }
  return 0;
}
