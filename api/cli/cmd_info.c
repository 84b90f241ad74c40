/* `qengine info`: what is in a model file. */
#include <stdlib.h>
#include <string.h>

#include "json.h"
#include "ptq.h"
#include "table.h"

static const struct argp_option options[] = { { 0 } };

static error_t parse(int key, char *arg, struct argp_state *state) {
  (void)key, (void)arg, (void)state;
  return ARGP_ERR_UNKNOWN;
}

typedef struct op_count {
  const char *op;
  int64_t count;
} op_count;

static int by_count(const void *a, const void *b) {
  const op_count *x = a, *y = b;
  if (x->count != y->count) return x->count < y->count ? 1 : -1;
  return strcmp(x->op, y->op);
}

static op_count *count_ops(const qe_model_t *model, size_t *count) {
  const uint32_t nodes = qe_model_node_count(model);
  op_count *ops = cli_calloc(nodes, sizeof *ops);
  *count = 0;
  for (uint32_t i = 0; i < nodes; i++) {
    qe_node_info_t node;
    if (qe_model_node(model, i, &node) != QE_OK) continue;
    size_t at = 0;
    while (at < *count && strcmp(ops[at].op, node.op) != 0) at++;
    if (at == *count) ops[(*count)++].op = node.op;
    ops[at].count++;
  }
  qsort(ops, *count, sizeof *ops, by_count);
  return ops;
}

typedef qe_status_t (*value_fn)(const qe_model_t *model, uint32_t index, qe_value_info_t *out);

/* ---- JSON ---- */

static json_t *json_ports(const qe_model_t *model, uint32_t count, value_fn get) {
  json_t *array = json_array();
  for (uint32_t i = 0; i < count; i++) {
    qe_value_info_t v;
    if (get(model, i, &v) != QE_OK) continue;
    json_t *port = json_object();
    cli_json_set(port, "name", cli_json_text(v.name));
    cli_json_set(port, "dtype", cli_json_text(qe_dtype_name(v.dtype)));
    cli_json_set(port, "shape", cli_json_shape(v.rank, v.dims, v.symbols));
    cli_json_append(array, port);
  }
  return array;
}

static json_t *json_quantized(const qe_model_t *model) {
  json_t *array = json_array();
  for (uint32_t i = 0; i < qe_model_value_count(model); i++) {
    qe_value_info_t v;
    if (qe_model_value(model, i, &v) != QE_OK || !v.qparams) continue;
    json_t *tensor = json_object();
    cli_json_set(tensor, "name", cli_json_text(v.name));
    cli_json_set(tensor, "dtype", cli_json_text(qe_dtype_name(v.dtype)));
    cli_json_set(tensor, "constant", json_boolean(v.constant != NULL));
    cli_json_set(tensor, "axis", v.qparams->axis < 0 ? json_null() : cli_json_int(v.qparams->axis));
    json_t *scales = json_array(), *zeros = json_array();
    for (uint32_t c = 0; c < v.qparams->count; c++) {
      cli_json_append(scales, cli_json_real((double)v.qparams->scales[c]));
      cli_json_append(zeros, cli_json_int(v.qparams->zero_points[c]));
    }
    cli_json_set(tensor, "scale", scales);
    cli_json_set(tensor, "zero_point", zeros);
    cli_json_append(array, tensor);
  }
  return array;
}

static void print_json(const qe_model_t *model, const char *path) {
  json_t *object = cli_json_begin();
  cli_json_set(object, "model", cli_json_text(path));
  cli_json_set(object, "inputs", json_ports(model, qe_model_input_count(model), qe_model_input));
  cli_json_set(object, "outputs", json_ports(model, qe_model_output_count(model), qe_model_output));
  size_t n;
  op_count *ops = count_ops(model, &n);
  json_t *by_op = json_object();
  for (size_t i = 0; i < n; i++) cli_json_set(by_op, ops[i].op, cli_json_int(ops[i].count));
  free(ops);
  cli_json_set(object, "ops", by_op);
  cli_json_set(object, "nodes", cli_json_int(qe_model_node_count(model)));
  cli_json_set(object, "parameters", cli_json_int(qe_model_parameter_count(model)));
  cli_json_set(object, "parameter_bytes", cli_json_int(qe_model_parameter_bytes(model)));
  cli_json_set(object, "file_bytes", cli_json_int((int64_t)cli_model_file_bytes(path)));
  cli_json_set(object, "quantized_tensors", json_quantized(model));
  json_t *metadata = json_object();
  for (uint32_t i = 0; i < qe_model_metadata_count(model); i++) {
    const char *key, *value;
    if (qe_model_metadata_at(model, i, &key, &value) != QE_OK) continue;
    json_t *text = cli_json_text(value);
    if (json_object_set_new(metadata, key, text) != 0) cli_warn("a metadata key that is not UTF-8 was left out");
  }
  cli_json_set(object, "metadata", metadata);
  char hash[65];
  qe_model_hash(model, hash);
  cli_json_set(object, "hash", cli_json_text(hash));
  cli_json_set(object, "warnings", cli_json_warnings());
  cli_json_print(object);
}

/* ---- text ---- */

static void print_ports(const qe_model_t *model, const char *title, uint32_t count, value_fn get) {
  for (uint32_t i = 0; i < count; i++) {
    qe_value_info_t v;
    if (get(model, i, &v) != QE_OK) continue;
    char *type = cli_type_text(v.dtype, v.rank, v.dims, v.symbols);
    printf("%-12s", i == 0 ? title : "");
    cli_put_clean(stdout, v.name);
    fputs(": ", stdout);
    cli_put_clean(stdout, type);
    putchar('\n');
    free(type);
  }
}

static void print_quantized(const qe_model_t *model) {
  uint32_t constants = 0, activations = 0;
  for (uint32_t i = 0; i < qe_model_value_count(model); i++) {
    qe_value_info_t v;
    if (qe_model_value(model, i, &v) != QE_OK || !v.qparams) continue;
    if (v.constant) constants++;
    else activations++;
  }
  if (constants + activations == 0) {
    puts("quantized:  no tensor");
    return;
  }
  printf("quantized:  %u activations, %u constants%s\n", activations, constants,
         cli.verbose > 0 ? "" : " (-v lists them)");
  if (cli.verbose <= 0) return;
  putchar('\n');
  cli_table *table = cli_table_new("tensor|kind|type|granularity|>scale|>zero point");
  for (uint32_t i = 0; i < qe_model_value_count(model); i++) {
    qe_value_info_t v;
    if (qe_model_value(model, i, &v) != QE_OK || !v.qparams) continue;
    const qe_qparams_t *q = v.qparams;
    char *type = cli_type_text(v.dtype, v.rank, v.dims, v.symbols);
    cli_table_cell(table, "%s", v.name);
    cli_table_cell(table, "%s", v.constant ? "constant" : "activation");
    cli_table_cell(table, "%s", type);
    free(type);
    if (q->axis < 0) {
      cli_table_cell(table, "per tensor");
      cli_table_cell(table, "%.6g", (double)q->scales[0]);
      cli_table_cell(table, "%d", q->zero_points[0]);
      continue;
    }
    float low = q->scales[0], high = q->scales[0];
    int32_t zero_low = q->zero_points[0], zero_high = q->zero_points[0];
    for (uint32_t c = 1; c < q->count; c++) {
      if (q->scales[c] < low) low = q->scales[c];
      if (q->scales[c] > high) high = q->scales[c];
      if (q->zero_points[c] < zero_low) zero_low = q->zero_points[c];
      if (q->zero_points[c] > zero_high) zero_high = q->zero_points[c];
    }
    cli_table_cell(table, "axis %d, %u channels", q->axis, q->count);
    cli_table_cell(table, "%.6g..%.6g", (double)low, (double)high);
    if (zero_low == zero_high) cli_table_cell(table, "%d", zero_low);
    else cli_table_cell(table, "%d..%d", zero_low, zero_high);
  }
  cli_table_print(table);
  cli_table_free(table);
}

static void print_text(const qe_model_t *model, const char *path) {
  char bytes[32], file_bytes[32], hash[65];
  print_ports(model, "inputs:", qe_model_input_count(model), qe_model_input);
  print_ports(model, "outputs:", qe_model_output_count(model), qe_model_output);
  size_t n;
  op_count *ops = count_ops(model, &n);
  printf("nodes:      %u (", qe_model_node_count(model));
  for (size_t i = 0; i < n; i++) printf("%s%lld %s", i ? ", " : "", (long long)ops[i].count, ops[i].op);
  puts(")");
  free(ops);
  printf("parameters: %lld (%s)\n", (long long)qe_model_parameter_count(model),
         cli_bytes_text((uint64_t)qe_model_parameter_bytes(model), bytes));
  printf("file:       %s\n", cli_bytes_text(cli_model_file_bytes(path), file_bytes));
  qe_model_hash(model, hash);
  printf("hash:       %s\n", hash);
  for (uint32_t i = 0; i < qe_model_metadata_count(model); i++) {
    const char *key, *value;
    if (qe_model_metadata_at(model, i, &key, &value) != QE_OK) continue;
    const size_t shown = cli.verbose > 0 ? strlen(value) : strcspn(value, "\n");
    char *line = cli_format("%s = %.*s%s", key, (int)(shown > 60 && cli.verbose <= 0 ? 60 : shown), value,
                            shown > 60 && cli.verbose <= 0 ? "..." : "");
    printf("%-12s", i == 0 ? "metadata:" : "");
    cli_put_clean(stdout, line);
    putchar('\n');
    free(line);
  }
  print_quantized(model);
}

static int run(const cli_command *self, int argc, char **argv) {
  size_t count;
  const char **texts = cli_parse(self, parse, NULL, argc, argv, 1, 1, &count);
  qe_model_t *model = NULL;
  const int code = cli_load_model(texts[0], &model);
  if (!code) (cli.json ? print_json : print_text)(model, texts[0]);
  qe_model_destroy(&model);
  free(texts);
  return code;
}

const cli_command cli_command_info = {
  .name = "info",
  .args = "MODEL",
  .summary = "show what is in a model",
  .description = "Shows inputs, outputs, operators, parameters, size and the quantization of every tensor of MODEL (-v "
                 "lists them all).",
  .examples = "qengine info model.onnx\nqengine info int8.onnx --json",
  .options = options,
  .run = run,
};
