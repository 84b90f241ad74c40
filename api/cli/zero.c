/* Zero inputs of the right shapes, for planning a model without data. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "feed.h"

/* "1,3,224,224" (or with x between) against the input's rank. */
static int parse_shape(const char *option_text, const char *text, const qe_value_info_t *info, uint32_t *rank,
                       int64_t dims[QE_MAX_RANK]) {
  *rank = 0;
  for (;;) {
    char *end = NULL;
    errno = 0;
    const long long dim = strtoll(text, &end, 10);
    if (end == text || errno || dim < 0 || *rank == QE_MAX_RANK || (*end && *end != ',' && *end != 'x'))
      return cli_usage("--shape: '%s' is not NAME=1,3,224,224", option_text);
    dims[(*rank)++] = dim;
    if (!*end) break;
    text = end + 1;
  }
  if (info->rank >= 0 && *rank != (uint32_t)info->rank)
    return cli_error(CLI_FAILED, "--shape %s: the input '%s' has %d dimensions", option_text, info->name, info->rank);
  return CLI_OK;
}

static int zero_input(const qe_model_t *model, uint32_t index, int64_t batch, const cli_list *shapes,
                      qe_named_tensor_t *out) {
  qe_value_info_t info;
  qe_status_t status = qe_model_input(model, index, &info);
  if (status != QE_OK) return cli_fail(status, "input %u", index);
  uint32_t rank = info.rank > 0 ? (uint32_t)info.rank : 0;
  int64_t dims[QE_MAX_RANK];
  for (uint32_t i = 0; i < rank; i++) dims[i] = info.dims[i] >= 0 ? info.dims[i] : i == 0 ? batch : 1;
  const size_t length = strlen(info.name);
  bool given = false;
  for (size_t i = 0; shapes && i < shapes->count; i++) {
    const char *text = shapes->items[i], *equals = strrchr(text, '=');
    if (equals ? (size_t)(equals - text) != length || strncmp(text, info.name, length) != 0 : index != 0) continue;
    const int code = parse_shape(text, equals ? equals + 1 : text, &info, &rank, dims);
    if (code) return code;
    given = true;
  }
  if (info.rank < 0 && !given)
    return cli_error(CLI_FAILED, "the shape of the input '%s' is unknown; add --shape %s=DIMS", info.name, info.name);
  out->name = info.name;
  status = qe_tensor_create(info.dtype == QE_DTYPE_NONE ? QE_FLOAT32 : info.dtype, rank, dims, &out->tensor);
  if (status == QE_OK && info.qparams) status = qe_tensor_set_qparams(out->tensor, info.qparams);
  return status == QE_OK ? CLI_OK : cli_fail(status, "input '%s'", info.name);
}

int cli_zero_inputs(const qe_model_t *model, int64_t batch, const cli_list *shapes, qe_named_tensor_t **out) {
  *out = NULL;
  for (size_t i = 0; shapes && i < shapes->count; i++) {
    const char *text = shapes->items[i], *equals = strrchr(text, '=');
    if (!equals || cli_model_find_input(model, text, (size_t)(equals - text)) >= 0) continue;
    return cli_error(CLI_FAILED, "--shape %s: the model has no such input; its first one is '%s'", text,
                     cli_model_input_name(model, 0));
  }
  const uint32_t n = qe_model_input_count(model);
  qe_named_tensor_t *tensors = cli_calloc(n, sizeof *tensors);
  int code = CLI_OK;
  for (uint32_t i = 0; i < n && !code; i++) code = zero_input(model, i, batch, shapes, &tensors[i]);
  if (code) cli_zero_release(model, &tensors);
  *out = tensors;
  return code;
}

void cli_zero_release(const qe_model_t *model, qe_named_tensor_t **tensors) {
  if (!*tensors) return;
  for (uint32_t i = 0; i < qe_model_input_count(model); i++) qe_tensor_release(&(*tensors)[i].tensor);
  free(*tensors);
  *tensors = NULL;
}
