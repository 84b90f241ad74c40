/* The qconfig mapping that the layers' choices mean. See advise.h. */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "advise.h"

void advise_reason(advice *a, const char *format, ...) {
  va_list args, again;
  va_start(args, format);
  va_copy(again, args);
  const int length = vsnprintf(NULL, 0, format, args);
  char *text = cli_calloc((size_t)length + 1, 1);
  vsnprintf(text, (size_t)length + 1, format, again);
  va_end(again);
  va_end(args);
  if (a->n_reasons < sizeof a->reasons / sizeof a->reasons[0]) a->reasons[a->n_reasons++] = text;
  else free(text);
}

static qe_status_t add_rule(qe_qconfig_mapping_t *m, const advise_layer *l, const char *preset) {
  qe_qconfig_t q;
  memset(&q, 0, sizeof q);
  q.struct_size = sizeof q;
  if (l->choice == ADVISE_FLOAT) return qe_qconfig_mapping_set_name(m, l->node, NULL);
  const char *wanted = l->choice == ADVISE_DYNAMIC ? "dynamic" : "default";
  if (strcmp(wanted, preset) == 0) return QE_OK;
  const qe_status_t status = qe_default_qconfig(wanted, &q);
  return status == QE_OK ? qe_qconfig_mapping_set_name(m, l->node, &q) : status;
}

int advise_mapping(const advice *a, const char *preset, qe_qconfig_mapping_t **out) {
  qe_status_t status = qe_qconfig_mapping_preset(preset, out);
  for (size_t i = 0; i < a->n_layers && status == QE_OK; i++) {
    const advise_layer *l = &a->layers[i];
    if (l->sensitive || l->choice != ADVISE_FLOAT) status = add_rule(*out, l, preset);
  }
  return status == QE_OK ? CLI_OK : cli_fail(status, "%s", a->path);
}
