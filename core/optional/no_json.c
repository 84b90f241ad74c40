/* Stands in for what reads and writes JSON without jansson (QE_JSON=OFF); core/CMakeLists.txt names the files. */
#include "conform/waivers.h"
#include "graph/build.h"
#include "qconfig/mapping.h"
#include "qengine/flow.h"

static qe_status_t left_out(const char *what) {
  return qe__fail(QE_ERROR_UNSUPPORTED, "%s: this build of qengine leaves out JSON (CMake option QE_JSON)", what);
}

qe_status_t qe__build_attributes(qe__node *n, const char *json) {
  (void)n;
  return json == NULL ? QE_OK : left_out("attributes of qe_op");
}

qe_status_t qe__mapping_parse(const char *json, size_t length, bool engines, qe_qconfig_mapping_t **out) {
  (void)json;
  (void)length;
  (void)engines;
  *out = NULL;
  return left_out("a qconfig can't be read");
}

qe_status_t qe_qconfig_mapping_parse(const char *json, size_t length, qe_qconfig_mapping_t **out) {
  QE_CHECK_ARG(out != NULL, "out is NULL");
  return qe__mapping_parse(json, length, true, out);
}

qe_status_t qe_qconfig_mapping_load(const char *path, qe_qconfig_mapping_t **out) {
  QE_CHECK_ARG(out != NULL, "out is NULL");
  return qe__mapping_parse(path, 0, true, out);
}

qe_status_t qe_qconfig_mapping_dump(const qe_qconfig_mapping_t *mapping, char **json) {
  QE_CHECK_ARG(json != NULL, "json is NULL");
  (void)mapping;
  *json = NULL;
  return left_out("a qconfig can't be written");
}

static qe_status_t no_text(char **text, const char *what) {
  QE_CHECK_ARG(text != NULL, "the text's place is NULL");
  *text = NULL;
  return left_out(what);
}

qe_status_t qe_stats_dump(const char *path, char **json) {
  (void)path;
  return no_text(json, "statistics can't be written as JSON");
}

qe_status_t qe_conform_json(const qe_conform_report_t *report, char **text) {
  (void)report;
  return no_text(text, "a report can't be written as JSON");
}

qe_status_t qe_conform_json_lines(const qe_conform_report_t *report, char **text) { return qe_conform_json(report, text); }

qe_status_t qe_conform_certificate(const qe_conform_report_t *report, char **text) {
  (void)report;
  return no_text(text, "a certificate can't be written");
}

qe_status_t qe_conform_verify(const char *certificate, const char *plugin, const qe_conform_options_t *options, int *valid,
                              qe_conform_report_t **report) {
  (void)certificate;
  (void)plugin;
  (void)options;
  if (valid != NULL) *valid = 0;
  if (report != NULL) *report = NULL;
  return left_out("a certificate can't be read");
}

qe_status_t qe__waivers_load(const char *path, qe__waivers **out) {
  (void)path;
  *out = NULL;
  return left_out("waivers can't be read");
}

void qe__waivers_free(qe__waivers **waivers) { *waivers = NULL; }

qe_status_t qe__waivers_apply(const qe__waivers *waivers, int32_t today, bool whole, qe_conform_report_t *report) {
  (void)waivers;
  (void)today;
  (void)whole;
  (void)report;
  return QE_OK;
}

int32_t qe__today(void) { return 0; }
