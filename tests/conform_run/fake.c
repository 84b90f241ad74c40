/* See fake.h. */
#include "fake.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static qe_status_t open_fake(void *arg, qe__hello *out) {
  const fake *f = arg;
  if (f->open_signal != 0) raise(f->open_signal);
  if (f->open_status != QE_OK) return qe__fail(f->open_status, "the fake does not load");
  snprintf(out->engine, sizeof out->engine, "fake");
  snprintf(out->vendor, sizeof out->vendor, "nobody");
  snprintf(out->version, sizeof out->version, "1");
  snprintf(out->path, sizeof out->path, "/nowhere/fake.so");
  snprintf(out->isa, sizeof out->isa, "%s", getenv("QENGINE_CPU_MASK") != NULL ? getenv("QENGINE_CPU_MASK") : "");
  out->abi_minor = 1;
  out->n_kernels = FAKE_KERNELS;
  return QE_OK;
}

static void kernel_facts(void *arg, uint32_t kernel, qe__kernel_facts *out) {
  (void)arg;
  snprintf(out->name, sizeof out->name, "kernel_%u", kernel);
  snprintf(out->op, sizeof out->op, "Op%u", kernel);
  snprintf(out->dtypes, sizeof out->dtypes, "u8 -> u8");
}

static qe_status_t cases(void *arg, uint32_t kernel, qe__case_text_fn emit, void *emit_arg) {
  const fake *f = arg;
  for (uint32_t i = 0; i < FAKE_MOST && f->cases[kernel][i] != NULL; i++)
    if (!emit(emit_arg, f->cases[kernel][i], i == 0)) break;
  return QE_OK;
}

/* A plugin that prints where it should not. Only high descriptors: the test's own are below. */
static void write_garbage(void) {
  for (int i = 200; i < 220; i++)
    if (write(i, "nonsense nonsense nonsense", 26) > 0) return;
}

static void crash_on_exit(int number) {
  (void)number;
  _exit(9);
}

static qe_status_t run(void *arg, uint32_t kernel, const char *text, qe__case_result *out) {
  (void)arg;
  (void)kernel;
  out->elements = 16;
  if (strcmp(text, "fail") == 0) {
    out->verdict = QE__FAIL;
    out->level = 255;
    out->wrong = 3;
    snprintf(out->check, sizeof out->check, "bytes");
    snprintf(out->detail, sizeof out->detail, "element [0,1]: got 3 <expected> 4 & \"more\"\n");
  } else if (strcmp(text, "mistrusted") == 0) {
    out->verdict = QE__MISTRUSTED;
  } else if (strcmp(text, "unsupported") == 0) {
    out->verdict = QE__UNSUPPORTED;
  } else if (strcmp(text, "segv") == 0) {
    fputs("I am about to crash\n", stderr);
    fflush(stderr);
    signal(SIGSEGV, SIG_DFL);
    raise(SIGSEGV);
  } else if (strcmp(text, "abort") == 0) {
    signal(SIGABRT, SIG_DFL);
    abort();
  } else if (strcmp(text, "exit") == 0) {
    _exit(7);
  } else if (strcmp(text, "hang") == 0) {
    for (;;) pause();
  } else if (strcmp(text, "garbage") == 0) {
    write_garbage();
  } else if (strcmp(text, "internal") == 0) {
    return qe__fail(QE_ERROR_INTERNAL, "the harness is out of order");
  } else if (strncmp(text, "once:", 5) == 0) {
    if (access(text + 5, F_OK) != 0) {
      fclose(fopen(text + 5, "w"));
      _exit(3);
    }
  } else if (strcmp(text, "after") == 0) {
    signal(SIGALRM, crash_on_exit);
    alarm(1);
  } else if (strcmp(text, "slow") == 0) {
    usleep(1500000);
  }
  return QE_OK;
}

void fake_source(fake *f, qe__conform_source *out) {
  *out = (qe__conform_source){f, open_fake, kernel_facts, cases, run};
}

static qe_status_t on_hello(void *arg, const qe__hello *hello) {
  ((heard *)arg)->hello = *hello;
  return QE_OK;
}

static qe_status_t on_kernel(void *arg, uint32_t kernel, const qe__kernel_facts *facts) {
  heard *h = arg;
  (void)kernel;
  h->n_kernels++;
  h->announced += facts->cases;
  return QE_OK;
}

static qe_status_t on_case(void *arg, const qe__outcome *o) {
  heard *h = arg;
  if (o->index >= FAKE_KERNELS * FAKE_MOST)
    return qe__fail(QE_ERROR_INTERNAL, "index %llu", (unsigned long long)o->index);
  h->n_told += !h->told[o->index];
  h->told[o->index] = true;
  h->outcomes[o->index] = *o;
  return QE_OK;
}

static qe_status_t on_tick(void *arg) {
  heard *h = arg;
  h->n_ticks++;
  return h->stop_after_ticks != 0 && h->n_ticks > h->stop_after_ticks ? qe__fail(QE_ERROR_INTERRUPTED, "stop") : QE_OK;
}

qe__workers_options fake_options(const qe__conform_source *source, heard *h) {
  return (qe__workers_options){.source = source,
                               .jobs = 2,
                               .timeout = 20.0,
                               .load_timeout = 20.0,
                               .on_hello = on_hello,
                               .on_kernel = on_kernel,
                               .on_case = on_case,
                               .on_tick = on_tick,
                               .arg = h};
}
