/* The idx reader. */
#include "data/formats.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  qe_tensor_t *tensor;
  (void)qe__idx_parse(data, size, "fuzz", &tensor);
  qe_tensor_release(&tensor);
  return 0;
}
