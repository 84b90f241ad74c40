/*
 * From measurements to advice. First what the layers are for: the share of the float time that each flow turns into
 * work on codes. Then quality: layers that cost most of it are kept out until the outputs are good enough. Last time:
 * what is not faster is not worth it. Shares and ratios are compared with wide margins, so that a busy machine does not
 * change the advice.
 */
#include <math.h>
#include <stdlib.h>

#include <sleef.h>

#include "advise.h"

static const double LEAST_SHARE = 0.10; /* of the float time: less is not worth a flow */
static const double MIX_SHARE = 0.15;   /* that a second flow must add */
static const double AS_MUCH = 0.75; /* dynamic covering this much of what static covers is preferred: no data needed */
static const double BETTER = 2.0;   /* dB that make the dynamic flow worth it for one layer */
static const double MOST_KEPT = 1.0 / 3.0; /* kept float for quality */

static const double FASTER = 1.25; /* times as fast as the dynamic flow: the static flow is worth a word */
static const double SLOWER = 2.0;  /* times another flow's time: a layer of LEAST_LAYER of the time leaves its flow */
static const double LEAST_LAYER = 0.05;

enum { MOST_TRIES = 8 };

const char *advise_verdict_name(advise_verdict verdict) {
  static const char *const names[] = { "float", "static", "dynamic", "mixed", "qat" };
  return names[verdict];
}

static advise_verdict suits(const advice *a) {
  const double s = a->flows[ADVISE_STATIC].coverage, d = a->flows[ADVISE_DYNAMIC].coverage, most = s > d ? s : d;
  double either = 0.0;
  for (size_t i = 0; i < a->n_layers; i++)
    if (a->layers[i].covered[ADVISE_STATIC] || a->layers[i].covered[ADVISE_DYNAMIC]) either += a->layers[i].share;
  if (most < LEAST_SHARE) return ADVISE_STAY_FLOAT;
  if (either >= most + MIX_SHARE) return ADVISE_MIX;
  return d >= AS_MUCH * s ? ADVISE_USE_DYNAMIC : ADVISE_USE_STATIC;
}

/* Without an integer kernel, say, the static flow can be slower than the others: the layer's better flow. */
static int faster_than_static(const advise_layer *l) {
  const double least = l->ms[ADVISE_STATIC] / SLOWER;
  if (l->share < LEAST_LAYER) return ADVISE_STATIC;
  if (l->covered[ADVISE_DYNAMIC] && l->ms[ADVISE_DYNAMIC] < least) return ADVISE_DYNAMIC;
  return l->ms[ADVISE_FLOAT] < least ? ADVISE_FLOAT : ADVISE_STATIC;
}

/* Every layer gets its part of the flow that suits the model. */
static void assign(advice *a) {
  for (size_t i = 0; i < a->n_layers; i++) {
    advise_layer *l = &a->layers[i];
    l->choice = ADVISE_FLOAT;
    if (a->suits != ADVISE_USE_DYNAMIC && a->suits != ADVISE_STAY_FLOAT && l->covered[ADVISE_STATIC])
      l->choice = faster_than_static(l);
    else if (a->suits != ADVISE_USE_STATIC && a->suits != ADVISE_STAY_FLOAT && l->covered[ADVISE_DYNAMIC])
      l->choice = ADVISE_DYNAMIC;
  }
}

/* ---- quality ---- */

/* Makes the model of the choices, and says how good its outputs are. */
static int try_choices(advice *a, qe_model_t **model) {
  qe_qconfig_mapping_destroy(&a->mapping);
  qe_model_destroy(model);
  int code = advise_mapping(a, &a->mapping);
  cli_messages_hold(true);
  if (!code) code = advise_make(a, a->mapping, a->by_dynamic_flow, a->data.count, model);
  if (!code) code = advise_sqnr(a, *model, a->data.count, &a->sqnr);
  cli_messages_hold(false);
  if (!code) a->parameter_bytes = qe_model_parameter_bytes(*model);
  return code;
}

/* Noise in units of the signal. */
static double decibels(double sqnr) {
  return Sleef_cinz_powd1_u10purec(10.0, -0.1 * sqnr);
}

/* Of a layer alone. */
static double noise(const advise_layer *l) {
  const double sqnr = l->choice == ADVISE_FLOAT ? NAN : l->sqnr[l->choice];
  return isfinite(sqnr) ? decibels(sqnr) : 0.0;
}

/* The layer that costs most leaves its flow: for the dynamic one where that is better, else (or next time) for float.
 */
static bool keep_out_worst(advice *a) {
  advise_layer *worst = NULL;
  for (size_t i = 0; i < a->n_layers; i++)
    if (noise(&a->layers[i]) > (worst ? noise(worst) : 0.0)) worst = &a->layers[i];
  if (!worst) return false;
  const bool better = worst->choice == ADVISE_STATIC && worst->covered[ADVISE_DYNAMIC] &&
                      worst->sqnr[ADVISE_DYNAMIC] >= worst->sqnr[ADVISE_STATIC] + BETTER;
  worst->choice = better ? ADVISE_DYNAMIC : ADVISE_FLOAT;
  worst->sensitive = true;
  return true;
}

static double total_noise(const advice *a) {
  double all = 0.0;
  for (size_t i = 0; i < a->n_layers; i++) all += noise(&a->layers[i]);
  return all;
}

/* What quality takes away from the flows: share of the float time or of the multiply-adds, whichever is more. */
static double kept_float(const advice *a) {
  double time = 0.0, macs = 0.0, all = 0.0;
  for (size_t i = 0; i < a->n_layers; i++) {
    const advise_layer *l = &a->layers[i];
    const bool kept = l->sensitive && l->choice == ADVISE_FLOAT;
    all += (double)l->macs;
    macs += kept ? (double)l->macs : 0.0;
    time += kept ? l->share : 0.0;
  }
  return all > 0.0 && macs / all > time ? macs / all : time;
}

/* Keeps layers out until the outputs are good enough: by what each costs alone, then by what is measured. */
static int improve(advice *a, qe_model_t **model, bool *good) {
  int code = CLI_OK;
  for (int i = 0; i < MOST_TRIES && !code && !(a->sqnr >= a->min_sqnr); i++) {
    const double ratio = isnan(a->sqnr) ? 0.0 : decibels(a->min_sqnr - a->sqnr);
    const double aim = 0.95 * ratio * total_noise(a);
    bool any = false;
    while (total_noise(a) > aim && kept_float(a) <= MOST_KEPT && keep_out_worst(a)) any = true;
    if (!any || kept_float(a) > MOST_KEPT) break;
    code = try_choices(a, model);
  }
  *good = a->sqnr >= a->min_sqnr && kept_float(a) <= MOST_KEPT;
  return code;
}

/* ---- the verdict ---- */

static void fall_back(advice *a) {
  const advise_flow *d = &a->flows[ADVISE_DYNAMIC];
  for (size_t i = 0; i < a->n_layers; i++) a->layers[i].sensitive = false;
  if (a->suits != ADVISE_USE_DYNAMIC && d->coverage >= LEAST_SHARE && d->sqnr >= a->min_sqnr &&
      d->gain >= ADVISE_PAYS) {
    advise_reason(
        a,
        "the static flow leaves %.1f dB at the outputs, less than %.1f, and too many layers share the blame; the "
        "dynamic flow leaves %.1f dB",
        a->flows[ADVISE_STATIC].sqnr, a->min_sqnr, d->sqnr);
    a->suits = a->verdict = ADVISE_USE_DYNAMIC;
    return;
  }
  const double sqnr = a->flows[a->suits == ADVISE_USE_DYNAMIC ? ADVISE_DYNAMIC : ADVISE_STATIC].sqnr;
  advise_reason(
      a,
      "quantization leaves %.1f dB at the outputs, less than %.1f, and keeping up to %.0f %% of the work out of it "
      "does not help enough: train with quantization (QAT), then convert",
      sqnr, a->min_sqnr, 100.0 * MOST_KEPT);
  a->verdict = ADVISE_TRAIN;
}

static int judge_quality(advice *a, qe_model_t **model) {
  bool good = false;
  int code = try_choices(a, model);
  if (!code) code = improve(a, model, &good);
  if (code) return code;
  size_t kept = 0, moved = 0;
  for (size_t i = 0; i < a->n_layers; i++) {
    const advise_layer *l = &a->layers[i];
    kept += l->sensitive;
    moved += !l->sensitive && l->covered[ADVISE_STATIC] && l->choice != ADVISE_STATIC && a->suits == ADVISE_USE_STATIC;
  }
  a->verdict = kept || moved ? ADVISE_MIX : a->suits;
  if (moved)
    advise_reason(a, "%zu layers leave the static flow, where they are more than %g times slower", moved, SLOWER);
  if (good && kept)
    advise_reason(
        a,
        "%zu sensitive layers stay out of the flow: with them the outputs have %.1f dB, without %.1f (%.1f are wanted)",
        kept, a->flows[a->by_dynamic_flow ? ADVISE_DYNAMIC : ADVISE_STATIC].sqnr, a->sqnr, a->min_sqnr);
  if (good) return CLI_OK;
  fall_back(a);
  a->by_dynamic_flow = a->suits == ADVISE_USE_DYNAMIC;
  assign(a);
  return try_choices(a, model);
}

static int judge_time(advice *a, const qe_model_t *model) {
  if (a->verdict == ADVISE_USE_STATIC || a->verdict == ADVISE_USE_DYNAMIC) {
    a->gain = a->flows[a->by_dynamic_flow ? ADVISE_DYNAMIC : ADVISE_STATIC].gain;
  } else {
    cli_messages_hold(true);
    const int code = advise_measure_gain(a, model, &a->gain);
    cli_messages_hold(false);
    if (code) return code;
  }
  if (a->gain >= ADVISE_PAYS) {
    const advise_flow *s = &a->flows[ADVISE_STATIC];
    advise_reason(a, "measured: %.2f times the speed of float, %.1f dB at the outputs", a->gain, a->sqnr);
    if (a->by_dynamic_flow && s->gain >= FASTER * a->gain && s->sqnr >= a->min_sqnr)
      advise_reason(a,
                    "if calibration data is at hand, the static flow has %.2f times the speed of float, with %.1f dB",
                    s->gain, s->sqnr);
    return CLI_OK;
  }
  const qe_session_stats_t *stats = &a->cases[a->by_dynamic_flow ? ADVISE_DYNAMIC : ADVISE_STATIC].stats;
  advise_reason(
      a,
      "nothing to gain in time: measured, it has %.2f times the speed of float on this engine; weights would take "
      "%.2f times less space",
      a->gain, (double)qe_model_parameter_bytes(a->flows[ADVISE_FLOAT].model) / (double)a->parameter_bytes);
  if (stats->fallback_steps)
    advise_reason(a, "%u steps of the %s flow have no kernel on the engine '%s' and fall back to another one",
                  stats->fallback_steps, a->by_dynamic_flow ? "dynamic" : "static",
                  stats->engine ? stats->engine : "none");
  a->verdict = ADVISE_STAY_FLOAT;
  return CLI_OK;
}

/* Nothing is quantized. What was measured of the flow that suits stays, to say why. */
static int stay_float(advice *a) {
  qe_qconfig_mapping_destroy(&a->mapping);
  for (size_t i = 0; i < a->n_layers; i++) {
    a->layers[i].choice = ADVISE_FLOAT;
    a->layers[i].sensitive = false;
  }
  const qe_status_t status = qe_qconfig_mapping_create(NULL, &a->mapping);
  return status == QE_OK ? CLI_OK : cli_fail(status, "%s", a->path);
}

int advise_choose(advice *a) {
  qe_model_t *model = NULL;
  a->suits = a->verdict = suits(a);
  a->by_dynamic_flow = a->suits == ADVISE_USE_DYNAMIC;
  a->gain = 1.0;
  a->sqnr = CLI_SQNR_MOST;
  a->parameter_bytes = qe_model_parameter_bytes(a->flows[ADVISE_FLOAT].model);
  assign(a);
  advise_explain_suits(a);
  int code = CLI_OK;
  if (a->suits != ADVISE_STAY_FLOAT) {
    code = judge_quality(a, &model);
    if (!code) code = judge_time(a, model);
  }
  qe_model_destroy(&model);
  return code || a->verdict != ADVISE_STAY_FLOAT ? code : stay_float(a);
}
