/* Models from files and memory: the public functions that read ONNX. */
#include <string.h>

#include "base/file.h"
#include "graph/model.h"
#include "onnx/onnx.h"

/* A protobuf message cannot be longer; weights beyond that are in external files. */
#define MAX_FILE ((uint64_t)INT32_MAX)

qe_status_t qe_model_load(const char *path, qe_model_t **out) {
  QE_CHECK_ARG(out != NULL, "out is NULL");
  *out = NULL;
  QE_CHECK_ARG(path != NULL, "path is NULL");
  qe__graph *graph = NULL;
  qe__file file;
  QE_TRY(qe__file_open(path, MAX_FILE, &file));
  const char *slash = strrchr(path, '/');
  char *directory = slash == NULL   ? qe__strdup(".")
                    : slash == path ? qe__strdup("/")
                                    : qe__strndup(path, (size_t)(slash - path));
  const qe_status_t status =
      directory != NULL ? qe__onnx_import_file(&file, directory, &graph) : QE_ERROR_OUT_OF_MEMORY;
  qe__free(directory);
  qe__file_close(&file);
  return status == QE_OK ? qe__model_wrap(graph, out) : status;
}

qe_status_t qe_model_load_buffer(const void *data, size_t size, qe_model_t **out) {
  QE_CHECK_ARG(out != NULL, "out is NULL");
  *out = NULL;
  QE_CHECK_ARG(data != NULL || size == 0, "data is NULL");
  if (size > MAX_FILE) {
    return qe__fail(QE_ERROR_FORMAT, "model in memory: %zu bytes; an ONNX message can have 2147483647", size);
  }
  qe__graph *graph;
  QE_TRY(qe__onnx_import(data, size, NULL, "model in memory", &graph));
  return qe__model_wrap(graph, out);
}
