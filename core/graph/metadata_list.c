/* Walking a model's metadata from outside. */
#include "base/status.h"
#include "graph/model.h"

uint32_t qe_model_metadata_count(const qe_model_t *model) {
  return model ? model->graph->n_metadata : 0;
}

qe_status_t qe_model_metadata_at(const qe_model_t *model, uint32_t index, const char **key, const char **value) {
  if (key) *key = NULL;
  if (value) *value = NULL;
  QE_CHECK_ARG(model && key && value, "a NULL pointer");
  if (index >= model->graph->n_metadata)
    return qe__fail(QE_ERROR_INVALID_ARGUMENT, "%s: index %u, but the model has %u metadata entries", __func__, index, model->graph->n_metadata);
  *key = model->graph->metadata[index].key;
  *value = model->graph->metadata[index].value;
  return QE_OK;
}
