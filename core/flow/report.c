/* The report of a flow: one row per node. */
#include "flow/report.h"

#include <string.h>

struct qe_report {
  qe_report_row_t *rows;
  uint32_t count;
  size_t capacity;
};

qe_status_t qe__report_create(qe_report_t **out) {
  *out = qe__calloc(1, sizeof **out);
  return *out ? QE_OK : QE_ERROR_OUT_OF_MEMORY;
}

qe_status_t qe__report_add(qe_report_t *r, const char *node, const char *op, int quantized, const char *reason, double weight_sqnr_db,
                           const char *weight_scheme, const char *activation_scheme) {
  QE_TRY(qe__grow((void **)&r->rows, &r->capacity, r->count, sizeof *r->rows));
  qe_report_row_t *row = &r->rows[r->count];
  memset(row, 0, sizeof *row);
  r->count++;
  row->quantized = quantized;
  row->weight_sqnr_db = weight_sqnr_db;
  row->node = qe__strdup(node ? node : "");
  row->op = qe__strdup(op ? op : "");
  row->reason = qe__strdup(reason ? reason : "");
  row->weight_scheme = qe__strdup(weight_scheme ? weight_scheme : "-");
  row->activation_scheme = qe__strdup(activation_scheme ? activation_scheme : "-");
  return row->node && row->op && row->reason && row->weight_scheme && row->activation_scheme ? QE_OK : QE_ERROR_OUT_OF_MEMORY;
}

uint32_t qe_report_count(const qe_report_t *report) { return report ? report->count : 0; }

const qe_report_row_t *qe_report_at(const qe_report_t *report, uint32_t index) {
  return report && index < report->count ? &report->rows[index] : NULL;
}

void qe_report_destroy(qe_report_t **report) {
  qe_report_t *r = report ? *report : NULL;
  if (!r) return;
  for (uint32_t i = 0; i < r->count; i++) {
    const char *texts[] = {r->rows[i].node, r->rows[i].op, r->rows[i].reason, r->rows[i].weight_scheme, r->rows[i].activation_scheme};
    for (size_t t = 0; t < sizeof texts / sizeof texts[0]; t++) qe__free((void *)(uintptr_t)texts[t]);
  }
  qe__free(r->rows);
  qe__free(r);
  *report = NULL;
}
