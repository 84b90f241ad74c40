/* `qengine explain`: where every node of a model would run, with which kernel, and why. */
#include <stdlib.h>
#include <string.h>

#include "json.h"
#include "ptq.h"
#include "table.h"

enum { KEY_BATCH = 0x100, KEY_SHAPE };

static const struct argp_option options[] = {
  { "batch", KEY_BATCH, "N", 0, "size of an unknown first dimension (default: 1)", 0 },
  { "shape", KEY_SHAPE, "NAME=1,3,224,224", 0, "shape of an input; may be repeated", 0 },
  { 0 },
};

typedef struct explain_args {
  const char *model;
  int64_t batch;
  cli_list shapes;
} explain_args;

static error_t parse(int key, char *arg, struct argp_state *state) {
  explain_args *a = state->input;
  switch (key) {
    case KEY_BATCH: a->batch = cli_int_value("--batch", arg, 1, 1 << 20); return 0;
    case KEY_SHAPE: cli_list_add(&a->shapes, arg); return 0;
    default: return ARGP_ERR_UNKNOWN;
  }
}

static void print_json(const explain_args *a, const qe_session_t *session, const qe_session_stats_t *stats) {
  json_t *object = cli_json_begin(), *nodes = json_array(), *summary = json_object();
  cli_json_set(object, "model", cli_json_text(a->model));
  cli_json_set(object, "engine", cli_json_text(stats->engine));
  for (uint32_t i = 0; i < qe_session_step_count(session); i++) {
    qe_step_info_t step;
    if (qe_session_step(session, i, &step) != QE_OK) continue;
    json_t *node = json_object();
    cli_json_set(node, "node", cli_json_text(step.node));
    cli_json_set(node, "op", cli_json_text(step.op));
    cli_json_set(node, "engine", cli_json_text(step.engine));
    cli_json_set(node, "kernel", cli_json_text(step.kernel));
    cli_json_set(node, "dtypes", cli_json_text(step.dtypes));
    cli_json_set(node, "quantized", json_boolean(step.quantized));
    cli_json_set(node, "fallback", json_boolean(step.fallback));
    cli_json_set(node, "note", cli_json_text(step.note));
    cli_json_set(node, "origin", cli_json_text(step.origin));
    cli_json_set(node, "macs", cli_json_int(step.macs));
    cli_json_append(nodes, node);
  }
  cli_json_set(object, "nodes", nodes);
  cli_json_set(summary, "steps", cli_json_int(stats->steps));
  cli_json_set(summary, "quantized", cli_json_int(stats->quantized_steps));
  cli_json_set(summary, "fallback", cli_json_int(stats->fallback_steps));
  cli_json_set(object, "summary", summary);
  cli_json_set(object, "arena_bytes", cli_json_int((int64_t)stats->arena_bytes));
  cli_json_set(object, "packed_bytes", cli_json_int((int64_t)stats->packed_bytes));
  cli_json_set(object, "warnings", cli_json_warnings());
  cli_json_print(object);
}

static void print_text(const explain_args *a, const qe_session_t *session, const qe_session_stats_t *stats) {
  (void)a;
  cli_table *table = cli_table_new("node|op|engine|kernel|types|note");
  for (uint32_t i = 0; i < qe_session_step_count(session); i++) {
    qe_step_info_t step;
    if (qe_session_step(session, i, &step) != QE_OK) continue;
    cli_table_cell(table, "%s", step.node);
    cli_table_cell(table, "%s", step.op);
    cli_table_cell(table, "%s", step.engine);
    cli_table_cell(table, "%s", step.kernel);
    cli_table_cell(table, "%s", step.dtypes);
    const bool merged = step.origin && cli.verbose > 0;
    cli_table_cell(table, "%s%s%s%s%s", step.fallback ? "fallback: " : "", step.note,
                   merged && step.note[0] ? "; " : "", merged ? "from " : "", merged ? step.origin : "");
  }
  cli_table_print(table);
  cli_table_free(table);
  char arena[32], packed[32];
  printf("\nengine %s: %u steps, %u quantized, %u fell back to another engine; %s activations, %s packed weights\n",
         stats->engine ? stats->engine : "none", stats->steps, stats->quantized_steps, stats->fallback_steps,
         cli_bytes_text(stats->arena_bytes, arena), cli_bytes_text(stats->packed_bytes, packed));
}

static int explain(const explain_args *a) {
  qe_model_t *model = NULL;
  qe_session_t *session = NULL;
  qe_named_tensor_t *tensors = NULL;
  qe_session_stats_t stats = { 0 };
  stats.struct_size = sizeof stats;
  int code = cli_load_model(a->model, &model);
  if (!code) code = cli_zero_inputs(model, a->batch, &a->shapes, &tensors);
  if (!code) {
    const qe_session_options_t o = cli_session_options();
    qe_status_t status = qe_session_create(model, &o, &session);
    if (status == QE_OK) status = qe_session_plan(session, qe_model_input_count(model), tensors);
    if (status == QE_OK) status = qe_session_get_stats(session, &stats);
    if (status != QE_OK) code = cli_fail(status, "%s", a->model);
    if (status == QE_ERROR_SHAPE) cli_note("--shape NAME=DIMS gives an input another shape");
  }
  if (!code) (cli.json ? print_json : print_text)(a, session, &stats);
  qe_session_destroy(&session);
  if (tensors) cli_zero_release(model, &tensors);
  qe_model_destroy(&model);
  return code;
}

static int run(const cli_command *self, int argc, char **argv) {
  explain_args a = { .batch = 1 };
  size_t count;
  const char **texts = cli_parse(self, parse, &a, argc, argv, 1, 1, &count);
  a.model = texts[0];
  int code = cli_apply_engine();
  if (!code) code = explain(&a);
  free(a.shapes.items);
  free(texts);
  return code;
}

const cli_command cli_command_explain = {
  .name = "explain",
  .args = "MODEL",
  .summary = "show where every node runs and why",
  .description = "Plans MODEL and shows every step: engine, kernel, element types, what was fused or folded, what fell "
                 "back to another engine and why. "
                 "-v adds the model's own nodes that a step stands for.",
  .examples = "qengine explain int8.onnx\nqengine explain int8.onnx --batch 8 --engine reference --strict",
  .options = options,
  .run = run,
};
