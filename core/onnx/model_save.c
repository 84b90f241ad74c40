/* Models into files; apart from reading, so that a program that only reads is linked without what writes. */
#include "graph/model.h"
#include "onnx/onnx.h"

qe_status_t qe_model_save(const qe_model_t *model, const char *path, qe_format_t format, int overwrite) {
  QE_CHECK_ARG(model != NULL, "model is NULL");
  QE_CHECK_ARG(path != NULL, "path is NULL");
  QE_CHECK_ARG(format == QE_FORMAT_QDQ || format == QE_FORMAT_QOPERATOR, "format");
  if (model->build_status != QE_OK) {
    return qe__fail(model->build_status, "%s",
                    model->build_error != NULL ? model->build_error : "the model was not built");
  }
  return qe__onnx_export(model->graph, format, path, overwrite);
}
