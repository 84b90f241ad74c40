/* One kernel on one case, from text to verdict; and its time. */
#include <stdio.h>
#include <string.h>

#include "conform/case.h"
#include "conform/replay.h"
#include "engine/host.h"

static void fail(qe__case_result *out, const char *check) {
  out->verdict = QE__FAIL;
  if (check != out->check) snprintf(out->check, sizeof out->check, "%s", check);
}

/* The first kernel of the oracle's engine that takes the case. */
static const qe__kernel *oracle(const qe__engine *engine, const qe__built *b) {
  char reason[200];
  for (uint32_t i = 0; engine && i < engine->n_kernels; i++) {
    const qe__kernel *k = &engine->kernels[i];
    if (qe__case_supported(k, b, QE__TIGHT, reason, sizeof reason)) return k;
  }
  return NULL;
}

static void take_fault(const qe__run_result *r, const char *how, qe__case_result *out) {
  if (!r->check[0]) return;
  fail(out, r->check);
  qe__detail(out, "%s%s", how, r->detail);
}

static bool equal(const qe__built *b, const qe__run_result *x, const qe__run_result *y) {
  for (uint32_t i = 0; i < b->n_out; i++) {
    if (memcmp(x->out[i], y->out[i], x->out_bytes[i]) != 0) return false;
  }
  return true;
}

/* Again with buffers behind the pages and other garbage in scratch and outputs; then in place, when the plan allows it.
 */
static qe_status_t check_memory(const qe__kernel *kernel, const qe__built *b, const qe__run_mode *mode,
                                const qe__run_result *first, qe__case_result *out) {
  qe__run_mode other = *mode;
  qe__run_result r;
  other.at_start = true;
  other.poison = 0xC3;
  other.registers = false;
  for (int pass = 0; pass < 2 && !out->check[0]; pass++) {
    if (pass == 1 && !first->can_run_in_place) break;
    other.in_place = pass == 1;
    other.repeats = 0;
    qe_status_t status = qe__case_run(kernel, b, &other, &r);
    if (status == QE_OK && r.check[0])
      take_fault(&r, pass ? "in place: " : "", out);
    else if (status == QE_OK && !equal(b, first, &r)) {
      fail(out, pass ? "in_place" : "poison");
      qe__detail(out, "%s",
                 pass ? "with output 0 in the memory of input 0, which the plan allows, the bytes differ"
                      : "the outputs depend on what scratch or output memory held before: something is left unwritten "
                        "or read uninitialized");
    }
    qe__run_result_free(&r);
    QE_TRY(status);
  }
  return QE_OK;
}

static qe_status_t against_oracle(const qe__kernel *kernel, const qe__built *b, const qe__engine *engine,
                                  const qe__run_result *first, qe__case_result *out) {
  const qe__run_mode plain = {.poison = 0x11};
  const qe__kernel *k = oracle(engine, b);
  qe__run_result want;
  char why[200];
  if (!k) {
    out->verdict = QE__MISTRUSTED;
    snprintf(out->check, sizeof out->check, "oracle");
    qe__detail(out, "engine '%s' has no kernel for this case to compare with", engine ? engine->name : "(none)");
    return QE_OK;
  }
  qe_status_t status = qe__case_run(k, b, &plain, &want);
  if (status == QE_OK && (want.check[0] || want.unsupported)) {
    status = qe__fail(QE_ERROR_INTERNAL, "the oracle %s failed: %s", k->row.name, want.detail);
  } else if (status == QE_OK) {
    qe__judge(kernel, b, &want, first, out);
    if (out->level > kernel->row.exactness) {
      fail(out, "bytes");
      if (kernel->row.exactness > 0 || out->level != 255)
        qe__detail(out, "observed level %s%c, the kernel claims E%u", out->level == 255 ? "none" : "E",
                   out->level == 255 ? ' ' : (char)('0' + out->level), (unsigned)kernel->row.exactness);
    } else if (qe__judge_mistrusts(b, &want, why, sizeof why)) {
      out->verdict = QE__MISTRUSTED;
      snprintf(out->check, sizeof out->check, "data");
      qe__detail(out, "%s", why);
    } else {
      out->detail[0] = '\0'; /* differences within the claim are counted, not told */
    }
  }
  qe__run_result_free(&want);
  return status;
}

static qe_status_t check(const qe__kernel *kernel, const qe__built *b, const qe__conform_options *o,
                         qe__case_result *out) {
  const qe__run_mode mode = {.arrange = qe__case_arrange(kernel, b),
                             .guard = o->memory,
                             .registers = o->registers,
                             .repeats = o->determinism ? 1 : 0,
                             .poison = 0x5A};
  qe__run_result first;
  qe_status_t status = qe__case_run(kernel, b, &mode, &first);
  if (status == QE_OK && first.unsupported) {
    out->verdict = QE__UNSUPPORTED;
    qe__detail(out, "%s", first.detail);
    const qe__kernel *other = oracle(kernel->engine, b);
    if (other) { /* the engine as a whole supports it */
      snprintf(out->check, sizeof out->check, "elsewhere");
      qe__detail(out, "kernel %s of this engine takes it", other->row.name);
    }
  } else if (status == QE_OK) {
    take_fault(&first, "", out);
    if (!out->check[0] && o->memory) status = check_memory(kernel, b, &mode, &first, out);
    if (!out->check[0] && status == QE_OK) status = against_oracle(kernel, b, o->against, &first, out);
    if (!out->check[0] && status == QE_OK && o->determinism) status = qe__check_determinism(kernel, b, &first, out);
    if (!out->check[0] && status == QE_OK && o->properties)
      status = qe__check_properties(kernel, b, &first, o->seed, out);
    if (out->check[0] && out->verdict != QE__MISTRUSTED && out->verdict != QE__UNSUPPORTED) fail(out, out->check);
  }
  qe__run_result_free(&first);
  return status;
}

/* "case, kernel, what was found, repro": at most twelve lines, the repro line whole. */
static void compose(const qe__kernel *kernel, const qe__case *c, qe__case_result *out) {
  char text[QE__CASE_TEXT], body[sizeof out->detail];
  if (out->verdict != QE__FAIL && out->verdict != QE__MISTRUSTED) return;
  qe__case_print(c, text);
  memcpy(body, out->detail, sizeof body);
  const bool builtin =
      strcmp(kernel->engine->name, "reference") == 0 || !kernel->engine->path || !kernel->engine->path[0];
  const size_t fixed = 2 * strlen(text) + strlen(kernel->row.name) +
                       strlen(builtin ? kernel->engine->name : kernel->engine->path) + strlen(out->check) + 80;
  const size_t room = fixed < sizeof out->detail ? sizeof out->detail - fixed : 0;
  snprintf(out->detail, sizeof out->detail,
           "case: %s\nkernel: %s, check: %s\n%.*s\nrepro: qengine conform %s --case '%s'", text, kernel->row.name,
           out->check, (int)room, body, builtin ? kernel->engine->name : kernel->engine->path, text);
}

qe_status_t qe__conform_case(const qe__kernel *kernel, const qe__case *c, const qe__conform_options *options,
                             qe__case_result *out) {
  qe__built b;
  memset(out, 0, sizeof *out);
  out->level = 255;
  QE_TRY(qe__case_describe(c, options->seed, &b));
  qe_status_t status = QE_OK;
  if (qe__case_must_refuse(c)) {
    const bool refused = qe__case_refused(&b);
    out->verdict = refused ? QE__REFUSED : QE__FAIL;
    if (refused)
      qe__detail(out, "refused before any kernel is asked: %s", qe_last_error());
    else
      fail(out, "refusal");
    qe__clear_error();
  } else {
    status = qe__replay_load(&b, options->n_replays, options->replays);
    if (status == QE_OK) status = qe__case_fill(&b);
    if (status == QE_OK) {
      const int64_t blocks = qe__host_live_blocks();
      qe__guard_begin();
      status = check(kernel, &b, options, out);
      qe__guard_end();
      if (status == QE_OK && !out->check[0] && qe__host_live_blocks() > blocks) {
        fail(out, "leak");
        qe__detail(out,
                   "%lld block(s) that supports, plan, prepack or run took from host->alloc were not given back; they "
                   "keep no state",
                   (long long)(qe__host_live_blocks() - blocks));
      }
    }
    out->macs = b.macs;
  }
  qe__built_free(&b);
  QE_TRY(status);
  compose(kernel, c, out);
  return QE_OK;
}

qe_status_t qe__conform_perf(const qe__kernel *kernel, const qe__case *c, double seconds, qe__case_perf *out) {
  qe__built b;
  qe__run_result r;
  memset(out, 0, sizeof *out);
  QE_TRY(qe__case_describe(c, 0, &b));
  qe_status_t status = qe__case_fill(&b);
  if (status == QE_OK) {
    status = qe__case_time(kernel, &b, seconds, &r);
    if (status == QE_OK && (r.unsupported || r.check[0]))
      status = qe__fail(QE_ERROR_UNSUPPORTED, "kernel %s was not timed: %s", kernel->row.name, r.detail);
    out->min_ns = r.ns_min;
    out->median_ns = r.ns_median;
    out->macs = b.macs;
    for (uint32_t i = 0; i < b.n_kernel_in; i++)
      out->bytes += b.in[i].present ? b.in[i].count * (int64_t)qe_dtype_bits(b.in[i].dtype) / 8 : 0;
    for (uint32_t i = 0; i < b.n_out; i++) out->bytes += b.out[i].count * (int64_t)qe_dtype_bits(b.out[i].dtype) / 8;
  }
  qe__built_free(&b);
  return status;
}
