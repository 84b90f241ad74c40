/* What `qengine bench` times: the models, in every flow, on every engine. See bench.h. */
#include <stdlib.h>
#include <string.h>

#include "bench.h"
#include "flows.h"
#include "ptq.h"

enum { CALIBRATION_BATCHES = 4 };

/* A float model and what is made of it. */
typedef struct source {
  const char *name;    /* file or architecture */
  qe_model_t *model;
  int64_t batch, ids;
  double load_ms;
} source;

/* Adds the model to the cases, once for each engine, and takes it over. */
static int add_cases(const bench_wanted *w, bench_rows *rows, const source *s, qe_model_t *graph, const char *flow,
                     double load_ms) {
  rows->models = cli_realloc(rows->models, rows->n_models + 1, sizeof *rows->models);
  rows->models[rows->n_models++] = graph;
  for (const char *engine = w->engines ? w->engines : ""; engine;) {
    const size_t length = strcspn(engine, ",");
    if (rows->n_cases == BENCH_MOST_CASES)
      return cli_usage("more than %d models, flows and engines", BENCH_MOST_CASES);
    bench_case *c = &rows->cases[rows->n_cases++];
    *c = (bench_case){ .graph = graph, .model = s->name, .flow = flow, .batch = s->batch, .load_ms = load_ms };
    c->name = flow ? cli_format("%s/%s", s->name, flow) : cli_format("%s", s->name);
    if (length) c->engine = cli_format("%.*s", (int)length, engine);
    const int code = cli_random_inputs(graph, s->batch, NULL, s->ids, w->options.seed + 1, &c->inputs);
    if (code) return code;
    engine = engine[length] ? engine + length + 1 : NULL;
  }
  return CLI_OK;
}

static int quantize(const bench_wanted *w, const source *s, int flow, qe_model_t **out) {
  qe_qconfig_mapping_t *mapping = NULL;
  cli_batches data = { 0 };
  const bool dynamic = flow == BENCH_DYNAMIC;
  int code = cli_load_mapping(w->qconfig ? w->qconfig : dynamic ? "dynamic" : NULL, &mapping);
  if (!code && dynamic) {
    const qe_status_t status = qe_quantize_dynamic(s->model, mapping, out, NULL);
    if (status != QE_OK) code = cli_fail(status, "%s", s->name);
  } else if (!code) {
    code = cli_random_batches(s->model, s->batch, NULL, s->ids, w->options.seed + 2, CALIBRATION_BATCHES, &data);
    if (!code) code = cli_static_flow(s->model, mapping, &data, data.count, false, s->name, out);
    cli_batches_free(s->model, &data);
  }
  qe_qconfig_mapping_destroy(&mapping);
  return code;
}

static int save(const bench_wanted *w, const qe_model_t *model) {
  const qe_status_t status = qe_model_save(model, w->save, QE_FORMAT_QDQ, w->force);
  return status == QE_OK ? CLI_OK : cli_fail(status, "--save %s", w->save);
}

/* The flows' models are made before any goes into a row, which takes it over; --save gets the last one. */
static int add_flows(const bench_wanted *w, bench_rows *rows, source *s) {
  static const char *const names[] = { "float", "static", "dynamic" };
  qe_model_t *made[3] = { s->model };
  double ms[3] = { s->load_ms };
  qe_status_t status = qe_fuse(s->model); /* float is measured folded too */
  int code = status == QE_OK ? CLI_OK : cli_fail(status, "%s", s->name), last = 0;
  for (int flow = BENCH_STATIC; flow <= BENCH_DYNAMIC && !code; flow++) {
    if (!(w->flows & 1u << flow)) continue;
    const double start = cli_now();
    code = quantize(w, s, flow, &made[flow]);
    ms[flow] = s->load_ms + (cli_now() - start) * 1e3;
    last = flow;
  }
  if (!code && w->save) code = save(w, made[last]);
  for (int flow = 0; flow < 3; flow++) {
    if (!made[flow]) continue;
    if (code || w->untimed) qe_model_destroy(&made[flow]);
    else code = add_cases(w, rows, s, made[flow], names[flow], ms[flow]);
  }
  return code;
}

int bench_add_arch(const bench_wanted *w, bench_rows *rows) {
  arch_options o = w->options;
  if (!o.batch) o.batch = 1;
  source s = { .name = w->arch->name, .batch = o.batch, .ids = w->arch->ids };
  const double start = cli_now();
  const int code = arch_build(w->arch, &o, &s.model);
  s.load_ms = (cli_now() - start) * 1e3;
  return code ? code : add_flows(w, rows, &s);
}

int bench_add_file(const bench_wanted *w, bench_rows *rows, const char *path) {
  source s = { .name = path };
  const double start = cli_now();
  int code = cli_load_model(path, &s.model);
  if (code) return code;
  s.load_ms = (cli_now() - start) * 1e3;
  code = cli_check_batch(s.model, path, w->options.batch, &s.batch);
  if (code) {
    qe_model_destroy(&s.model);
    return code;
  }
  if (!s.batch) s.batch = w->options.batch ? w->options.batch : 1;
  return w->flows ? add_flows(w, rows, &s) : add_cases(w, rows, &s, s.model, NULL, s.load_ms);
}

void bench_rows_close(bench_rows *rows) {
  for (size_t i = 0; i < rows->n_cases; i++) bench_close(&rows->cases[i]);
  for (size_t i = 0; i < rows->n_models; i++) qe_model_destroy(&rows->models[i]);
  free(rows->models);
}
