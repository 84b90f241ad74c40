/* The passes that recognise ops, in order. */
#include "onnx/recognize.h"

qe_status_t qe__recognize(const qe__import *im) {
  QE_TRY(qe__recognize_gelu(im));
  QE_TRY(qe__recognize_layer_norm(im));
  QE_TRY(qe__recognize_integer_products(im));
  return qe__graph_sweep(im->g);
}
