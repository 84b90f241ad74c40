/* `qengine train`: a float model is trained, or fine-tuned under the rounding of int8 (--qat). */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"
#include "ptq.h"
#include "train.h"

/* Everything of one training. */
typedef struct training {
  const cli_train_args *args;
  qe_train_options_t options;
  qe_model_t *model, *teacher;
  qe_qconfig_mapping_t *mapping;
  qe_prepared_t *prepared;
  qe_trainer_t *trainer;
  cli_train_set train, validation;
  cli_train_history history;
  cli_progress progress;
  bool started;
  uint64_t first; /* step that this run began with */
} training;

/* ---- callbacks ---- */

static qe_status_t on_step(void *arg, const qe_train_metrics_t *m, uint64_t total) {
  training *t = arg;
  if (!t->started) {
    t->started = true;
    t->first = m->step > 0 ? m->step - 1 : 0;
    cli_progress_start(&t->progress, "training", "steps", (int64_t)(total - t->first));
  }
  cli_train_history_step(&t->history, m, total, t->options.epochs);
  cli_progress_update(&t->progress, (int64_t)(m->step - t->first));
  return cli_interrupted() ? QE_ERROR_INTERRUPTED : QE_OK;
}

static qe_status_t on_epoch(void *arg, qe_trainer_t *trainer, const qe_train_metrics_t *train,
                            const qe_train_metrics_t *validation) {
  training *t = arg;
  cli_train_history *h = &t->history;
  (void)trainer;
  h->epochs = cli_realloc(h->epochs, h->n_epochs + 1, sizeof *h->epochs);
  cli_train_epoch *e = &h->epochs[h->n_epochs++];
  *e = (cli_train_epoch){ .train = *train, .validated = validation != NULL };
  if (validation) e->validation = *validation;
  char *text = cli_train_epoch_text(t->args, e);
  cli_note("%s", text);
  free(text);
  return cli_interrupted() ? QE_ERROR_INTERRUPTED : QE_OK;
}

static void on_sample(void *arg, uint32_t input, uint64_t random, uint32_t rank, const int64_t *dims, float *sample) {
  (void)input; /* inputs of one sample are changed alike */
  cli_train_augment(((const training *)arg)->args, random, rank, dims, sample);
}

/* ---- what is needed before ---- */

/* "fbgemm" -> "fbgemm_qat" where there is such a preset; free() it. */
static char *qat_name(const char *name) {
  char *longer = cli_format("%s_qat", name ? name : "default");
  for (const char *const *preset = qe_qconfig_preset_names(); *preset; preset++)
    if (strcmp(*preset, longer) == 0) return longer;
  free(longer);
  return cli_format("%s", name);
}

/* An input that would be a parameter, and that no file is named for, is told as that. */
static int check_parameters(const cli_train_args *a, const qe_model_t *model) {
  qe_model_t *filled = NULL;
  uint32_t count = 0;
  if (qe_model_clone(model, &filled) != QE_OK || qe_model_initialize(filled, 1, 0, &count) != QE_OK) count = 0;
  for (uint32_t i = 0, left = 0; count > 0 && i < qe_model_input_count(model); i++) {
    const char *name = cli_model_input_name(model, i), *kept = cli_model_input_name(filled, left);
    const size_t length = strlen(name);
    if (kept && strcmp(name, kept) == 0) {
      left++;
      continue;
    }
    bool given = false;
    for (size_t k = 0; k < a->data.count; k++)
      given = given || (strncmp(a->data.items[k], name, length) == 0 && a->data.items[k][length] == '=');
    if (given) continue;
    qe_model_destroy(&filled);
    return cli_error(CLI_FAILED, "%s: the input '%s' is a parameter without values; --initialize gives it first ones", a->model, name);
  }
  qe_model_destroy(&filled);
  return CLI_OK;
}

static int first_values(const cli_train_args *a, qe_model_t *model) {
  uint32_t count = 0;
  if (!a->initialize && !a->from_scratch) return check_parameters(a, model);
  const qe_status_t status = qe_model_initialize(model, a->train.seed, a->from_scratch, &count);
  if (status != QE_OK) return cli_fail(status, "%s", a->model);
  if (count == 0) cli_warn("%s lacks no parameters; --initialize did nothing (--from-scratch begins anew)", a->model);
  else cli_note("first values for %u parameters, seed %llu", count, (unsigned long long)a->train.seed);
  return CLI_OK;
}

static int prepare(training *t) {
  const cli_train_args *a = t->args;
  qe_session_options_t o = cli_session_options();
  o.strict = 0; /* placement is judged on the quantized model; training itself is float */
  char *name = qat_name(a->qconfig);
  int code = cli_load_mapping(name, &t->mapping);
  free(name);
  if (code) return code;
  const qe_status_t status = qe_prepare_qat(t->model, t->mapping, &o, &t->prepared);
  return status == QE_OK ? CLI_OK : cli_fail(status, "%s", a->model);
}

static int open_data(training *t) {
  const cli_train_args *a = t->args;
  int code = cli_train_set_open(a, t->model, "", &a->data, &a->labels, &t->train);
  if (!code && a->validation_data.count)
    code = cli_train_set_open(a, t->model, "validation-", &a->validation_data, &a->validation_labels, &t->validation);
  if (!code && a->augment) code = cli_train_check_augment(t->model, a->model);
  return code;
}

/* The batch of a model whose inputs leave no dimension open; 0: any. */
static int64_t fixed_batch(const qe_model_t *model) {
  int64_t batch = 0;
  for (uint32_t i = 0; i < qe_model_input_count(model); i++) {
    qe_value_info_t info;
    if (qe_model_input(model, i, &info) != QE_OK || info.rank < 1) return 0;
    for (int32_t d = 0; d < info.rank; d++)
      if (info.dims[d] < 0) return 0;
    if (i == 0) batch = info.dims[0];
  }
  return batch;
}

static int open_training(training *t) {
  const cli_train_args *a = t->args;
  int code = cli_load_model(a->model, &t->model);
  if (!code) code = first_values(a, t->model);
  if (!code) code = open_data(t);
  const int64_t fixed = code ? 0 : fixed_batch(t->model);
  if (!code && fixed && a->given_batch && a->train.batch != fixed)
    code = cli_error(CLI_FAILED, "--batch %u: the inputs of %s have a fixed batch of %lld", a->train.batch, a->model, (long long)fixed);
  if (!code && a->teacher) code = cli_load_model(a->teacher, &t->teacher);
  if (!code && a->qat) code = prepare(t);
  if (code) return code;
  t->options = a->train;
  t->options.engine = cli.engine;
  t->options.threads = cli.threads;
  t->options.teacher = t->teacher;
  if (fixed) t->options.batch = (uint32_t)fixed;
  const qe_status_t status = a->qat ? qe_trainer_create_qat(t->prepared, &t->options, &t->trainer)
                                    : qe_trainer_create(t->model, &t->options, &t->trainer);
  return status == QE_OK ? CLI_OK : cli_fail(status, "%s", a->model);
}

static void close_training(training *t) {
  qe_trainer_destroy(&t->trainer);
  qe_prepared_destroy(&t->prepared);
  qe_qconfig_mapping_destroy(&t->mapping);
  cli_train_set_close(&t->train);
  cli_train_set_close(&t->validation);
  qe_model_destroy(&t->teacher);
  qe_model_destroy(&t->model);
  free(t->history.epochs);
}

/* ---- training ---- */

static int stopped(const training *t, qe_status_t status) {
  const char *checkpoint = t->options.checkpoint;
  if (status != QE_ERROR_INTERRUPTED) {
    if (checkpoint && t->history.steps > 0)
      return cli_fail(status, "training, after step %llu (--resume goes on from %s)", (unsigned long long)t->history.steps,
                      checkpoint);
    return cli_fail(status, "training");
  }
  if (!checkpoint) return cli_stop_interrupted();
  return cli_error(CLI_INTERRUPTED, "interrupted after step %llu; %s holds it, --resume goes on from there",
                   (unsigned long long)t->history.steps, checkpoint);
}

static int train(training *t) {
  const cli_train_args *a = t->args;
  qe_train_callbacks_t callbacks = { .arg = t, .step = on_step, .epoch = on_epoch };
  if (a->augment) callbacks.augment = on_sample;
  const qe_status_t status =
      qe_trainer_fit(t->trainer, &t->train.view, a->validation_data.count ? &t->validation.view : NULL, &callbacks);
  if (t->started) cli_progress_finish(&t->progress);
  return status == QE_OK ? CLI_OK : stopped(t, status);
}

/* ---- results ---- */

static qe_status_t record(const training *t, qe_model_t *model) {
  char *mapping = NULL;
  qe_status_t status = qe_qconfig_mapping_dump(t->mapping, &mapping);
  if (status == QE_OK) status = qe_model_set_metadata(model, "qengine.qconfig", mapping);
  if (status == QE_OK) status = qe_model_set_metadata(model, "qengine.version", qe_version());
  if (status == QE_OK) status = qe_model_set_metadata(model, "qengine.flow", "qat");
  qe_string_free(mapping);
  return status;
}

/* How much of the model training saw as int8. */
static void count_quantized(cli_train_history *h, const qe_report_t *report) {
  bool activations = false;
  h->nodes = qe_report_count(report);
  for (uint32_t i = 0; i < h->nodes; i++) {
    const qe_report_row_t *row = qe_report_at(report, i);
    h->quantized += row->quantized != 0;
    activations = activations || (row->quantized && strcmp(row->activation_scheme, "-") != 0);
  }
  if (!activations) cli_warn("the qconfig quantizes no activation: training saw no rounding of activations");
}

/* The model that the trainer holds, float or int8, into a file. placed NULL: nobody asks where it runs. */
static int save(training *t, bool quantized, const char *path, cli_placement *placed, uint64_t *bytes) {
  const cli_train_args *a = t->args;
  qe_model_t *model = NULL;
  qe_report_t *report = NULL;
  qe_status_t status;
  if (quantized) {
    status = qe_convert(t->prepared, &model, &report);
    if (status == QE_OK) status = record(t, model);
    if (status == QE_OK) count_quantized(&t->history, report);
    qe_report_destroy(&report);
  } else {
    status = qe_trainer_model(t->trainer, &model);
  }
  int code = status == QE_OK ? CLI_OK : cli_fail(status, "%s", path);
  if (!code && placed) code = cli_placement_of(model, placed);
  if (!code) {
    status = qe_model_save(model, path, quantized ? (qe_format_t)a->format : QE_FORMAT_QDQ, a->force);
    if (status != QE_OK) code = cli_fail(status, "%s", path);
    else *bytes = cli_model_file_bytes(path);
  }
  qe_model_destroy(&model);
  return code;
}

static int save_page(const training *t) {
  const cli_train_args *a = t->args;
  if (!a->html) return CLI_OK;
  char *page = cli_train_html(a, &t->history);
  const int code = cli_write_file(a->html, page, strlen(page), a->force);
  free(page);
  return code;
}

static int finish(training *t) {
  const cli_train_args *a = t->args;
  cli_train_history *h = &t->history;
  if (qe_process_rank() > 0) return CLI_OK;
  int code = save(t, a->qat, a->output, &h->placed, &h->bytes);
  if (!code && a->float_output) code = save(t, false, a->float_output, NULL, &h->float_bytes);
  if (!code) code = save_page(t);
  if (!code) cli_train_print(a, h);
  return code;
}

static int run_training(const cli_train_args *a) {
  training *t = cli_calloc(1, sizeof *t);
  t->args = a;
  int code = open_training(t);
  if (!code) code = train(t);
  if (!code) code = finish(t);
  close_training(t);
  free(t);
  return code;
}

static int run(const cli_command *self, int argc, char **argv) {
  cli_train_args a;
  size_t count;
  cli_train_args_begin(&a);
  const char **texts = cli_parse(self, cli_train_parse, &a, argc, argv, 1, 1, &count);
  a.model = texts[0];
  if (qe_process_rank() > 0) cli.verbose = -1; /* the first process talks and writes; all know the same */
  int code = cli_train_check(&a);
  if (!code) code = cli_apply_engine();
  if (!code) code = run_training(&a);
  cli_train_args_end(&a);
  free(texts);
  return code;
}

const cli_command cli_command_train = {
  .name = "train",
  .args = "MODEL",
  .summary = "train a float model, or fine-tune one for int8 (--qat)",
  .description =
      "Trains MODEL, a float ONNX model, on labelled data and writes OUT. With --qat training sees what int8 rounds away, "
      "and OUT is the quantized model: where `qengine quantize` loses accuracy (narrow weights, one scale per tensor, "
      "few bits), a few epochs of this regain it.\n\n"
      "Everything is computed on the CPU by the engine's kernels. The same model, data, options and seed give the same "
      "bytes with every engine, on every machine and with any number of threads; a training that was interrupted, or killed, "
      "and goes on with --resume gives them, too.\n\n"
      "Language models: data and labels are token numbers [samples, positions].\n\n"
      "Started by mpirun -np N (in a build with QE_MPI), N processes share the parts of each batch (--shards); the result is that of "
      "one process with as many shards.",
  .examples = "qengine train model.onnx --data images.gz --labels labels.gz --normalize 0.5,0.5 --epochs 5 --lr 0.05 -o trained.onnx\n"
              "qengine train float.onnx --qat --qconfig qnnpack --data images.gz --labels labels.gz --normalize 0.5,0.5 \\\n"
              "  --validation-data t.gz --validation-labels tl.gz --lr 0.002 --schedule cosine -o int8.onnx\n"
              "qengine train model.onnx --data x.npy --labels y.npy --epochs 50 --checkpoint run.ckpt --resume -o trained.onnx",
  .options = cli_train_options,
  .run = run,
  .shares = true,
};
