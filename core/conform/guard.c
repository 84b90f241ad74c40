/*
 * Memory a kernel is given: flush against an inaccessible page at its end, or behind one at its start, with a pattern
 * in the slack that alignment leaves. Touching the page raises a signal, which is caught around the call and explained.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <ucontext.h>

#include "base/float_mode.h"
#include "conform/case.h"

static size_t page_size(void) {
  return (size_t)sysconf(_SC_PAGESIZE);
}

static uint8_t slack_byte(size_t i) {
  return (uint8_t)(i * 167u + 13u);
}

qe_status_t qe__guard_create(size_t bytes, size_t alignment, bool at_start, const char *name, qe__guard_region *out) {
  const size_t page = page_size();
  size_t room, total;
  memset(out, 0, sizeof *out);
  if (alignment == 0) alignment = 1;
  if (!qe__add_size(bytes, 2 * alignment + page - 1, &room) || !qe__add_size(room, 2 * page, &total)) {
    return qe__fail(QE_ERROR_OUT_OF_MEMORY, "%s would need %zu bytes", name, bytes);
  }
  room = room / page * page;
  total = room + 2 * page;
  void *map = mmap(NULL, total, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (map == MAP_FAILED) return qe__fail(QE_ERROR_OUT_OF_MEMORY, "%zu bytes for %s are not available", total, name);
  out->map = map;
  out->map_bytes = total;
  out->bytes = bytes;
  snprintf(out->name, sizeof out->name, "%s", name);
  uint8_t *start = out->map + page, *end = start + room;
  const uintptr_t address = (uintptr_t)(at_start ? start : end - bytes);
  uintptr_t chosen = address / alignment * alignment;
  if (alignment > 16 && chosen % (2 * alignment) == 0)
    chosen = at_start ? chosen + alignment : chosen - alignment; /* no better than asked for */
  out->data = start + (chosen - (uintptr_t)start);
  for (uint8_t *p = start; p < out->data; p++) *p = slack_byte((size_t)(p - start));
  for (uint8_t *p = out->data + bytes; p < end; p++) *p = slack_byte((size_t)(p - start));
  if (mprotect(out->map, page, PROT_NONE) != 0 || mprotect(end, page, PROT_NONE) != 0) {
    qe__guard_free(out);
    return qe__fail(QE_ERROR_OUT_OF_MEMORY, "memory of %s cannot be protected", name);
  }
  return QE_OK;
}

void qe__guard_free(qe__guard_region *r) {
  if (r->map) munmap(r->map, r->map_bytes);
  memset(r, 0, sizeof *r);
}

void qe__guard_protect(qe__guard_region *r, bool read_only) {
  const size_t page = page_size();
  if (r->map) (void)mprotect(r->map + page, r->map_bytes - 2 * page, read_only ? PROT_READ : PROT_READ | PROT_WRITE);
}

bool qe__guard_intact(const qe__guard_region *r, char *detail, size_t size) {
  const size_t page = page_size();
  if (!r->map) return true;
  const uint8_t *start = r->map + page, *end = r->map + r->map_bytes - page;
  for (const uint8_t *p = r->data; p-- > start;) {
    if (*p == slack_byte((size_t)(p - start))) continue;
    snprintf(detail, size, "wrote %zu byte(s) before the start of %s", (size_t)(r->data - p), r->name);
    return false;
  }
  for (const uint8_t *p = r->data + r->bytes; p < end; p++) {
    if (*p == slack_byte((size_t)(p - start))) continue;
    snprintf(detail, size, "wrote %zu byte(s) past the end of %s (%zu bytes)", (size_t)(p - (r->data + r->bytes)) + 1,
             r->name, r->bytes);
    return false;
  }
  return true;
}

/* ---- faults ---- */

typedef struct catcher {
  sigjmp_buf back;
  volatile sig_atomic_t armed;
  const void *volatile address;
  const char *volatile verb;
} catcher;

static _Thread_local catcher here;
static struct sigaction old_segv, old_bus;

/* What the instruction did to the address, as far as the machine tells. */
#if defined(__x86_64__) && defined(REG_ERR)
static const char *access_verb(const ucontext_t *context) {
  return (context->uc_mcontext.gregs[REG_ERR] & 2) != 0 ? "wrote" : "read";
}
#elif defined(__aarch64__) && defined(ESR_MAGIC)
static const char *access_verb(const ucontext_t *context) {
  const uint8_t *at = context->uc_mcontext.__reserved, *end = at + sizeof context->uc_mcontext.__reserved;
  struct esr_context record;
  for (; at + sizeof record <= end; at += record.head.size) {
    memcpy(&record, at, sizeof record);
    if (record.head.magic == ESR_MAGIC) return (record.esr & 1u << 6) != 0 ? "wrote" : "read";
    if (record.head.size == 0) break;
  }
  return "touched"; /* not told, as under an emulator */
}
#else
static const char *access_verb(const ucontext_t *context) {
  (void)context;
  return "touched";
}
#endif

static void on_fault(int signal, siginfo_t *info, void *context) {
  if (!here.armed) { /* not ours: what was installed before deals with it when the instruction runs again */
    sigaction(signal, signal == SIGBUS ? &old_bus : &old_segv, NULL);
    return;
  }
  here.address = info->si_addr;
  here.verb = access_verb(context);
  here.armed = 0;
  siglongjmp(here.back, 1);
}

void qe__guard_begin(void) {
  struct sigaction action;
  memset(&action, 0, sizeof action);
  action.sa_sigaction = on_fault;
  action.sa_flags = SA_SIGINFO | SA_NODEFER; /* the handler is left by a jump */
  sigemptyset(&action.sa_mask);
  sigaction(SIGSEGV, &action, &old_segv);
  sigaction(SIGBUS, &action, &old_bus);
}

void qe__guard_end(void) {
  sigaction(SIGSEGV, &old_segv, NULL);
  sigaction(SIGBUS, &old_bus, NULL);
}

void qe__watch(qe__run_fn run, void *self, const qe_call *call, int64_t begin, int64_t end, bool registers, bool flush,
               qe__watched *out) {
  memset(out, 0, sizeof *out);
  const uint64_t mode = qe__float_mode();
  if (flush) qe__float_mode_set(mode | QE__FLOAT_MODE_FLUSH);
  qe__float_tiny_clear();
  if (sigsetjmp(here.back, 0) == 0) {
    here.armed = 1;
    out->result = registers ? qe__registers_run(run, self, call, begin, end, out->registers, sizeof out->registers)
                            : run(self, call, begin, end);
    here.armed = 0;
  } else {
    out->faulted = true;
    out->address = here.address;
    out->verb = here.verb;
  }
  out->tiny = qe__float_tiny();
  qe__restore_float_mode(mode);
}

void qe__guard_explain(const qe__guard_region *regions, uint32_t n, const qe__watched *w, char *text, size_t size) {
  const uint8_t *at = w->address;
  const char *verb = w->verb;
  for (uint32_t i = 0; i < n; i++) {
    const qe__guard_region *r = &regions[i];
    if (!r->map || at < r->map || at >= r->map + r->map_bytes) continue;
    if (at < r->data)
      snprintf(text, size, "%s %zu byte(s) before the start of %s", verb, (size_t)(r->data - at), r->name);
    else if (at >= r->data + r->bytes)
      snprintf(text, size, "%s byte %zu past the end of %s (%zu bytes)", verb, (size_t)(at - (r->data + r->bytes)) + 1,
               r->name, r->bytes);
    else
      snprintf(text, size, "%s byte %zu of %s, which is read-only", verb, (size_t)(at - r->data), r->name);
    return;
  }
  snprintf(text, size, "%s address %p, which belongs to no buffer of the call", verb, w->address);
}
