/* See run_workers.h. */
#include "conform/run_workers.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "conform/worker_process.h"
#include "qengine/conform.h"

enum { TICK_MS = 100 };
#define NO_CASE UINT64_MAX

typedef struct slot {
  qe__process process;
  qe__share share;
  bool said_hello, said_done, has_last, in_flight;
  double began;
  qe__outcome now; /* the case in flight, or the last one */
  bool retrying;   /* share.only is a case that ended badly before: */
  qe__outcome suspect;
} slot;

typedef struct run {
  const qe__workers_options *o;
  slot *slots;
  uint32_t n_kernels, n_running;
  bool hello_told, stop;
  qe__kernel_facts *facts;
  uint32_t *crashes, *timeouts;
  bool *skip, *listed;
  qe__listed *items;
  size_t n_items, item_capacity;
  bool running; /* the list is complete */
  qe__message message;
} run;

typedef struct child {
  const qe__conform_source *source;
  const qe__share *share;
} child;

static void child_main(void *arg, int fd) {
  const child *c = arg;
  qe__worker_run(c->source, c->share, fd);
}

static qe_status_t start(run *r, slot *s) {
  s->said_hello = s->said_done = s->has_last = s->in_flight = false;
  s->share.skip = r->skip;
  s->share.items = r->running ? r->items : NULL;
  s->share.n_items = r->n_items;
  child c = {r->o->source, &s->share};
  QE_TRY(qe__process_start(&s->process, child_main, &c, r->o->isa_mask));
  s->process.deadline = qe__seconds() + r->o->load_timeout;
  r->n_running++;
  return QE_OK;
}

static qe_status_t nonsense(void) {
  return qe__fail(QE_ERROR_FORMAT, "the worker's report is not what it should be");
}

static qe_status_t take_hello(run *r, slot *s) {
  qe__message *m = &r->message;
  qe__hello h;
  qe__message_take_text(m, h.engine, sizeof h.engine);
  qe__message_take_text(m, h.vendor, sizeof h.vendor);
  qe__message_take_text(m, h.version, sizeof h.version);
  qe__message_take_text(m, h.path, sizeof h.path);
  qe__message_take_text(m, h.isa, sizeof h.isa);
  h.abi_major = (uint32_t)qe__message_take(m);
  h.abi_minor = (uint32_t)qe__message_take(m);
  h.cores = (uint32_t)qe__message_take(m);
  h.n_kernels = (uint32_t)qe__message_take(m);
  if (m->bad || h.n_kernels > 1u << 20 || (r->hello_told && h.n_kernels != r->n_kernels)) return nonsense();
  s->said_hello = true;
  if (r->hello_told) return QE_OK;
  r->hello_told = true;
  r->n_kernels = h.n_kernels;
  r->crashes = qe__calloc(h.n_kernels, sizeof *r->crashes);
  r->timeouts = qe__calloc(h.n_kernels, sizeof *r->timeouts);
  r->skip = qe__calloc(h.n_kernels, sizeof *r->skip);
  r->facts = qe__calloc(h.n_kernels, sizeof *r->facts);
  r->listed = qe__calloc(h.n_kernels, sizeof *r->listed);
  if (r->crashes == NULL || r->timeouts == NULL || r->skip == NULL || r->facts == NULL || r->listed == NULL)
    return QE_ERROR_OUT_OF_MEMORY;
  return r->o->on_hello != NULL ? r->o->on_hello(r->o->arg, &h) : QE_OK;
}

static qe_status_t take_kernel(run *r) {
  qe__message *m = &r->message;
  qe__kernel_facts f;
  const uint64_t kernel = qe__message_take(m);
  qe__message_take_text(m, f.name, sizeof f.name);
  qe__message_take_text(m, f.op, sizeof f.op);
  qe__message_take_text(m, f.dtypes, sizeof f.dtypes);
  f.claimed = (uint32_t)qe__message_take(m);
  f.cases = (int64_t)qe__message_take(m);
  if (m->bad || r->running || kernel >= r->n_kernels || f.cases < 0) return nonsense();
  r->facts[kernel] = f;
  r->listed[kernel] = true;
  return QE_OK;
}

static qe_status_t add_item(run *r, const qe__outcome *o) {
  QE_TRY(qe__grow((void **)&r->items, &r->item_capacity, r->n_items, sizeof *r->items));
  char *text = qe__strdup(o->text);
  if (text == NULL) return QE_ERROR_OUT_OF_MEMORY;
  r->items[r->n_items++] = (qe__listed){o->kernel, o->must, text};
  return QE_OK;
}

static qe_status_t tell(run *r, const qe__outcome *o) {
  if (r->o->stop_at_bad &&
      (o->result.verdict == QE__FAIL || o->result.verdict == QE__CRASH || o->result.verdict == QE__TIMEOUT))
    r->stop = true;
  return r->o->on_case != NULL ? r->o->on_case(r->o->arg, o) : QE_OK;
}

static qe_status_t take_begin(run *r, slot *s) {
  qe__message *m = &r->message;
  qe__outcome *o = &s->now;
  memset(o, 0, sizeof *o);
  o->index = qe__message_take(m);
  o->kernel = (uint32_t)qe__message_take(m);
  o->must = qe__message_take(m) != 0;
  qe__message_take_text(m, o->text, sizeof o->text);
  if (m->bad || !s->said_hello || o->kernel >= r->n_kernels || s->in_flight) return nonsense();
  if (!r->running) return add_item(r, o);
  if (o->index >= r->n_items) return nonsense();
  s->in_flight = true;
  s->began = qe__seconds();
  s->process.deadline = s->began + r->o->timeout;
  return QE_OK;
}

/* A case that crashed once keeps that verdict: what it does alone is a hint for whoever looks for the reason. */
static void merge_retry(const slot *s, qe__outcome *o) {
  const qe__case_result alone = o->result;
  o->result = s->suspect.result;
  const size_t used = strlen(o->result.detail);
  snprintf(o->result.detail + used, sizeof o->result.detail - used, "alone: %s%s%s\n",
           qe_conform_verdict_name((qe_conform_verdict_t)alone.verdict), alone.check[0] ? " " : "",
           alone.check[0]              ? alone.check
           : alone.verdict == QE__PASS ? " (so it depends on what ran before)"
                                       : "");
}

static qe_status_t take_end(run *r, slot *s) {
  qe__message *m = &r->message;
  qe__outcome *o = &s->now;
  const uint64_t index = qe__message_take(m), verdict = qe__message_take(m);
  qe__case_result *x = &o->result;
  x->level = (uint32_t)qe__message_take(m);
  x->elements = (int64_t)qe__message_take(m);
  x->wrong = (int64_t)qe__message_take(m);
  x->worst = qe__message_take_real(m);
  x->macs = (int64_t)qe__message_take(m);
  qe__message_take_text(m, x->check, sizeof x->check);
  qe__message_take_text(m, x->detail, sizeof x->detail);
  if (m->bad || !s->in_flight || index != o->index || verdict > QE__REFUSED) return nonsense();
  x->verdict = (qe__verdict)verdict;
  o->seconds = qe__seconds() - s->began;
  s->in_flight = false;
  s->has_last = true;
  s->process.deadline = qe__seconds() + r->o->load_timeout;
  if (s->retrying) merge_retry(s, o);
  return tell(r, o);
}

static qe_status_t take_error(run *r) {
  char text[1024];
  const uint64_t status = qe__message_take(&r->message);
  qe__message_take_text(&r->message, text, sizeof text);
  if (r->message.bad || status == QE_OK || status > QE_ERROR_INTERNAL) return nonsense();
  return qe__fail((qe_status_t)status, "%s", text);
}

/* *sane false: the worker says nonsense, which counts as a crash. */
static qe_status_t take_messages(run *r, slot *s, bool *sane) {
  qe_status_t status = QE_OK;
  int more = 0;
  if (!r->running) s->process.deadline = qe__seconds() + r->o->load_timeout;
  while (status == QE_OK && !r->stop && (more = qe__inbox_next(&s->process.inbox, &r->message)) > 0) {
    switch ((qe__message_type)r->message.type) {
      case QE__MSG_HELLO: status = take_hello(r, s); break;
      case QE__MSG_KERNEL: status = take_kernel(r); break;
      case QE__MSG_BEGIN: status = take_begin(r, s); break;
      case QE__MSG_END: status = take_end(r, s); break;
      case QE__MSG_ERROR: return take_error(r);
      case QE__MSG_DONE: s->said_done = true; break;
      case QE__MSG_TIME:
      case QE__MSG_VALUE:
      default: status = nonsense(); break;
    }
  }
  *sane = more >= 0 && status != QE_ERROR_FORMAT;
  return *sane ? status : QE_OK;
}

static void describe(qe__outcome *o, const qe__ending *e, bool sane, bool after, double timeout) {
  qe__case_result *x = &o->result;
  memset(x, 0, sizeof *x);
  x->verdict = e->killed ? QE__TIMEOUT : QE__CRASH;
  x->level = 255;
  snprintf(x->check, sizeof x->check, "%s", !sane ? "report" : e->killed ? "timeout" : e->text);
  if (e->killed)
    snprintf(x->detail, sizeof x->detail, "no answer within %.3g s\n", timeout);
  else if (!sane)
    snprintf(x->detail, sizeof x->detail, "the process wrote into its report pipe, which is not its own\n");
  else
    snprintf(x->detail, sizeof x->detail, "the process ended%s: %s\n", after ? " after this case" : "", e->text);
  const size_t used = strlen(x->detail);
  if (e->last_words[0]) snprintf(x->detail + used, sizeof x->detail - used, "last words: %s\n", e->last_words);
}

static qe_status_t resume(run *r, slot *s, uint64_t first) {
  s->retrying = false;
  s->share.only = NO_CASE;
  s->share.first = first;
  return start(r, s);
}

/* Keeps one hopeless kernel from taking all the time. */
static void count_bad(run *r, const qe__outcome *o) {
  const qe__workers_options *w = r->o;
  const bool late = o->result.verdict == QE__TIMEOUT;
  const uint32_t n = late ? ++r->timeouts[o->kernel] : ++r->crashes[o->kernel],
                 most = late ? w->most_timeouts : w->most_crashes;
  if (most > 0 && n >= most) r->skip[o->kernel] = true;
}

/* The worker ended without saying so. */
static qe_status_t on_death(run *r, slot *s, const qe__ending *e, bool sane) {
  if (!s->said_hello) {
    return qe__fail(QE_ERROR_ENGINE, "the process that loaded the plugin ended before it could report: %s%s%s", e->text,
                    e->last_words[0] ? "; " : "", e->last_words);
  }
  const bool after = !s->in_flight;
  if (after && !s->has_last)
    return qe__fail(QE_ERROR_INTERNAL, "a worker ended before its first case: %s%s%s", e->text,
                    e->last_words[0] ? "; " : "", e->last_words);
  qe__outcome o = s->now;
  describe(&o, e, sane, after, r->o->timeout);
  if (s->retrying) {
    merge_retry(s, &o);
  } else {
    count_bad(r, &o);
    if (!after && !r->o->stop_at_bad) {
      s->suspect = o;
      s->retrying = true;
      s->share.only = o.index;
      return start(r, s);
    }
  }
  QE_TRY(tell(r, &o));
  return r->stop ? QE_OK : resume(r, s, o.index + 1);
}

static qe_status_t on_end(run *r, slot *s, bool late, bool sane) {
  qe__ending e;
  qe__process_end(&s->process, late || !sane, &e);
  if (!sane) e.killed = false;
  r->n_running--;
  if (!s->said_done) return on_death(r, s, &e, sane);
  if (s->retrying) return resume(r, s, s->suspect.index + 1);
  return QE_OK;
}

static qe_status_t serve(run *r, slot *s, bool readable) {
  bool sane = true;
  if (readable) {
    const long got = qe__inbox_read(&s->process.inbox, s->process.fd);
    if (got > 0) {
      QE_TRY(take_messages(r, s, &sane));
      if (sane) return QE_OK;
    } else if (got < 0 && (errno == EAGAIN || errno == EINTR)) {
      return QE_OK;
    }
    return on_end(r, s, false, sane);
  }
  return qe__seconds() > s->process.deadline ? on_end(r, s, true, true) : QE_OK;
}

static qe_status_t watch(run *r, struct pollfd *fds) {
  while (r->n_running > 0 && !r->stop) {
    for (uint32_t i = 0; i < r->o->jobs; i++)
      fds[i] = (struct pollfd){r->slots[i].process.pid != 0 ? r->slots[i].process.fd : -1, POLLIN, 0};
    if (poll(fds, r->o->jobs, TICK_MS) < 0 && errno != EINTR)
      return qe__fail(QE_ERROR_INTERNAL, "waiting for workers: %s", strerror(errno));
    if (r->o->on_tick != NULL) QE_TRY(r->o->on_tick(r->o->arg));
    for (uint32_t i = 0; i < r->o->jobs && !r->stop; i++)
      if (fds[i].fd >= 0) QE_TRY(serve(r, &r->slots[i], (fds[i].revents & (POLLIN | POLLHUP | POLLERR)) != 0));
  }
  return QE_OK;
}

static qe_status_t phase(run *r, struct pollfd *fds) {
  for (uint32_t i = 0; i < r->o->jobs; i++) {
    slot *s = &r->slots[i];
    memset(s, 0, sizeof *s);
    s->share = (qe__share){.only = NO_CASE, .shard = i, .shards = r->o->jobs, .stop_at_bad = r->o->stop_at_bad};
    QE_TRY(start(r, s));
  }
  return watch(r, fds);
}

/* Each kernel's cases came from one worker, in order, between those of other kernels. */
static qe_status_t sort_items(run *r) {
  size_t *next = qe__calloc((size_t)r->n_kernels + 1, sizeof *next);
  qe__listed *sorted = qe__calloc(r->n_items, sizeof *sorted);
  if (next == NULL || sorted == NULL) {
    qe__free(next);
    qe__free(sorted);
    return QE_ERROR_OUT_OF_MEMORY;
  }
  for (size_t i = 0; i < r->n_items; i++) next[r->items[i].kernel + 1]++;
  for (uint32_t k = 0; k < r->n_kernels; k++) next[k + 1] += next[k];
  for (size_t i = 0; i < r->n_items; i++) sorted[next[r->items[i].kernel]++] = r->items[i];
  qe__free(next);
  qe__free(r->items);
  r->items = sorted;
  return QE_OK;
}

static qe_status_t tell_list(run *r) {
  for (uint32_t k = 0; k < r->n_kernels; k++) {
    if (!r->listed[k]) return qe__fail(QE_ERROR_INTERNAL, "kernel %u was never listed", k);
    if (r->o->on_kernel != NULL) QE_TRY(r->o->on_kernel(r->o->arg, k, &r->facts[k]));
  }
  qe__outcome *o = &r->slots[0].now;
  for (size_t i = 0; r->o->list && i < r->n_items; i++) {
    memset(o, 0, sizeof *o);
    o->index = i;
    o->kernel = r->items[i].kernel;
    o->must = r->items[i].must;
    snprintf(o->text, sizeof o->text, "%s", r->items[i].text);
    QE_TRY(tell(r, o));
  }
  return QE_OK;
}

static qe_status_t run_phases(run *r, struct pollfd *fds) {
  QE_TRY(phase(r, fds));
  QE_TRY(sort_items(r));
  QE_TRY(tell_list(r));
  if (r->o->list || r->n_items == 0) return QE_OK;
  r->running = true;
  return phase(r, fds);
}

static void run_free(run *r) {
  for (uint32_t i = 0; r->slots != NULL && i < r->o->jobs; i++) {
    qe__ending ignored;
    qe__process_end(&r->slots[i].process, true, &ignored);
  }
  for (size_t i = 0; i < r->n_items; i++) qe__free(r->items[i].text);
  qe__free(r->items);
  qe__free(r->slots);
  qe__free(r->facts);
  qe__free(r->listed);
  qe__free(r->crashes);
  qe__free(r->timeouts);
  qe__free(r->skip);
  qe__free(r);
}

qe_status_t qe__workers_run(const qe__workers_options *options) {
  qe_status_t status = QE_ERROR_OUT_OF_MEMORY;
  struct pollfd *fds = qe__calloc(options->jobs, sizeof *fds);
  run *r = qe__calloc(1, sizeof *r);
  if (r != NULL) {
    r->o = options;
    r->slots = qe__calloc(options->jobs, sizeof *r->slots);
    if (r->slots != NULL && fds != NULL) status = run_phases(r, fds);
    run_free(r);
  }
  qe__free(fds);
  return status;
}
