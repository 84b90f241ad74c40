/* The .npz reader, with and without a member name. */
#include "data/formats.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  qe_tensor_t *tensor;
  (void)qe__npz_parse(data, size, "fuzz", NULL, &tensor);
  qe_tensor_release(&tensor);
  (void)qe__npz_parse(data, size, "fuzz", "a", &tensor);
  qe_tensor_release(&tensor);
  return 0;
}
