/*
 * Conformance of a whole model: every value that one engine computes against what another computes, byte for byte. Both
 * run in one forked process. The model's outputs are also compared as deployed, when nothing inside is asked for and
 * all fusing happens.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "conform/model_element.h"
#include "conform/run_internal.h"
#include "conform/worker_process.h"
#include "graph/model.h"

enum { TICK_MS = 100 };

struct qe_conform_model_report {
  qe_conform_value_t *values;
  size_t n_values, capacity;
  uint32_t steps, on_engine;
  char why[700];
  char stage[200]; /* what the worker does now */
  qe_conform_report_t *texts;
};

/* ---- in the worker ---- */

typedef struct job {
  const qe__run_settings *s;
  const qe_model_t *model;
  uint32_t n_inputs;
  const qe_named_tensor_t *inputs;
} job;

typedef struct side {
  qe_session_t *session;
  qe_named_tensor_t *outputs;
} side;

static qe__message message; /* of the worker */

static qe_status_t say_stage(int fd, const char *what, const char *engine) {
  char text[200];
  snprintf(text, sizeof text, "%s engine %s", what, engine);
  qe__message_start(&message, QE__MSG_BEGIN);
  qe__message_put_text(&message, text);
  return qe__message_send(fd, &message);
}

/* Values in graph order; `node` of each. Returns the count; arrays may be NULL. */
static uint32_t computed_values(const qe__graph *g, int32_t *values, uint32_t *nodes) {
  uint32_t n = 0;
  for (uint32_t i = 0; i < g->n_nodes; i++) {
    const qe__node *node = g->nodes[i];
    for (uint32_t k = 0; k < node->n_out; k++) {
      if (node->out[k] == QE__NO_VALUE || g->values[node->out[k]].data != NULL) continue;
      if (values != NULL) values[n] = node->out[k];
      if (nodes != NULL) nodes[n] = i;
      n++;
    }
  }
  return n;
}

static qe_status_t run_side(const job *j, const char *engine, uint32_t n, const int32_t *values, side *out) {
  const qe__graph *g = j->model->graph;
  const qe_session_options_t options = {.struct_size = sizeof options, .engine = engine};
  out->outputs = qe__calloc(n, sizeof *out->outputs);
  if (out->outputs == NULL) return QE_ERROR_OUT_OF_MEMORY;
  for (uint32_t i = 0; i < n; i++) out->outputs[i].name = g->values[values[i]].name;
  QE_TRY(qe_session_create(j->model, &options, &out->session));
  return qe_session_run(out->session, j->n_inputs, j->inputs, n, out->outputs);
}

static void side_free(side *s, uint32_t n) {
  for (uint32_t i = 0; s->outputs != NULL && i < n; i++) qe_tensor_release(&s->outputs[i].tensor);
  qe__free(s->outputs);
  qe_session_destroy(&s->session);
}

static bool is_output(const qe__graph *g, int32_t value) {
  for (uint32_t i = 0; i < g->n_outputs; i++)
    if (g->outputs[i] == value) return true;
  return false;
}

static qe_status_t send_value(int fd, const qe__graph *g, int32_t value, const char *node, const char *op,
                              const qe_tensor_t *expected, const qe_tensor_t *got) {
  char texts[2][32] = {"", ""};
  int64_t wrong, first;
  qe__count_different(expected, got, &wrong, &first);
  if (first >= 0) {
    qe__element_text(expected, first, texts[0], sizeof texts[0]);
    qe__element_text(got, first, texts[1], sizeof texts[1]);
  }
  qe__message_start(&message, QE__MSG_VALUE);
  qe__message_put_text(&message, g->values[value].name);
  qe__message_put_text(&message, node);
  qe__message_put_text(&message, op);
  qe__message_put_text(&message, qe_dtype_name(qe_tensor_dtype(expected)));
  qe__message_put(&message, (uint64_t)qe_tensor_count(expected));
  qe__message_put(&message, (uint64_t)wrong);
  qe__message_put(&message, (uint64_t)first);
  qe__message_put_text(&message, texts[0]);
  qe__message_put_text(&message, texts[1]);
  qe__message_put(&message, is_output(g, value));
  return qe__message_send(fd, &message);
}

static qe_status_t compare(const job *j, const qe__engine_source *e, uint32_t n, const int32_t *values,
                           const uint32_t *nodes, int fd) {
  const qe__graph *g = j->model->graph;
  side want = {0}, got = {0};
  qe_status_t status = say_stage(fd, "while running on", e->oracle->name);
  if (status == QE_OK) status = run_side(j, e->oracle->name, n, values, &want);
  if (status == QE_OK) status = say_stage(fd, "while running on", e->loaded->name);
  if (status == QE_OK) status = run_side(j, e->loaded->name, n, values, &got);
  for (uint32_t i = 0; i < n && status == QE_OK; i++) {
    const qe__node *node = nodes != NULL ? g->nodes[nodes[i]] : NULL;
    status =
        send_value(fd, g, values[i], node != NULL ? node->name : "",
                   node != NULL ? node->op->name : "output as deployed", want.outputs[i].tensor, got.outputs[i].tensor);
  }
  if (status == QE_OK && nodes == NULL) { /* the plan as deployed is the one whose steps count */
    uint32_t on_engine = 0;
    const uint32_t steps = qe_session_step_count(got.session);
    for (uint32_t i = 0; i < steps; i++) {
      qe_step_info_t info;
      if (qe_session_step(got.session, i, &info) == QE_OK && info.engine != NULL &&
          strcmp(info.engine, e->loaded->name) == 0)
        on_engine++;
    }
    qe__message_start(&message, QE__MSG_DONE);
    qe__message_put(&message, steps);
    qe__message_put(&message, on_engine);
    status = qe__message_send(fd, &message);
  }
  side_free(&want, n);
  side_free(&got, n);
  return status;
}

static qe_status_t work(const job *j, int fd) {
  const qe__graph *g = j->model->graph;
  qe__engine_source e = {.engine = j->s->engine, .against = j->s->o.against};
  QE_TRY(say_stage(fd, "while loading", j->s->engine));
  QE_TRY(qe__engine_source_load(&e));
  const uint32_t n = computed_values(g, NULL, NULL);
  int32_t *values = qe__calloc(n, sizeof *values);
  uint32_t *nodes = qe__calloc(n, sizeof *nodes);
  qe_status_t status = values != NULL && nodes != NULL ? QE_OK : QE_ERROR_OUT_OF_MEMORY;
  if (status == QE_OK) {
    computed_values(g, values, nodes);
    status = compare(j, &e, n, values, nodes, fd);
  }
  if (status == QE_OK) status = compare(j, &e, g->n_outputs, g->outputs, NULL, fd);
  qe__free(values);
  qe__free(nodes);
  return status;
}

static void child_main(void *arg, int fd) {
  const qe_status_t status = work(arg, fd);
  if (status == QE_OK) return;
  qe__message_start(&message, QE__MSG_ERROR);
  qe__message_put(&message, (uint64_t)status);
  qe__message_put_text(&message, qe_last_error());
  qe__message_send(fd, &message);
}

/* ---- in the parent ---- */

static qe_status_t take_value(qe_conform_model_report_t *r, qe__message *m) {
  char text[512];
  QE_TRY(qe__grow((void **)&r->values, &r->capacity, r->n_values, sizeof *r->values));
  qe_conform_value_t *v = &r->values[r->n_values];
  memset(v, 0, sizeof *v);
  const char **fields[] = {&v->name, &v->node, &v->op, &v->dtype};
  for (int i = 0; i < 4; i++) {
    qe__message_take_text(m, text, sizeof text);
    QE_TRY(qe__report_set(r->texts, fields[i], text));
  }
  v->elements = (int64_t)qe__message_take(m);
  v->wrong = (int64_t)qe__message_take(m);
  v->first = (int64_t)qe__message_take(m);
  qe__message_take_text(m, v->expected, sizeof v->expected);
  qe__message_take_text(m, v->got, sizeof v->got);
  v->is_output = qe__message_take(m) != 0;
  if (!m->bad) r->n_values++;
  return QE_OK;
}

/* *done: the worker has said all. */
static qe_status_t take_message(qe_conform_model_report_t *r, qe__message *m, bool *done) {
  char text[600];
  switch ((qe__message_type)m->type) {
    case QE__MSG_BEGIN: qe__message_take_text(m, r->stage, sizeof r->stage); return QE_OK;
    case QE__MSG_VALUE: return take_value(r, m);
    case QE__MSG_DONE:
      r->steps = (uint32_t)qe__message_take(m);
      r->on_engine = (uint32_t)qe__message_take(m);
      *done = true;
      return QE_OK;
    case QE__MSG_ERROR: {
      const uint64_t status = qe__message_take(m);
      qe__message_take_text(m, text, sizeof text);
      return qe__fail(status > QE_OK && status <= QE_ERROR_INTERNAL ? (qe_status_t)status : QE_ERROR_INTERNAL, "%s",
                      text);
    }
    case QE__MSG_HELLO:
    case QE__MSG_KERNEL:
    case QE__MSG_END:
    case QE__MSG_TIME:
    default: return QE_OK;
  }
}

static qe_status_t watch(const job *j, qe_conform_model_report_t *r) {
  qe__process *p = qe__calloc(1, sizeof *p);
  qe__message *m = qe__calloc(1, sizeof *m);
  qe_status_t status =
      p != NULL && m != NULL ? qe__process_start(p, child_main, (void *)j, NULL) : QE_ERROR_OUT_OF_MEMORY;
  const bool started = status == QE_OK;
  double deadline = qe__seconds() + j->s->load_timeout;
  bool done = false, open = started;
  int got = 0;
  while (status == QE_OK && open && !done && got >= 0 && qe__seconds() < deadline) {
    struct pollfd fd = {p->fd, POLLIN, 0};
    status = qe__run_check_progress(j->s, (int64_t)r->n_values, 0, 0);
    if (status != QE_OK || poll(&fd, 1, TICK_MS) <= 0) continue;
    const long bytes = qe__inbox_read(&p->inbox, p->fd);
    open = bytes > 0 || (bytes < 0 && (errno == EAGAIN || errno == EINTR));
    if (bytes > 0) deadline = qe__seconds() + j->s->load_timeout;
    while (status == QE_OK && (got = qe__inbox_next(&p->inbox, m)) > 0) status = take_message(r, m, &done);
  }
  qe__ending e;
  if (started) qe__process_end(p, !done && open, &e);
  if (started && status == QE_OK && !done)
    snprintf(r->why, sizeof r->why, "the process ended %s: %s%s%s", r->stage, e.text,
             e.last_words[0] ? "; last words: " : "", e.last_words);
  qe__free(p);
  qe__free(m);
  return status;
}

static void decide(qe_conform_model_report_t *r, const char *engine) {
  const int32_t first = qe_conform_first_difference(r);
  if (r->why[0] != '\0') return;
  if (first >= 0) {
    const qe_conform_value_t *v = &r->values[first];
    snprintf(r->why, sizeof r->why,
             "the first value that differs is '%.120s' of %.40s node '%.120s': %lld of %lld elements, element %lld is "
             "%s, expected %s",
             v->name, v->op, v->node, (long long)v->wrong, (long long)v->elements, (long long)v->first, v->got,
             v->expected);
  } else if (r->on_engine == 0) {
    snprintf(r->why, sizeof r->why, "nothing was tested: none of the %u steps ran on engine '%.60s'", r->steps, engine);
  }
}

qe_status_t qe_conform_model(const char *engine, const qe_model_t *model, uint32_t n_inputs,
                             const qe_named_tensor_t *inputs, const qe_conform_options_t *options,
                             qe_conform_model_report_t **out) {
  QE_CHECK_ARG(out != NULL, "out is NULL");
  *out = NULL;
  QE_CHECK_ARG(model != NULL && (n_inputs == 0 || inputs != NULL), "model or inputs is NULL");
  qe__run_settings s;
  QE_TRY(qe__run_settings_init(engine, options, &s));
  qe_conform_model_report_t *r = qe__calloc(1, sizeof *r);
  if (r != NULL) r->texts = qe__calloc(1, sizeof *r->texts);
  const job j = {&s, model, n_inputs, inputs};
  const qe_status_t status = r != NULL && r->texts != NULL ? watch(&j, r) : QE_ERROR_OUT_OF_MEMORY;
  if (status == QE_OK)
    decide(r, engine);
  else
    qe_conform_model_report_destroy(&r);
  *out = r;
  return status;
}

void qe_conform_model_report_destroy(qe_conform_model_report_t **report) {
  if (report == NULL || *report == NULL) return;
  qe_conform_report_destroy(&(*report)->texts);
  qe__free((*report)->values);
  qe__free(*report);
  *report = NULL;
}

uint32_t qe_conform_value_count(const qe_conform_model_report_t *r) {
  return r != NULL ? (uint32_t)r->n_values : 0;
}
const qe_conform_value_t *qe_conform_value_at(const qe_conform_model_report_t *r, uint32_t index) {
  return index < qe_conform_value_count(r) ? &r->values[index] : NULL;
}
int qe_conform_model_conforms(const qe_conform_model_report_t *r) {
  return r != NULL && r->why[0] == '\0';
}
const char *qe_conform_model_why(const qe_conform_model_report_t *r) {
  return r != NULL ? r->why : "";
}

int32_t qe_conform_first_difference(const qe_conform_model_report_t *r) {
  for (uint32_t i = 0; i < qe_conform_value_count(r); i++)
    if (r->values[i].wrong > 0) return (int32_t)i;
  return -1;
}

void qe_conform_model_steps(const qe_conform_model_report_t *r, uint32_t *steps, uint32_t *on_engine) {
  *steps = r != NULL ? r->steps : 0;
  *on_engine = r != NULL ? r->on_engine : 0;
}
