/* The report as JSON: one summary object, or JSON Lines with one object for each case and the summary last. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/sha256.h"
#include "conform/report_json.h"

enum { SCHEMA = 1, FAILURES_IN_SUMMARY = 100 };

static qe_status_t no_memory(void) {
  return qe__fail(QE_ERROR_OUT_OF_MEMORY, "out of memory while writing JSON");
}

static json_t *level(int value) {
  return value >= 0 ? json_string(qe__level_text(value)) : json_null();
}
static json_t *real(double value) {
  return isfinite(value) ? json_real(value) : json_null();
}

json_t *qe__json_counts(const qe_conform_counts_t *c) {
  return json_pack("{s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I}", "cases", (json_int_t)c->cases, "passed",
                   (json_int_t)c->passed, "failed", (json_int_t)c->failed, "unsupported", (json_int_t)c->unsupported,
                   "mistrusted", (json_int_t)c->mistrusted, "crashed", (json_int_t)c->crashed, "timeout",
                   (json_int_t)c->timeout, "waived", (json_int_t)c->waived, "refused", (json_int_t)c->refused,
                   "not_run", (json_int_t)c->not_run);
}

json_t *qe__json_case(const qe_conform_report_t *r, const qe_conform_case_t *c) {
  const qe_conform_kernel_t *k = &r->kernels[c->kernel];
  json_t *object =
      json_pack("{s:i,s:s,s:s,s:s,s:s,s:s,s:b,s:o,s:I,s:I,s:o,s:o}", "schema_version", SCHEMA, "type", "case", "case",
                c->text, "kernel", k->name, "op", k->op, "verdict", qe_conform_verdict_name(c->verdict), "must",
                c->must, "level", level(c->level), "elements", (json_int_t)c->elements, "wrong", (json_int_t)c->wrong,
                "worst", real(c->worst), "seconds", real(c->seconds));
  const struct {
    const char *key, *text;
  } texts[] = {
      {"isa_mask",       k->isa_mask      },
      {"check",          c->check         },
      {"detail",         c->detail        },
      {"waiver",         c->waiver        },
      {"minimal",        c->minimal       },
      {"minimal_detail", c->minimal_detail}
  };
  for (size_t i = 0; object != NULL && i < sizeof texts / sizeof texts[0]; i++) {
    if (texts[i].text[0] == '\0' || json_object_set_new(object, texts[i].key, json_string(texts[i].text)) == 0)
      continue;
    json_decref(object);
    object = NULL;
  }
  return object;
}

static json_t *kernels(const qe_conform_report_t *r) {
  json_t *list = json_array();
  for (size_t i = 0; list != NULL && i < r->n_kernels; i++) {
    const qe_conform_kernel_t *k = &r->kernels[i];
    if (k->counts.cases == 0 && r->info.filter[0] != '\0') continue;
    json_t *row = qe__json_counts(&k->counts);
    const bool good = row != NULL && json_object_set_new(row, "name", json_string(k->name)) == 0 &&
                      json_object_set_new(row, "op", json_string(k->op)) == 0 &&
                      json_object_set_new(row, "dtypes", json_string(k->dtypes)) == 0 &&
                      json_object_set_new(row, "isa_mask", json_string(k->isa_mask)) == 0 &&
                      json_object_set_new(row, "claimed", level(k->claimed)) == 0 &&
                      json_object_set_new(row, "observed", level(k->observed)) == 0;
    if (!good) json_decref(row);
    if (!good || json_array_append_new(list, row) != 0) {
      json_decref(list);
      return NULL;
    }
  }
  return list;
}

static json_t *failures(const qe_conform_report_t *r) {
  json_t *list = json_array();
  for (size_t i = 0; list != NULL && i < r->n_records && json_array_size(list) < FAILURES_IN_SUMMARY; i++) {
    if (!qe_conform_verdict_is_bad(r->records[i].c.verdict)) continue;
    if (json_array_append_new(list, qe__json_case(r, &r->records[i].c)) == 0) continue;
    json_decref(list);
    return NULL;
  }
  return list;
}

static json_t *times(const qe_conform_report_t *r) {
  json_t *list = json_array();
  for (size_t i = 0; list != NULL && i < r->n_times; i++) {
    const qe_conform_time_t *t = &r->times[i];
    const double seconds = t->min_ns * 1e-9;
    json_t *row =
        json_pack("{s:s,s:s,s:o,s:o,s:I,s:I,s:o,s:o,s:o,s:o,s:s,s:o}", "kernel", r->kernels[t->kernel].name, "case",
                  t->text, "min_ns", real(t->min_ns), "median_ns", real(t->median_ns), "macs", (json_int_t)t->macs,
                  "bytes", (json_int_t)t->bytes, "gmac_per_s", real((double)t->macs * 1e-9 / seconds), "gb_per_s",
                  real((double)t->bytes * 1e-9 / seconds), "speed_to_reference",
                  t->reference_ratio > 0.0 ? real(t->reference_ratio) : json_null(), "speed_to_best_other",
                  t->best_ratio > 0.0 ? real(t->best_ratio) : json_null(), "best_other", t->best_engine,
                  "peak_share", t->peak_share > 0.0 ? real(t->peak_share) : json_null());
    if (json_array_append_new(list, row) == 0) continue;
    json_decref(list);
    return NULL;
  }
  return list;
}

static json_t *problems(const qe_conform_report_t *r) {
  json_t *list = json_array();
  for (size_t i = 0; list != NULL && i < r->n_problems; i++) {
    if (json_array_append_new(list, json_string(r->problems[i])) == 0) continue;
    json_decref(list);
    return NULL;
  }
  return list;
}

static json_t *summary(const qe_conform_report_t *r) {
  const qe_conform_info_t *i = &r->info;
  char abi[32];
  snprintf(abi, sizeof abi, "%u.%u", i->abi_major, i->abi_minor);
  json_t *object = json_pack("{s:i,s:s,s:s,s:s,s:s,s:s,s:s,s:s,s:s,s:s,s:s,s:s,s:I,s:s,s:i,s:o}", "schema_version",
                             SCHEMA, "type", "summary", "engine", i->engine, "vendor", i->vendor, "version", i->version,
                             "path", i->path, "sha256", i->sha256, "abi", abi, "host_version", qe_version(), "suite",
                             i->suite, "filter", i->filter, "against", i->against, "seed", (json_int_t)i->seed, "isa",
                             i->isa, "cores", (int)i->cores, "seconds", real(i->seconds));
  const bool good =
      object != NULL && json_object_set_new(object, "must_pass_hash", json_string(i->must_pass_hash)) == 0 &&
      json_object_set_new(object, "verdict", json_string(i->conforms ? "conforms" : "does not conform")) == 0 &&
      json_object_set_new(object, "conforms", json_boolean(i->conforms)) == 0 &&
      json_object_set_new(object, "why", json_string(i->why)) == 0 &&
      json_object_set_new(object, "totals", qe__json_counts(&i->totals)) == 0 &&
      json_object_set_new(object, "kernels", kernels(r)) == 0 &&
      json_object_set_new(object, "failures", failures(r)) == 0 &&
      json_object_set_new(object, "times", times(r)) == 0 &&
      json_object_set_new(object, "waiver_problems", problems(r)) == 0;
  if (good) return object;
  json_decref(object);
  return NULL;
}

static qe_status_t dump(FILE *f, json_t *object, size_t flags) {
  const bool good =
      object != NULL && json_dumpf(object, f, flags | JSON_REAL_PRECISION(9)) == 0 && fputc('\n', f) != EOF;
  json_decref(object);
  return good ? QE_OK : no_memory();
}

static qe_status_t write_text(const qe_conform_report_t *r, bool lines, char **text) {
  char *buffer = NULL;
  size_t size;
  FILE *f = open_memstream(&buffer, &size);
  if (f == NULL) return no_memory();
  qe_status_t status = QE_OK;
  for (size_t i = 0; lines && status == QE_OK && i < r->n_records; i++)
    status = dump(f, qe__json_case(r, &r->records[i].c), JSON_COMPACT);
  if (status == QE_OK) status = dump(f, summary(r), lines ? JSON_COMPACT : JSON_INDENT(2));
  const qe_status_t closed = qe__finish_text(f, &buffer, text);
  if (status == QE_OK) return closed;
  if (closed == QE_OK) free(*text);
  *text = NULL;
  return status;
}

qe_status_t qe_conform_json(const qe_conform_report_t *report, char **text) {
  QE_CHECK_ARG(text != NULL, "text is NULL");
  *text = NULL;
  QE_CHECK_ARG(report != NULL, "report is NULL");
  return write_text(report, false, text);
}

qe_status_t qe_conform_json_lines(const qe_conform_report_t *report, char **text) {
  QE_CHECK_ARG(text != NULL, "text is NULL");
  *text = NULL;
  QE_CHECK_ARG(report != NULL, "report is NULL");
  return write_text(report, true, text);
}

qe_status_t qe__json_digest(const json_t *object, char out[65]) {
  uint8_t hash[32];
  char *text = json_dumps(object, JSON_COMPACT | JSON_SORT_KEYS | JSON_ENSURE_ASCII | JSON_REAL_PRECISION(17));
  if (text == NULL) return no_memory();
  qe__sha256(text, strlen(text), hash);
  qe__sha256_text(hash, out);
  free(text);
  return QE_OK;
}
