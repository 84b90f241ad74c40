/* The determinism matrix: threads, tile order, repeats and flushed denormals must not show in a single byte. */
#include <stdio.h>
#include <string.h>

#include "conform/case.h"

typedef struct row {
  uint32_t threads, lanes, order;
  bool flush;
} row;

/* Flushing denormals changes results that denormals take part in; such cases are left out. */
static bool denormals_matter(const qe__built *b, const qe__run_result *first) {
  if (first->tiny) return true;
  if (b->out[0].dtype == QE_FLOAT32 && qe__case_is(&b->text, "pat", "edge"))
    return true; /* exp and its kin underflow there */
  return qe__case_is(&b->text, "pat", "special") || qe__case_is(&b->text, "sc", "tiny") ||
         b->in[0].dtype == QE_BFLOAT16 || b->in[0].dtype == QE_FLOAT16;
}

static bool equal(const qe__built *b, const qe__run_result *a, const qe__run_result *c, uint32_t *output, size_t *at) {
  for (uint32_t i = 0; i < b->n_out; i++) {
    const uint8_t *x = a->out[i], *y = c->out[i];
    for (size_t k = 0; k < a->out_bytes[i]; k++) {
      if (x[k] == y[k]) continue;
      *output = i;
      *at = k;
      return false;
    }
  }
  return true;
}

qe_status_t qe__check_determinism(const qe__kernel *kernel, const qe__built *b, const qe__run_result *first,
                                  qe__case_result *out) {
  static const char *const orders[] = {"forward", "backward", "shuffled"};
  const uint32_t all = qe__cpu()->cores;
  const row rows[] = {
      {1,   1, 1, false},
      {1,   1, 2, false},
      {1,   3, 0, false},
      {1,   2, 2, false},
      {2,   1, 0, false},
      {3,   1, 2, false},
      {all, 1, 0, false},
      {1,   1, 0, true },
      {2,   1, 2, true }
  };
  for (size_t i = 0; i < sizeof rows / sizeof rows[0] && !out->check[0]; i++) {
    if (rows[i].flush && denormals_matter(b, first)) continue;
    const qe__run_mode mode = {.arrange = qe__case_arrange(kernel, b),
                               .threads = rows[i].threads,
                               .lanes = rows[i].lanes,
                               .order = rows[i].order,
                               .flush = rows[i].flush,
                               .poison = (uint8_t)(17 * i),
                               .repeats = i == 0};
    qe__run_result r;
    uint32_t output = 0;
    size_t at = 0;
    qe_status_t status = qe__case_run(kernel, b, &mode, &r);
    if (status == QE_OK && (r.check[0] || !equal(b, first, &r, &output, &at))) {
      snprintf(out->check, sizeof out->check, "%s", r.check[0] ? r.check : "determinism");
      qe__detail(out, "%u thread(s), tiles %s%s: %s", (unsigned)(rows[i].threads * rows[i].lanes),
                 orders[rows[i].order], rows[i].flush ? ", denormals flushed" : "",
                 r.check[0] ? r.detail : "the bytes differ from one thread, all tiles in one call");
      if (!r.check[0]) qe__detail(out, "first difference: byte %zu of output %u", at, (unsigned)output);
    }
    qe__run_result_free(&r);
    QE_TRY(status);
  }
  return QE_OK;
}
