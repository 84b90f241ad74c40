/* See worker.h. */
#include "conform/worker.h"

#include <string.h>

typedef struct walk {
  const qe__conform_source *source;
  const qe__share *share;
  int fd;
  uint32_t kernel; /* whose cases are listed */
  int64_t counted;
  bool broken; /* the parent is gone or was told of an error */
  qe__message message;
} walk;

static bool send_message(walk *w) {
  if (qe__message_send(w->fd, &w->message) != QE_OK) w->broken = true;
  return !w->broken;
}

static void send_error(walk *w, qe_status_t status) {
  qe__message_start(&w->message, QE__MSG_ERROR);
  qe__message_put(&w->message, (uint64_t)status);
  qe__message_put_text(&w->message, qe_last_error());
  send_message(w);
  w->broken = true;
}

static bool send_hello(walk *w, const qe__hello *h) {
  qe__message_start(&w->message, QE__MSG_HELLO);
  qe__message_put_text(&w->message, h->engine);
  qe__message_put_text(&w->message, h->vendor);
  qe__message_put_text(&w->message, h->version);
  qe__message_put_text(&w->message, h->path);
  qe__message_put_text(&w->message, h->isa);
  qe__message_put(&w->message, h->abi_major);
  qe__message_put(&w->message, h->abi_minor);
  qe__message_put(&w->message, h->cores);
  qe__message_put(&w->message, h->n_kernels);
  return send_message(w);
}

static bool send_begin(walk *w, uint64_t index, uint32_t kernel, bool must, const char *text) {
  qe__message_start(&w->message, QE__MSG_BEGIN);
  qe__message_put(&w->message, index);
  qe__message_put(&w->message, kernel);
  qe__message_put(&w->message, must);
  qe__message_put_text(&w->message, text);
  return send_message(w);
}

static bool list_case(void *arg, const char *text, bool must) {
  walk *w = arg;
  return send_begin(w, (uint64_t)w->counted++, w->kernel, must, text);
}

static void list_kernel(walk *w) {
  qe__kernel_facts facts;
  memset(&facts, 0, sizeof facts);
  w->source->kernel(w->source->arg, w->kernel, &facts);
  w->counted = 0;
  const qe_status_t status = w->source->cases(w->source->arg, w->kernel, list_case, w);
  if (status != QE_OK && !w->broken) send_error(w, status);
  if (w->broken) return;
  qe__message_start(&w->message, QE__MSG_KERNEL);
  qe__message_put(&w->message, w->kernel);
  qe__message_put_text(&w->message, facts.name);
  qe__message_put_text(&w->message, facts.op);
  qe__message_put_text(&w->message, facts.dtypes);
  qe__message_put(&w->message, facts.claimed);
  qe__message_put(&w->message, (uint64_t)w->counted);
  send_message(w);
}

static bool send_end(walk *w, uint64_t index, const qe__case_result *r) {
  qe__message_start(&w->message, QE__MSG_END);
  qe__message_put(&w->message, index);
  qe__message_put(&w->message, (uint64_t)r->verdict);
  qe__message_put(&w->message, r->level);
  qe__message_put(&w->message, (uint64_t)r->elements);
  qe__message_put(&w->message, (uint64_t)r->wrong);
  qe__message_put_real(&w->message, r->worst);
  qe__message_put(&w->message, (uint64_t)r->macs);
  qe__message_put_text(&w->message, r->check);
  qe__message_put_text(&w->message, r->detail);
  return send_message(w);
}

/* False: no more cases. */
static bool run_item(walk *w, uint64_t index) {
  static qe__case_result result; /* not on the stack, which belongs to the code under test */
  const qe__listed *item = &w->share->items[index];
  if (!send_begin(w, index, item->kernel, item->must, item->text)) return false;
  memset(&result, 0, sizeof result);
  const qe_status_t status = w->source->run(w->source->arg, item->kernel, item->text, &result);
  if (status != QE_OK) {
    send_error(w, status);
    return false;
  }
  result.check[sizeof result.check - 1] = result.detail[sizeof result.detail - 1] = '\0';
  return send_end(w, index, &result) && !(w->share->stop_at_bad && result.verdict == QE__FAIL);
}

static void run_items(walk *w) {
  const qe__share *s = w->share;
  if (s->only != UINT64_MAX) {
    if (s->only < s->n_items) run_item(w, s->only);
    return;
  }
  for (uint64_t i = s->first; i < s->n_items; i++) {
    if (i % s->shards != s->shard || s->skip[s->items[i].kernel]) continue;
    if (!run_item(w, i)) return;
  }
}

bool qe__worker_run(const qe__conform_source *source, const qe__share *share, int fd) {
  static walk w;
  memset(&w, 0, sizeof w);
  w.source = source;
  w.share = share;
  w.fd = fd;
  qe__hello hello;
  memset(&hello, 0, sizeof hello);
  const qe_status_t status = source->open(source->arg, &hello);
  if (status != QE_OK) {
    send_error(&w, status);
    return false;
  }
  if (!send_hello(&w, &hello)) return false;
  if (share->items != NULL) run_items(&w);
  for (w.kernel = share->shard; share->items == NULL && w.kernel < hello.n_kernels && !w.broken;
       w.kernel += share->shards)
    list_kernel(&w);
  if (w.broken) return false;
  qe__message_start(&w.message, QE__MSG_DONE);
  return send_message(&w);
}
