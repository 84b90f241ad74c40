/* Running a plan: a walk over its steps. The only place that calls a kernel's run function. */
#include <string.h>
#include <time.h>

#include "runtime/plan.h"

typedef struct tile_run {
  const qe__step *step;
  const void *const *in;
  void *const *out;
  char *scratch;
  size_t scratch_stride;
} tile_run;

static int run_tiles(void *arg, uint32_t thread, int64_t begin, int64_t end) {
  const tile_run *r = arg;
  const qe__step *s = r->step;
  const qe_call call = {.struct_size = sizeof call, .thread = thread, .problem = &s->problem, .in = r->in, .out = r->out,
                        .packed = s->pack ? qe__pack_data(s->pack) : NULL, .scratch = r->scratch ? r->scratch + r->scratch_stride * thread : NULL};
  return s->kernel->row.run(s->kernel->engine->self, &call, begin, end);
}

qe_status_t qe__step_execute(const qe__step *step, qe__pool *pool, const void *const *in, void *const *out, void *scratch,
                             size_t scratch_stride, const char *node_name) {
  tile_run r = {step, in, out, scratch, scratch_stride};
  if (step->sizes.tiles == 0) return QE_OK;
  if (step->pack) {
    const qe_status_t status = qe__pack_check(step->pack->blob, step->pack->blob_size, &step->pack_header);
    if (status != QE_OK) return qe__fail_in(status, "node '%s'", node_name);
  }
  const int result = pool ? qe__pool_run(pool, step->sizes.tiles, run_tiles, &r) : run_tiles(&r, 0, 0, step->sizes.tiles);
  if (result == 0) return QE_OK;
  return qe__fail(QE_ERROR_NUMERIC, "node '%s' (%s): kernel %s of engine '%s' failed on this data (code %d; an index or an offset out of range is one cause)", node_name,
                  step->problem.op, step->kernel->row.name, step->kernel->engine->name, result);
}

void qe__memory_free(qe__memory *m) {
  qe__free_aligned(m->arena);
  qe__free_aligned(m->scratch);
  memset(m, 0, sizeof *m);
}

enum { ARENA_ALIGNMENT = 64 };

static qe_status_t reserve(void **block, size_t *have, size_t want, size_t alignment, const char *what) {
  if (want <= *have) return QE_OK;
  qe__free_aligned(*block);
  *have = 0;
  *block = qe__alloc_aligned(want, alignment);
  if (!*block) return qe__fail(QE_ERROR_OUT_OF_MEMORY, "%zu bytes of %s memory are not available; use a smaller batch", want, what);
  *have = want;
  return QE_OK;
}

static void *address(const qe__plan *plan, int32_t phys, const qe__memory *m, qe_tensor_t *const *inputs, qe_tensor_t *const *outputs) {
  const qe__phys *root = &plan->phys[qe__phys_root(plan, phys)];
  switch (root->place) {
    case QE__PLACE_ARENA: return (char *)m->arena + root->offset;
    case QE__PLACE_INPUT: return inputs[root->slot]->data;
    case QE__PLACE_OUTPUT: return outputs[root->slot]->data;
    case QE__PLACE_CONSTANT: return root->constant->data;
    case QE__PLACE_NONE: break;
  }
  return NULL;
}

static double now_ms(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec * 1e3 + (double)t.tv_nsec * 1e-6;
}

static void keep_data(void *data, void *arg) {
  (void)data;
  (void)arg;
}

static qe_status_t run_tap(const qe__plan *plan, const qe__step *s, void *data, qe_tap_fn tap, void *tap_arg) {
  const qe_operand *o = &plan->phys[s->in[0]].operand;
  qe_tensor_t *t = NULL;
  QE_TRY(qe__tensor_wrap((qe_dtype_t)o->dtype, o->rank, o->dims, data, keep_data, NULL, &t));
  const qe_status_t status = tap(tap_arg, s->tap, t);
  qe_tensor_release(&t);
  return status;
}

qe_status_t qe__plan_run(qe__plan *plan, const qe__lowered *lowered, qe__pool *pool, qe__memory *memory, qe_tensor_t *const *inputs,
                         qe_tensor_t *const *outputs, qe_tap_fn tap, void *tap_arg, bool profile) {
  const size_t align = plan->scratch_alignment, stride = (plan->scratch_bytes + 63 + align) / align * align;
  size_t scratch;
  if (!qe__mul_size(stride, qe__pool_threads(pool), &scratch)) return qe__fail(QE_ERROR_ENGINE, "a kernel asks for %zu bytes of scratch memory per thread", stride);
  QE_TRY(reserve(&memory->arena, &memory->arena_bytes, plan->arena_bytes + 64, ARENA_ALIGNMENT, "intermediate"));
  QE_TRY(reserve(&memory->scratch, &memory->scratch_bytes, scratch, QE__ALIGNMENT_MAX, "scratch"));
  for (uint32_t k = 0; k < plan->n_steps; k++) {
    qe__step *s = &plan->steps[k];
    for (uint32_t i = 0; i < s->n_in; i++) s->in_data[i] = s->in[i] < 0 ? NULL : address(plan, s->in[i], memory, inputs, outputs);
    for (uint32_t i = 0; i < s->n_out; i++) s->out_data[i] = s->out[i] < 0 ? NULL : address(plan, s->out[i], memory, inputs, outputs);
    if (s->tap != QE__NO_VALUE) {
      QE_TRY(run_tap(plan, s, (void *)(uintptr_t)s->in_data[0], tap, tap_arg));
      continue;
    }
    if (!s->kernel) continue;
    const double start = profile ? now_ms() : 0.0;
    QE_TRY(qe__step_execute(s, pool, s->in_data, s->out_data, memory->scratch, stride, lowered->graph->nodes[s->node]->name));
    if (profile) s->milliseconds += now_ms() - start;
    s->runs++;
  }
  for (uint32_t i = 0; i < plan->n_outputs; i++) {
    const qe__plan_output *o = &plan->outputs[i];
    if (o->copy && plan->phys[o->phys].bytes) memcpy(outputs[i]->data, address(plan, o->phys, memory, inputs, outputs), plan->phys[o->phys].bytes);
  }
  return QE_OK;
}
