/* Programs of a trainer: made when a phase or a shape comes for the first time, the latest kept. */
#include "train/program.h"

#include <string.h>

void qe__program_destroy(qe__program **program) {
  qe__program *p = *program;
  if (!p) return;
  qe_session_destroy(&p->session);
  qe_model_destroy(&p->model);
  qe__free(p->dims);
  qe__free(p->in);
  qe__free(p->out);
  qe__free(p);
  *program = NULL;
}

int32_t qe__find_statistic(const qe_trainer_t *t, qe__value_id value, int32_t fake) {
  for (uint32_t i = 0; i < t->n_statistics; i++) {
    const qe__statistic *s = &t->statistics[i];
    if (fake >= 0 ? s->fake == fake : s->fake < 0 && s->value == value) return (int32_t)i;
  }
  return -1;
}

static bool same_phase(const qe__phase *a, const qe__phase *b) {
  return a->fake_quantize == b->fake_quantize && a->observe == b->observe && a->freeze_bn == b->freeze_bn && a->learn == b->learn && a->infer == b->infer;
}

static bool fits(const qe_trainer_t *t, const qe__program *p, const qe__phase *phase, const qe__batch *shard) {
  if (!same_phase(&p->phase, phase)) return false;
  for (uint32_t i = 0; i < t->base->graph->n_inputs; i++) {
    const qe_tensor_t *x = shard->inputs[i];
    for (uint32_t d = 0; d < QE_MAX_RANK; d++) {
      if (p->dims[i][d] != (d < x->rank ? x->dims[d] : -1)) return false;
    }
  }
  return true;
}

static qe_status_t make(qe_trainer_t *t, const qe__phase *phase, const qe__batch *shard, qe__program **out) {
  const uint32_t n_inputs = t->base->graph->n_inputs;
  const qe_session_options_t options = {.struct_size = sizeof options, .engine = t->options.engine, .threads = t->options.threads, .profile = t->profile};
  qe__program *p = qe__calloc(1, sizeof *p);
  if (!p) return QE_ERROR_OUT_OF_MEMORY;
  qe__step_builder b = {.t = t, .phase = *phase, .p = p};
  qe_status_t status;
  p->phase = *phase;
  p->dims = qe__calloc(n_inputs + 1, sizeof *p->dims);
  if (!p->dims) {
    status = QE_ERROR_OUT_OF_MEMORY;
    goto fail;
  }
  for (uint32_t i = 0; i < n_inputs; i++) {
    for (uint32_t d = 0; d < QE_MAX_RANK; d++) p->dims[i][d] = d < shard->inputs[i]->rank ? shard->inputs[i]->dims[d] : -1;
  }
  QE_TRY_GOTO(qe__step_graph(&b, shard), fail);
  QE_TRY_GOTO(qe_session_create(p->model, &options, &p->session), fail);
  *out = p;
  return QE_OK;
fail:
  qe__program_destroy(&p);
  return status;
}

qe_status_t qe__program_get(qe_trainer_t *t, const qe__phase *phase, const qe__batch *shard, qe__program **out) {
  uint32_t at = 0;
  while (at < QE__PROGRAMS && t->programs[at] && !fits(t, t->programs[at], phase, shard)) at++;
  qe__program *p = at < QE__PROGRAMS ? t->programs[at] : NULL;
  if (!p) {
    QE_TRY(make(t, phase, shard, &p));
    if (at == QE__PROGRAMS) qe__program_destroy(&t->programs[--at]);
  }
  memmove(&t->programs[1], &t->programs[0], at * sizeof t->programs[0]);
  t->programs[0] = p;
  *out = p;
  return QE_OK;
}
