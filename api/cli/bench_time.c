/* Timing of `qengine bench`: see bench.h. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bench.h"
#include "feed.h"

enum { LEAST_RUNS = 5, MOST_RUNS = 1 << 20, PROFILE_RUNS = 10 };
static const double TURN_MS = 20.0; /* one case at a stretch: long enough to have the caches to itself */

static double cpu_now(void) {
  struct timespec t;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static qe_status_t run_once(qe_session_t *session, const bench_case *c) {
  qe_named_tensor_t outputs[16];
  const uint32_t n = qe_model_output_count(c->graph);
  const uint32_t wanted = n < 16 ? n : 16;
  memset(outputs, 0, sizeof outputs);
  const qe_status_t status = qe_session_run(session, qe_model_input_count(c->graph), c->inputs, wanted, outputs);
  for (uint32_t i = 0; i < wanted; i++) qe_tensor_release(&outputs[i].tensor);
  return status;
}

static qe_session_options_t options_of(const bench_case *c) {
  qe_session_options_t o = cli_session_options();
  if (c->engine) o.engine = c->engine;
  return o;
}

int bench_open(bench_case *c) {
  const qe_session_options_t o = options_of(c);
  double start = cli_now();
  qe_status_t status = qe_session_create(c->graph, &o, &c->session);
  if (status == QE_OK) status = qe_session_plan(c->session, qe_model_input_count(c->graph), c->inputs);
  c->plan_ms = (cli_now() - start) * 1e3;
  start = cli_now();
  if (status == QE_OK) status = run_once(c->session, c);
  c->first_ms = (cli_now() - start) * 1e3;
  c->stats.struct_size = sizeof c->stats;
  if (status == QE_OK) status = qe_session_get_stats(c->session, &c->stats);
  for (uint32_t i = 0; status == QE_OK && i < c->stats.steps; i++) {
    qe_step_info_t step;
    if (qe_session_step(c->session, i, &step) != QE_OK) continue;
    c->macs += step.macs;
    if (step.quantized) c->int8_macs += step.macs;
  }
  return status == QE_OK ? CLI_OK : cli_fail(status, "%s", c->name);
}

static int timed_run(bench_case *c) {
  if (c->runs == c->capacity) {
    c->capacity = c->capacity ? 2 * c->capacity : 64;
    c->ms = cli_realloc(c->ms, c->capacity, sizeof *c->ms);
    c->cpu_ms = cli_realloc(c->cpu_ms, c->capacity, sizeof *c->cpu_ms);
  }
  const double cpu = cpu_now(), start = cli_now();
  const qe_status_t status = run_once(c->session, c);
  const double stop = cli_now();
  if (status != QE_OK) return cli_fail(status, "%s", c->name);
  c->ms[c->runs] = (stop - start) * 1e3;
  c->cpu_ms[c->runs] = (cpu_now() - cpu) * 1e3;
  c->spent += stop - start;
  c->runs++;
  return CLI_OK;
}

static bool enough(const bench_case *c, const bench_settings *s) {
  if (s->repeat >= 0) return c->runs >= (size_t)s->repeat;
  return c->runs >= MOST_RUNS || (c->runs >= LEAST_RUNS && c->spent >= s->min_time);
}

int bench_time(bench_case *cases, size_t count, const bench_settings *s) {
  cli_progress progress;
  bool done = false;
  int code = CLI_OK;
  const double each_ms = s->min_time * 1e3;
  if (s->repeat >= 0) cli_progress_start(&progress, "timing", "runs", s->repeat * (int64_t)count);
  else cli_progress_start(&progress, "timing", "ms", (int64_t)(each_ms * (double)count));
  while (!done && !code) {
    int64_t progressed = 0;
    done = true;
    for (size_t i = 0; i < count && !code; i++) {
      bench_case *c = &cases[i];
      const double end = c->spent + TURN_MS * 1e-3;
      while (!code && !enough(c, s) && c->spent < end) {
        if (cli_interrupted()) code = CLI_INTERRUPTED;
        else code = timed_run(c);
      }
      progressed += s->repeat >= 0 ? (int64_t)c->runs : (int64_t)fmin(c->spent * 1e3, each_ms);
      done = done && enough(c, s);
    }
    cli_progress_update(&progress, progressed);
  }
  cli_progress_finish(&progress);
  if (code == CLI_INTERRUPTED) return cli_stop_interrupted();
  for (size_t i = 0; i < count && !code; i++) {
    cases[i].wall = cli_spread_of(cases[i].ms, cases[i].runs);
    cases[i].cpu = cli_spread_of(cases[i].cpu_ms, cases[i].runs);
  }
  return code;
}

/* ---- steps ---- */

static void describe_steps(bench_case *c, const qe_session_t *session) {
  c->n_steps = qe_session_step_count(session);
  c->steps = cli_calloc(c->n_steps, sizeof *c->steps);
  for (uint32_t i = 0; i < c->n_steps; i++) {
    qe_step_info_t info;
    bench_step *step = &c->steps[i];
    if (qe_session_step(session, i, &info) != QE_OK) memset(&info, 0, sizeof info);
    *step = (bench_step){ .node = cli_format("%s", info.node ? info.node : ""),
                          .op = cli_format("%s", info.op ? info.op : ""),
                          .engine = cli_format("%s", info.engine ? info.engine : ""),
                          .kernel = cli_format("%s", info.kernel ? info.kernel : ""),
                          .types = cli_format("%s", info.dtypes ? info.dtypes : ""),
                          .ms = INFINITY,
                          .macs = info.macs,
                          .quantized = info.quantized,
                          .fallback = info.fallback };
  }
}

int bench_profile(bench_case *c, const bench_settings *s) {
  qe_session_options_t o = options_of(c);
  qe_session_t *session = NULL;
  o.profile = 1;
  const int64_t least = s->repeat > 0 && s->repeat < PROFILE_RUNS ? s->repeat : PROFILE_RUNS;
  const double start = cli_now();
  qe_status_t status = qe_session_create(c->graph, &o, &session);
  if (status == QE_OK) status = run_once(session, c);
  if (status == QE_OK) describe_steps(c, session);
  double *before = cli_calloc(c->n_steps + 1, sizeof *before);
  for (int64_t r = 0; status == QE_OK && (r < least || (s->repeat < 0 && cli_now() - start < s->min_time)); r++) {
    for (uint32_t i = 0; r == 0 && i < c->n_steps; i++) {
      qe_step_info_t info;
      if (qe_session_step(session, i, &info) == QE_OK) before[i] = info.milliseconds;
    }
    if (cli_interrupted()) break;
    status = run_once(session, c);
    for (uint32_t i = 0; status == QE_OK && i < c->n_steps; i++) {
      qe_step_info_t info;
      if (qe_session_step(session, i, &info) != QE_OK) continue;
      c->steps[i].ms = fmin(c->steps[i].ms, info.milliseconds - before[i]);
      before[i] = info.milliseconds;
    }
  }
  free(before);
  qe_session_destroy(&session);
  if (status != QE_OK) return cli_fail(status, "%s", c->name);
  return cli_interrupted() ? cli_stop_interrupted() : CLI_OK;
}

void bench_close(bench_case *c) {
  for (uint32_t i = 0; i < c->n_steps; i++) {
    bench_step *s = &c->steps[i];
    free(s->node);
    free(s->op);
    free(s->engine);
    free(s->kernel);
    free(s->types);
  }
  free(c->steps);
  free(c->ms);
  free(c->cpu_ms);
  free(c->name);
  qe_session_destroy(&c->session);
  free(c->engine);
  cli_zero_release(c->graph, &c->inputs);
}
