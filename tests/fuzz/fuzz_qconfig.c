/* Qconfig JSON: what is accepted is written, read again, and written the same. */
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "qengine/qconfig.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  qe_qconfig_mapping_t *first = NULL, *second = NULL;
  char *written = NULL, *again = NULL;
  if (qe_qconfig_mapping_parse((const char *)data, size, &first) != QE_OK) return 0;
  if (qe_qconfig_mapping_dump(first, &written) != QE_OK) abort();
  if (qe_qconfig_mapping_parse(written, strlen(written), &second) != QE_OK) abort();
  if (qe_qconfig_mapping_dump(second, &again) != QE_OK || strcmp(written, again) != 0) abort();
  qe_string_free(written);
  qe_string_free(again);
  qe_qconfig_mapping_destroy(&first);
  qe_qconfig_mapping_destroy(&second);
  return 0;
}
