/* The qconfig mapping that the layers' choices mean. See advise.h. */
#include <string.h>

#include "advise.h"

static qe_status_t add_rule(qe_qconfig_mapping_t *m, const advise_layer *l) {
  qe_qconfig_t q;
  memset(&q, 0, sizeof q);
  q.struct_size = sizeof q;
  if (l->choice == ADVISE_FLOAT) return qe_qconfig_mapping_set_name(m, l->node, NULL);
  const qe_status_t status = qe_default_qconfig(l->choice == ADVISE_DYNAMIC ? "dynamic" : "default", &q);
  return status == QE_OK ? qe_qconfig_mapping_set_name(m, l->node, &q) : status;
}

int advise_mapping(const advice *a, qe_qconfig_mapping_t **out) {
  qe_status_t status = qe_qconfig_mapping_preset(a->by_dynamic_flow ? "dynamic" : "default", out);
  for (size_t i = 0; i < a->n_layers && status == QE_OK; i++) {
    const advise_layer *l = &a->layers[i];
    const int own = a->by_dynamic_flow ? ADVISE_DYNAMIC : ADVISE_STATIC; /* what the preset alone makes of it */
    if (l->choice != (l->covered[own] ? own : ADVISE_FLOAT)) status = add_rule(*out, l);
  }
  return status == QE_OK ? CLI_OK : cli_fail(status, "%s", a->path);
}
