/* See peak.h. */
#include "conform/peak.h"

#include "conform/worker_process.h"
#include "engine/engine.h"
#include "qengine/engine.h"

#define SECONDS 0.02

double qe__peak_measure(const qe__peak_loop *loop) {
  const double macs = (double)loop->macs * QE__PEAK_ROUNDS;
  volatile float factor = 0.5f, sink;
  double best = 0.0, now;
  const double end = qe__seconds() + SECONDS;
  do {
    const double start = qe__seconds();
    sink = loop->run(factor);
    now = qe__seconds();
    if (now > start && macs / (now - start) > best) best = macs / (now - start);
  } while (now < end);
  (void)sink;
  return best * 1e-9;
}

static bool usable(const qe__peak_loop *loop, uint64_t isa) { return (loop->isa & ~isa) == 0; }

static double best_of(bool integer, uint64_t isa, bool own_only) {
  double best = 0.0;
  for (const qe__peak_loop *loop = qe__peak_loops; loop->name; loop++) {
    if (loop->integer != integer || !usable(loop, isa) || (own_only && loop->isa == 0)) continue;
    const double gmacs = qe__peak_measure(loop);
    if (gmacs > best) best = gmacs;
  }
  return best;
}

double qe__peak_gmacs(bool integer, uint64_t isa) {
  const double own = best_of(integer, isa & qe__cpu()->isa, true);
  return own > 0.0 ? own : best_of(integer, qe__cpu()->isa, false);
}

uint32_t qe_peak_count(void) {
  uint32_t count = 0;
  for (const qe__peak_loop *loop = qe__peak_loops; loop->name; loop++) count += usable(loop, qe__cpu()->isa);
  return count;
}

qe_status_t qe_peak_measure(uint32_t index, qe_peak_t *out) {
  static const struct {
    uint64_t bit;
    const char *name;
  } levels[] = {{QE_ISA_X86_AMX_INT8, "amx_int8"},
                {QE_ISA_X86_AVX512VNNI, "avx512vnni"},
                {QE_ISA_X86_AVX512BW, "avx512bw"},
                {QE_ISA_X86_AVXVNNI, "avxvnni"},
                {QE_ISA_X86_AVX2, "avx2"}};
  QE_CHECK_ARG(out, "out is NULL");
  *out = (qe_peak_t){0};
  for (const qe__peak_loop *loop = qe__peak_loops; loop->name; loop++) {
    if (!usable(loop, qe__cpu()->isa) || index-- > 0) continue;
    *out = (qe_peak_t){.loop = loop->name, .isa = "", .dtype = loop->integer ? QE_INT8 : QE_FLOAT32};
    for (uint32_t i = sizeof levels / sizeof levels[0]; i-- > 0;)
      if (loop->isa & levels[i].bit) out->isa = levels[i].name;
    out->gmacs = qe__peak_measure(loop);
    return QE_OK;
  }
  return qe__fail(QE_ERROR_INVALID_ARGUMENT, "there is no such loop; qe_peak_count() says how many there are");
}
