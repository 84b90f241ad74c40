/* See run_source.h. */
#include "conform/run_source.h"

#include <fnmatch.h>
#include <stdio.h>
#include <string.h>

#include "conform/case.h"
#include "engine/load.h"

bool qe__engine_is_path(const char *engine) {
  const size_t length = strlen(engine);
  return strchr(engine, '/') != NULL || (length > 3 && strcmp(engine + length - 3, ".so") == 0);
}

qe_status_t qe__engine_source_load(qe__engine_source *s) {
  /* The file under test comes first, so that its name can't be taken by an installed one. */
  if (qe__engine_is_path(s->engine))
    QE_TRY(qe__engine_load_file(s->engine, &s->loaded));
  else
    QE_TRY(qe__engine_resolve(s->engine, &s->loaded));
  if (s->loaded == NULL) return qe__fail(QE_ERROR_ENGINE, "engine '%s' has no kernels to test", s->engine);
  const char *against = s->against != NULL ? s->against : "reference";
  if (qe__engine_is_path(against))
    QE_TRY(qe__engine_load_file(against, &s->oracle));
  else
    QE_TRY(qe__engine_resolve(against, &s->oracle));
  if (s->oracle == NULL) return qe__fail(QE_ERROR_ENGINE, "engine '%s' has no kernels to compare with", against);
  return QE_OK;
}

static qe_status_t open_engine(void *arg, qe__hello *out) {
  qe__engine_source *s = arg;
  QE_TRY(qe__engine_source_load(s));
  const qe__engine *e = s->loaded;
  snprintf(out->engine, sizeof out->engine, "%s", e->name);
  snprintf(out->vendor, sizeof out->vendor, "%s", e->vendor);
  snprintf(out->version, sizeof out->version, "%s", e->version);
  snprintf(out->path, sizeof out->path, "%s", e->path);
  qe__isa_text(qe__cpu()->isa, out->isa, sizeof out->isa);
  out->abi_major = e->table.abi_major;
  out->abi_minor = e->table.abi_minor;
  out->cores = qe__cpu()->cores;
  out->n_kernels = e->n_kernels;
  return QE_OK;
}

static const char *dtype_text(uint8_t dtype) {
  if (dtype == QE_DT_ANY) return "any";
  const char *code = qe__case_dtype_code((qe_dtype_t)dtype);
  return code != NULL ? code : "?";
}

static void kernel_facts(void *arg, uint32_t kernel, qe__kernel_facts *out) {
  const qe_kernel *row = &((qe__engine_source *)arg)->loaded->kernels[kernel].row;
  snprintf(out->name, sizeof out->name, "%s", row->name);
  snprintf(out->op, sizeof out->op, "%.*s", (int)sizeof row->key.op, row->key.op);
  size_t used = 0;
  for (int i = 0; i < QE_KEY_INPUTS && row->key.in[i] != QE_DT_NONE; i++)
    used += (size_t)snprintf(out->dtypes + used, sizeof out->dtypes - used, "%s ", dtype_text(row->key.in[i]));
  snprintf(out->dtypes + used, sizeof out->dtypes - used, "-> %s", dtype_text(row->key.out));
  out->claimed = row->exactness;
}

typedef struct relay {
  qe__case_text_fn emit;
  void *arg;
} relay;

static bool relay_case(void *arg, const qe__case *c, bool must) {
  const relay *r = arg;
  char text[QE__CASE_TEXT];
  return r->emit(r->arg, qe__case_print(c, text), must);
}

/* Could this kernel be asked to compute this case? */
static qe_status_t fits(const qe__engine_source *s, const qe_kernel *row, const qe__case *c, bool *yes) {
  *yes = false;
  const qe__op_schema *op = qe__op_at(c->op);
  if (op == NULL || strncmp(op->name, row->key.op, sizeof row->key.op) != 0) return QE_OK;
  qe__built built;
  memset(&built, 0, sizeof built);
  const qe_status_t status = qe__case_describe(c, s->seed, &built);
  if (status == QE_OK) {
    qe_kernel_key wanted;
    qe__built_key(&built, &wanted);
    *yes = qe__key_fits(&row->key, &wanted);
  }
  qe__built_free(&built);
  return status;
}

static qe_status_t given_cases(const qe__engine_source *s, const qe_kernel *row, const relay *r) {
  for (uint32_t i = 0; i < s->n_cases; i++) {
    qe__case c;
    bool yes = false;
    char text[QE__CASE_TEXT];
    qe_status_t status = qe__case_parse(s->cases[i], &c);
    if (status == QE_OK) status = fits(s, row, &c, &yes);
    if (status == QE_ERROR_OUT_OF_MEMORY) return status;
    if (status != QE_OK && !s->lenient) return status;
    if (status == QE_OK && yes && !r->emit(r->arg, qe__case_print(&c, text), false)) break;
  }
  return QE_OK;
}

static qe_status_t kernel_cases(void *arg, uint32_t kernel, qe__case_text_fn emit, void *emit_arg) {
  const qe__engine_source *s = arg;
  const qe_kernel *row = &s->loaded->kernels[kernel].row;
  char op[sizeof row->key.op + 1];
  snprintf(op, sizeof op, "%.*s", (int)sizeof row->key.op, row->key.op);
  if (s->op != NULL && fnmatch(s->op, op, 0) != 0) return QE_OK;
  if (s->names != NULL && fnmatch(s->names, row->name, 0) != 0) return QE_OK;
  if (s->kernel != NULL && strcmp(s->kernel, row->name) != 0) return QE_OK;
  relay r = {emit, emit_arg};
  if (s->n_cases > 0) return given_cases(s, row, &r);
  return qe__suite_cases(s->suite, row, relay_case, &r);
}

static qe_status_t run_case(void *arg, uint32_t kernel, const char *text, qe__case_result *out) {
  const qe__engine_source *s = arg;
  const qe__conform_options options = {.seed = s->seed,
                                       .against = s->oracle,
                                       .memory = true,
                                       .determinism = true,
                                       .properties = true,
                                       .registers = true,
                                       .n_replays = s->n_replays,
                                       .replays = s->replays};
  qe__case c;
  QE_TRY(qe__case_parse(text, &c));
  return qe__conform_case(&s->loaded->kernels[kernel], &c, &options, out);
}

void qe__engine_source_init(qe__engine_source *from, qe__conform_source *to) {
  *to = (qe__conform_source){from, open_engine, kernel_facts, kernel_cases, run_case};
}
