/* The ONNX importer; what it accepts must export in both formats and come back. */
#include <stdio.h>
#include <stdlib.h>

#include "fuzz.h"
#include "onnx/export.h"
#include "onnx/onnx.h"

static void round_trip(const qe__graph *g, qe_format_t format) {
  void *bytes = NULL;
  size_t size;
  qe__graph *back = NULL;
  /* not everything that is accepted can be said in every opset */
  if (qe__onnx_export_memory(g, format, &bytes, &size) != QE_OK) return;
  if (qe__onnx_import(bytes, size, NULL, "exported", &back) != QE_OK) {
    fprintf(stderr, "what was exported (format %d) cannot be imported: %s\n", (int)format, qe_last_error());
    abort();
  }
  qe__graph_destroy(&back);
  qe__free(bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  qe__graph *g = NULL;
  qe_tensor_t *tensor = NULL;
  (void)qe__onnx_tensor_parse(data, size, "fuzz", &tensor);
  qe_tensor_release(&tensor);
  if (qe__onnx_import(data, size, NULL, "fuzz", &g) != QE_OK) return 0;
  round_trip(g, QE_FORMAT_QDQ);
  round_trip(g, QE_FORMAT_QOPERATOR);
  qe__graph_destroy(&g);
  return 0;
}
