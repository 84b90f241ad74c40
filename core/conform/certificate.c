/*
 * Certificates: what ran, on what, with which result, and a digest over all of it. A certificate is no signature; it is
 * worth what running it again says, which is what verifying does.
 */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/file.h"
#include "base/memory.h"
#include "conform/report_json.h"
#include "conform/run_internal.h"

enum { SCHEMA = 1, LARGEST_FILE = 4 << 20 };
static const char kind[] = "qengine conformance certificate";

static qe_status_t no_memory(void) {
  return qe__fail(QE_ERROR_OUT_OF_MEMORY, "out of memory while writing a certificate");
}

static json_t *kernel_rows(const qe_conform_report_t *r) {
  json_t *list = json_array();
  for (size_t i = 0; list != NULL && i < r->n_kernels; i++) {
    const qe_conform_kernel_t *k = &r->kernels[i];
    json_t *row =
        json_pack("{s:s,s:s,s:s,s:s,s:s,s:s,s:I,s:I}", "name", k->name, "op", k->op, "dtypes", k->dtypes, "isa_mask",
                  k->isa_mask, "claimed", qe__level_text(k->claimed), "observed", qe__level_text(k->observed), "cases",
                  (json_int_t)k->counts.cases, "passed", (json_int_t)k->counts.passed);
    if (json_array_append_new(list, row) == 0) continue;
    json_decref(list);
    return NULL;
  }
  return list;
}

static json_t *content(const qe_conform_report_t *r) {
  const qe_conform_info_t *i = &r->info;
  char abi[32], seed[24], date[32];
  const time_t now = time(NULL);
  struct tm day;
  gmtime_r(&now, &day);
  strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%SZ", &day);
  snprintf(abi, sizeof abi, "%u.%u", i->abi_major, i->abi_minor);
  snprintf(seed, sizeof seed, "%llu", (unsigned long long)i->seed);
  return json_pack("{s:i,s:s,s:s,s:s,s:s,s:{s:s,s:s},s:s,s:s,s:s,s:s,s:s,s:{s:s,s:i},s:s,s:s,s:o,s:o}",
                   "schema_version", SCHEMA, "kind", kind, "engine", i->engine, "vendor", i->vendor, "version",
                   i->version, "plugin", "file", strrchr(i->path, '/') != NULL ? strrchr(i->path, '/') + 1 : i->path,
                   "sha256", i->sha256, "abi", abi, "host_version", qe_version(), "must_pass_hash", i->must_pass_hash,
                   "suite", i->suite, "against", i->against, "cpu", "isa", i->isa, "cores", (int)i->cores, "seed", seed,
                   "date", date, "counts", qe__json_counts(&i->totals), "kernels", kernel_rows(r));
}

qe_status_t qe_conform_certificate(const qe_conform_report_t *r, char **text) {
  QE_CHECK_ARG(text != NULL, "text is NULL");
  *text = NULL;
  QE_CHECK_ARG(r != NULL, "report is NULL");
  if (!r->info.conforms)
    return qe__fail(QE_ERROR_STATE, "no certificate: the engine does not conform (%s)", r->info.why);
  if (r->info.sha256[0] == '\0')
    return qe__fail(QE_ERROR_STATE, "no certificate: engine '%s' is part of the library; one is for a plugin's file", r->info.engine);
  if (r->info.filter[0] != '\0')
    return qe__fail(QE_ERROR_STATE, "no certificate: only a part ran (%s); a certificate needs a whole suite",
                    r->info.filter);
  char digest[65];
  json_t *object = content(r);
  if (object == NULL) return no_memory();
  qe_status_t status = qe__json_digest(object, digest);
  if (status == QE_OK && json_object_set_new(object, "digest", json_string(digest)) != 0) status = no_memory();
  char *dumped = status == QE_OK ? json_dumps(object, JSON_INDENT(2)) : NULL;
  json_decref(object);
  if (status != QE_OK) return status;
  *text = dumped != NULL ? qe__format("%s\n", dumped) : NULL;
  free(dumped);
  return *text != NULL ? QE_OK : no_memory();
}

/* ---- verifying ---- */

static const char *text_of(const json_t *object, const char *key) {
  const char *text = json_string_value(json_object_get(object, key));
  return text != NULL ? text : "";
}

static qe_status_t load(const char *path, json_t **out) {
  void *data;
  size_t size;
  json_error_t error;
  *out = NULL;
  QE_TRY(qe__read_file(path, LARGEST_FILE, &data, &size));
  json_t *root = json_loadb(data, size, JSON_REJECT_DUPLICATES, &error);
  qe__free_aligned(data);
  if (root == NULL) return qe__fail(QE_ERROR_FORMAT, "%s:%d: %s", path, error.line, error.text);
  *out = root;
  if (strcmp(text_of(root, "kind"), kind) != 0) return qe__fail(QE_ERROR_FORMAT, "%s is no %s", path, kind);
  if (json_integer_value(json_object_get(root, "schema_version")) != SCHEMA)
    return qe__fail(QE_ERROR_FORMAT, "%s has a schema_version other than %d", path, SCHEMA);
  return QE_OK;
}

/* Everything that can be told without running. *good false: the message says what is wrong. */
static qe_status_t check_content(json_t *root, const char *plugin, bool *good) {
  char digest[65], claimed[65], found[65], must[65];
  *good = false;
  snprintf(claimed, sizeof claimed, "%s", text_of(root, "digest"));
  json_object_del(root, "digest");
  QE_TRY(qe__json_digest(root, digest));
  if (strcmp(digest, claimed) != 0) {
    qe__fail(QE_ERROR_STATE, "the certificate was changed: its digest is %.64s, its content has %s",
             claimed[0] ? claimed : "missing", digest);
    return QE_OK;
  }
  QE_TRY(qe__file_digest(plugin, found));
  const char *wanted = text_of(json_object_get(root, "plugin"), "sha256");
  if (strcmp(found, wanted) != 0) {
    qe__fail(QE_ERROR_STATE, "%s is not the plugin that was certified: its SHA-256 is %s, the certificate has %s",
             plugin, found, wanted);
    return QE_OK;
  }
  qe__mustpass_hash(must);
  if (strcmp(must, text_of(root, "must_pass_hash")) != 0) {
    qe__fail(QE_ERROR_STATE,
             "the certificate is for another must-pass list (%.16s...; this one is %.16s...): certify again with this "
             "version",
             text_of(root, "must_pass_hash"), must);
    return QE_OK;
  }
  *good = true;
  return QE_OK;
}

static int level_of(const char *text) {
  return text[0] == 'E' && text[1] >= '0' && text[1] <= '4' ? text[1] - '0' : -1;
}

/* A kernel may not do worse than it was certified for. */
static qe_status_t compare_levels(const json_t *root, const qe_conform_report_t *r, bool *good) {
  const json_t *rows = json_object_get(root, "kernels");
  char abi[32];
  snprintf(abi, sizeof abi, "%u.%u", r->info.abi_major, r->info.abi_minor);
  *good = strcmp(abi, text_of(root, "abi")) == 0;
  if (!*good) qe__fail(QE_ERROR_STATE, "the plugin has ABI %s, the certificate %s", abi, text_of(root, "abi"));
  for (size_t i = 0; *good && i < json_array_size(rows); i++) {
    const json_t *row = json_array_get(rows, i);
    const int certified = level_of(text_of(row, "observed"));
    for (size_t k = 0; k < r->n_kernels; k++) {
      if (certified < 0 || strcmp(r->kernels[k].name, text_of(row, "name")) != 0 || r->kernels[k].observed <= certified)
        continue;
      *good = false;
      qe__fail(QE_ERROR_STATE, "kernel %s is at %s now, certified was E%d", r->kernels[k].name,
               qe__level_text(r->kernels[k].observed), certified);
    }
  }
  return QE_OK;
}

static qe_status_t verify(json_t *root, const char *plugin, const qe_conform_options_t *options, int *valid,
                          qe_conform_report_t **report) {
  bool good;
  QE_TRY(check_content(root, plugin, &good));
  if (!good) return QE_OK;
  qe__run_settings s;
  QE_TRY(qe__run_settings_init(plugin, options, &s));
  /* What chooses cases or kernels stays behind: a certificate speaks of all of them. */
  const qe_conform_options_t all = {
      .struct_size = sizeof all,
      .suite = QE_CONFORM_MUSTPASS,
      .against = text_of(root, "against")[0] != '\0' ? text_of(root, "against") : NULL,
      .seed = strtoull(text_of(root, "seed"), NULL, 10),
      .jobs = s.o.jobs,
      .timeout = s.o.timeout,
      .waivers = s.o.waivers,
      .progress = s.o.progress,
      .progress_arg = s.o.progress_arg,
  };
  QE_TRY(qe_conform_run(plugin, &all, report));
  if (!(*report)->info.conforms) {
    qe__fail(QE_ERROR_STATE, "the must-pass list no longer passes: %s", (*report)->info.why);
    return QE_OK;
  }
  QE_TRY(compare_levels(root, *report, &good));
  *valid = good;
  return QE_OK;
}

qe_status_t qe_conform_verify(const char *certificate, const char *plugin, const qe_conform_options_t *options,
                              int *valid, qe_conform_report_t **report) {
  QE_CHECK_ARG(valid != NULL && report != NULL, "an out pointer is NULL");
  *valid = 0;
  *report = NULL;
  QE_CHECK_ARG(certificate != NULL && plugin != NULL, "a path is NULL");
  json_t *root;
  qe_status_t status = load(certificate, &root);
  if (status == QE_OK) status = verify(root, plugin, options, valid, report);
  if (status != QE_OK) qe_conform_report_destroy(report);
  json_decref(root);
  return status;
}
