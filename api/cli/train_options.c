/* The options of `qengine train`: a table, and what may be said together. */
#include <stdlib.h>
#include <string.h>

#include "train.h"

enum {
  KEY_DATA = 0x100,
  KEY_LABELS,
  KEY_VALIDATION_DATA,
  KEY_VALIDATION_LABELS,
  KEY_NORMALIZE,
  KEY_SAMPLES,
  KEY_AUGMENT,
  KEY_INITIALIZE,
  KEY_FROM_SCRATCH,
  KEY_LOSS,
  KEY_SMOOTHING,
  KEY_IGNORE,
  KEY_EPOCHS,
  KEY_BATCH,
  KEY_SHARDS,
  KEY_SEED,
  KEY_PATIENCE,
  KEY_RECOMPUTE,
  KEY_OPTIMIZER,
  KEY_LR,
  KEY_MOMENTUM,
  KEY_NESTEROV,
  KEY_DECAY,
  KEY_CLIP_NORM,
  KEY_SCHEDULE,
  KEY_STEP_EPOCHS,
  KEY_GAMMA,
  KEY_LR_MIN,
  KEY_WARMUP,
  KEY_BN_MOMENTUM,
  KEY_QAT,
  KEY_QCONFIG,
  KEY_FORMAT,
  KEY_FQ_FROM,
  KEY_FREEZE_OBSERVERS,
  KEY_FREEZE_BN,
  KEY_BN_EXACT,
  KEY_LEARN_QPARAMS,
  KEY_TEACHER,
  KEY_DISTILL,
  KEY_TEMPERATURE,
  KEY_CHECKPOINT,
  KEY_CHECKPOINT_STEPS,
  KEY_RESUME,
  KEY_METRICS,
  KEY_HTML,
  KEY_FLOAT_OUT,
  KEY_FORCE
};

const struct argp_option cli_train_options[] = {
  { "output", 'o', "OUT", 0, "the trained model: float, with --qat the int8 one (required)", 0 },
  { "float-out", KEY_FLOAT_OUT, "FILE", 0, "with --qat: the trained float model, too", 0 },
  { "data", KEY_DATA, "[NAME=]FILE", 0, "the samples: npy, npz, idx (.gz too) or TensorProto .pb (required)", 0 },
  { "labels", KEY_LABELS, "FILE", 0,
    "one integer class for each sample, or token, idx or npy; with --loss mse float32 of the output's shape (required)", 0 },
  { "validation-data", KEY_VALIDATION_DATA, "[NAME=]FILE", 0, "samples that are not trained on; scored after each epoch", 0 },
  { "validation-labels", KEY_VALIDATION_LABELS, "FILE", 0, "their labels", 0 },
  { "normalize", KEY_NORMALIZE, "MEAN,STD", 0, "integer images become (x/255 - MEAN)/STD", 0 },
  { "samples", KEY_SAMPLES, "N", 0, "train on the first N samples (default: all)", 0 },
  { "augment", KEY_AUGMENT, "WHAT", 0, "changes pictures at random: shift=N (up to N pixels each way), flip (left to right); with a comma both", 0 },
  { "initialize", KEY_INITIALIZE, NULL, 0, "inputs that are parameters without values become constants, by --seed", 0 },
  { "from-scratch", KEY_FROM_SCRATCH, NULL, 0, "all parameters begin anew, by --seed", 0 },
  { "loss", KEY_LOSS, "cross_entropy|mse", 0, "what is made small (default: cross_entropy)", 0 },
  { "label-smoothing", KEY_SMOOTHING, "F", 0, "so much of a label's weight is shared by all classes (default: 0)", 0 },
  { "ignore-index", KEY_IGNORE, "N", 0, "rows with this label do not count", 0 },
  { "epochs", KEY_EPOCHS, "N", 0, "passes over the data (default: 1)", 0 },
  { "batch", KEY_BATCH, "N", 0, "samples of one step (default: 64, or the model's fixed batch)", 0 },
  { "shards", KEY_SHARDS, "N", 0, "parts that a batch is cut into, one after another: less memory, for each number its own result (default: 1)", 0 },
  { "seed", KEY_SEED, "N", 0, "of the data's order, augmentation, dropout and first values (default: 1)", 0 },
  { "patience", KEY_PATIENCE, "N", 0, "stop after N epochs without a better validation", 0 },
  { "recompute", KEY_RECOMPUTE, NULL, 0, "keep few activations and compute the rest again: less memory, more time, the same result", 0 },
  { "optimizer", KEY_OPTIMIZER, "sgd|adam|adamw", 0, "default: sgd", 0 },
  { "lr", KEY_LR, "F", 0, "learning rate (default: 0.01)", 0 },
  { "momentum", KEY_MOMENTUM, "F", 0, "of sgd (default: 0.9)", 0 },
  { "nesterov", KEY_NESTEROV, NULL, 0, "sgd looks ahead", 0 },
  { "weight-decay", KEY_DECAY, "F", 0, "of weights, not of biases and normalization (default: 0)", 0 },
  { "clip-norm", KEY_CLIP_NORM, "F", 0, "largest norm of the whole gradient", 0 },
  { "schedule", KEY_SCHEDULE, "constant|step|cosine|linear", 0, "how the learning rate goes on (default: constant)", 0 },
  { "step-epochs", KEY_STEP_EPOCHS, "N", 0, "--schedule step: epochs between steps (default: 1)", 0 },
  { "gamma", KEY_GAMMA, "F", 0, "--schedule step: the rate is multiplied by it (default: 0.1)", 0 },
  { "lr-min", KEY_LR_MIN, "F", 0, "--schedule cosine, linear: where the rate ends (default: 0)", 0 },
  { "warmup", KEY_WARMUP, "N", 0, "the rate rises along a line over the first N steps (default: 0)", 0 },
  { "bn-momentum", KEY_BN_MOMENTUM, "F", 0, "of the running statistics of BatchNormalization (default: 0.1)", 0 },
  { "qat", KEY_QAT, NULL, 0, "quantization-aware: training sees the rounding of int8", 0 },
  { "qconfig", KEY_QCONFIG, "PRESET|FILE.json", 0,
    "with --qat: what to quantize how (default: default_qat; NAME means NAME_qat where there is one)", 0 },
  { "format", KEY_FORMAT, "qdq|qoperator", 0, "with --qat: how ONNX writes OUT (default: qdq)", 0 },
  { "fake-quantize-from", KEY_FQ_FROM, "F", 0, "with --qat: rounding starts after this fraction of the steps (default: 0)", 0 },
  { "freeze-observers", KEY_FREEZE_OBSERVERS, "F", 0, "with --qat: ranges stay as they are after this fraction (default: 0.85; 1: never)", 0 },
  { "freeze-bn", KEY_FREEZE_BN, "F", 0,
    "with --qat: BatchNormalization uses its running statistics after this fraction (default: 0.7; 0: always; 1: never)", 0 },
  { "bn-exact", KEY_BN_EXACT, NULL, 0, "with --qat: batch statistics of the convolution before rounding; slower, bears a scale of 0", 0 },
  { "learn-qparams", KEY_LEARN_QPARAMS, NULL, 0, "with --qat: scales and zero points are trained as well", 0 },
  { "teacher", KEY_TEACHER, "MODEL", 0, "a float model of the same inputs whose outputs are learned from, too", 0 },
  { "distill", KEY_DISTILL, "F", 0, "with --teacher: its share of the loss, 0 to 1 (default: 0.5)", 0 },
  { "temperature", KEY_TEMPERATURE, "F", 0, "with --teacher: softens both outputs (default: 4)", 0 },
  { "checkpoint", KEY_CHECKPOINT, "FILE", 0, "the state of training, written after each epoch and on interruption", 0 },
  { "checkpoint-steps", KEY_CHECKPOINT_STEPS, "N", 0, "and after every N steps", 0 },
  { "resume", KEY_RESUME, NULL, 0, "go on from --checkpoint when it is there: the result is that of a run without a break", 0 },
  { "metrics", KEY_METRICS, "FILE.jsonl", 0, "a line of JSON for each measurement, appended", 0 },
  { "html", KEY_HTML, "FILE", 0, "curves of loss, accuracy and learning rate as a page", 0 },
  { "force", KEY_FORCE, NULL, 0, "overwrite outputs", 0 },
  { 0 },
};

const char *const cli_train_formats[] = { "qdq", "qoperator", NULL };
static const char *const loss_names[] = { "cross_entropy", "mse", NULL };
static const char *const optimizer_names[] = { "sgd", "adam", "adamw", NULL };
static const char *const schedule_names[] = { "constant", "step", "cosine", "linear", NULL };

/* A number within bounds; `open`: the upper one does not belong to them. */
static float real_within(const char *option, const char *text, double least, double most, bool open) {
  const double value = cli_real_value(option, text);
  if (value >= least && (open ? value < most : value <= most)) return (float)value;
  exit(cli_usage("%s: %s is outside %g%s%g", option, text, least, open ? " to below " : "..", most));
}

static float positive(const char *option, const char *text) {
  const float value = (float)cli_real_value(option, text);
  if (value > 0.0f) return value;
  exit(cli_usage("%s: %s has to be above 0", option, text));
}

static float fraction(cli_train_args *a, const char *option, const char *text) {
  a->only_qat = option;
  const double value = cli_real_value(option, text);
  if (value >= 0.0) return (float)value;
  exit(cli_usage("%s: %s is no fraction of the steps; 0 to 1, or more for never", option, text));
}

static void parse_augment(cli_train_args *a, char *text) {
  char *rest = NULL;
  for (char *word = strtok_r(text, ",", &rest); word; word = strtok_r(NULL, ",", &rest)) {
    if (strcmp(word, "flip") == 0) a->flip = true;
    else if (strncmp(word, "shift=", 6) == 0) a->shift = (uint32_t)cli_int_value("--augment shift", word + 6, 1, 4096);
    else exit(cli_usage("--augment: '%s' is neither shift=N nor flip", word));
  }
  a->augment = a->shift > 0 || a->flip;
  if (!a->augment) exit(cli_usage("--augment: nothing is asked for; shift=N, flip, or both with a comma"));
}

static error_t parse_quantization(cli_train_args *a, int key, char *arg) {
  qe_train_options_t *t = &a->train;
  switch (key) {
    case KEY_QAT: a->qat = true; return 0;
    case KEY_FQ_FROM: t->fake_quantize_from = fraction(a, "--fake-quantize-from", arg); return 0;
    case KEY_FREEZE_OBSERVERS: t->freeze_observers_at = fraction(a, "--freeze-observers", arg); return 0;
    case KEY_FREEZE_BN: t->freeze_bn_at = fraction(a, "--freeze-bn", arg); return 0;
    default: break;
  }
  switch (key) {
    case KEY_QCONFIG:
      a->qconfig = arg;
      a->only_qat = "--qconfig";
      return 0;
    case KEY_FORMAT:
      a->format = cli_choice_value("--format", arg, cli_train_formats);
      a->only_qat = "--format";
      return 0;
    case KEY_FLOAT_OUT:
      a->float_output = arg;
      a->only_qat = "--float-out";
      return 0;
    case KEY_BN_EXACT:
      t->bn_exact = 1;
      a->only_qat = "--bn-exact";
      return 0;
    case KEY_LEARN_QPARAMS:
      t->learn_qparams = 1;
      a->only_qat = "--learn-qparams";
      return 0;
    default: return ARGP_ERR_UNKNOWN;
  }
}

static error_t parse_optimizer(cli_train_args *a, int key, char *arg) {
  qe_train_options_t *t = &a->train;
  switch (key) {
    case KEY_OPTIMIZER: t->optimizer = (qe_optimizer_t)cli_choice_value("--optimizer", arg, optimizer_names); return 0;
    case KEY_LR: t->lr = positive("--lr", arg); return 0;
    case KEY_MOMENTUM: t->momentum = real_within("--momentum", arg, 0.0, 1.0, true); return 0;
    case KEY_NESTEROV: t->nesterov = 1; return 0;
    case KEY_DECAY: t->weight_decay = real_within("--weight-decay", arg, 0.0, 1e6, false); return 0;
    case KEY_CLIP_NORM: t->clip_norm = positive("--clip-norm", arg); return 0;
    case KEY_SCHEDULE: t->schedule = (qe_lr_schedule_t)cli_choice_value("--schedule", arg, schedule_names); return 0;
    case KEY_STEP_EPOCHS: t->lr_step_epochs = (uint32_t)cli_int_value("--step-epochs", arg, 1, INT32_MAX); return 0;
    case KEY_GAMMA: t->lr_gamma = positive("--gamma", arg); return 0;
    case KEY_LR_MIN: t->lr_min = real_within("--lr-min", arg, 0.0, 1e6, false); return 0;
    case KEY_WARMUP: t->warmup_steps = (uint32_t)cli_int_value("--warmup", arg, 0, INT32_MAX); return 0;
    case KEY_BN_MOMENTUM: t->bn_momentum = real_within("--bn-momentum", arg, 0.0, 1.0, false); return 0;
    default: return parse_quantization(a, key, arg);
  }
}

static error_t parse_loop(cli_train_args *a, int key, char *arg) {
  qe_train_options_t *t = &a->train;
  switch (key) {
    case KEY_LOSS: t->loss = (qe_loss_t)cli_choice_value("--loss", arg, loss_names); return 0;
    case KEY_SMOOTHING: t->label_smoothing = real_within("--label-smoothing", arg, 0.0, 1.0, true); return 0;
    case KEY_IGNORE:
      t->has_ignore_index = 1;
      t->ignore_index = cli_int_value("--ignore-index", arg, INT64_MIN, INT64_MAX);
      return 0;
    case KEY_EPOCHS: t->epochs = (uint32_t)cli_int_value("--epochs", arg, 1, 1 << 20); return 0;
    case KEY_BATCH:
      t->batch = (uint32_t)cli_int_value("--batch", arg, 1, 1 << 20);
      a->given_batch = true;
      return 0;
    case KEY_SHARDS: t->shards = (uint32_t)cli_int_value("--shards", arg, 1, 1 << 20); return 0;
    case KEY_SEED: t->seed = (uint64_t)cli_int_value("--seed", arg, 0, INT64_MAX); return 0;
    case KEY_PATIENCE: t->patience = (uint32_t)cli_int_value("--patience", arg, 1, 1 << 20); return 0;
    case KEY_RECOMPUTE: t->recompute = 1; return 0;
    case KEY_CHECKPOINT: t->checkpoint = arg; return 0;
    case KEY_CHECKPOINT_STEPS: t->checkpoint_steps = (uint32_t)cli_int_value("--checkpoint-steps", arg, 1, INT32_MAX); return 0;
    case KEY_RESUME: t->resume = 1; return 0;
    case KEY_METRICS: t->metrics = arg; return 0;
    default: return parse_optimizer(a, key, arg);
  }
}

error_t cli_train_parse(int key, char *arg, struct argp_state *state) {
  cli_train_args *a = state->input;
  switch (key) {
    case 'o': a->output = arg; return 0;
    case KEY_DATA: cli_list_add(&a->data, arg); return 0;
    case KEY_LABELS: cli_list_add(&a->labels, arg); return 0;
    case KEY_VALIDATION_DATA: cli_list_add(&a->validation_data, arg); return 0;
    case KEY_VALIDATION_LABELS: cli_list_add(&a->validation_labels, arg); return 0;
    case KEY_NORMALIZE:
      a->normalize = true;
      cli_normalize_value(arg, &a->mean, &a->std);
      return 0;
    case KEY_SAMPLES: a->samples = cli_int_value("--samples", arg, 1, INT64_MAX); return 0;
    case KEY_AUGMENT: parse_augment(a, arg); return 0;
    case KEY_INITIALIZE: a->initialize = true; return 0;
    case KEY_FROM_SCRATCH: a->from_scratch = true; return 0;
    case KEY_TEACHER: a->teacher = arg; return 0;
    case KEY_DISTILL:
      a->train.distill = real_within("--distill", arg, 0.0, 1.0, false);
      a->only_distill = "--distill";
      return 0;
    case KEY_TEMPERATURE:
      a->train.temperature = positive("--temperature", arg);
      a->only_distill = "--temperature";
      return 0;
    case KEY_HTML: a->html = arg; return 0;
    case KEY_FORCE: a->force = true; return 0;
    default: return parse_loop(a, key, arg);
  }
}

void cli_train_args_begin(cli_train_args *a) {
  memset(a, 0, sizeof *a);
  qe_train_options_default(&a->train);
}

void cli_train_args_end(cli_train_args *a) {
  free(a->data.items);
  free(a->labels.items);
  free(a->validation_data.items);
  free(a->validation_labels.items);
}

static int check_outputs(const cli_train_args *a) {
  const char *const paths[] = { a->output, a->float_output, a->html, a->train.checkpoint, a->train.metrics };
  static const char *const names[] = { "-o", "--float-out", "--html", "--checkpoint", "--metrics" };
  enum { N = sizeof paths / sizeof paths[0] };
  for (size_t i = 0; i < N; i++) {
    for (size_t k = 0; paths[i] && k < i; k++)
      if (paths[k] && strcmp(paths[i], paths[k]) == 0)
        return cli_usage("%s and %s are the same file: %s", names[k], names[i], paths[i]);
  }
  int code = CLI_OK;
  for (size_t i = 0; i < N && !code; i++) {
    /* metrics are appended; a checkpoint is replaced only by one of the same training, or when asked for */
    const bool may_exist = a->force || i == 4 || (i == 3 && a->train.resume);
    if (paths[i]) code = cli_output_check(paths[i], may_exist);
  }
  return code;
}

int cli_train_check(const cli_train_args *a) {
  const qe_train_options_t *t = &a->train;
  const bool validates = a->validation_data.count > 0;
  if (!a->output) return cli_usage("-o OUT is missing");
  if (!a->data.count) return cli_usage("--data FILE is missing");
  if (!a->labels.count) return cli_usage("--labels FILE is missing");
  if (validates != (a->validation_labels.count > 0))
    return cli_usage("--validation-data and --validation-labels go together; %s is missing",
                     validates ? "--validation-labels FILE" : "--validation-data FILE");
  if (a->only_qat && !a->qat) return cli_usage("%s needs --qat", a->only_qat);
  if (a->only_distill && !a->teacher) return cli_usage("%s needs --teacher MODEL", a->only_distill);
  if (t->patience && !validates) return cli_usage("--patience needs --validation-data and --validation-labels");
  if ((t->resume || t->checkpoint_steps) && !t->checkpoint)
    return cli_usage("%s needs --checkpoint FILE", t->resume ? "--resume" : "--checkpoint-steps");
  if (t->loss == QE_LOSS_MSE && (t->label_smoothing > 0.0f || t->has_ignore_index || a->teacher))
    return cli_usage("--label-smoothing, --ignore-index and --teacher belong to --loss cross_entropy");
  if (t->shards > t->batch)
    return cli_usage("--shards %u: a batch of %u samples cannot be cut into more parts than it has", t->shards, t->batch);
  if (t->optimizer != QE_OPTIMIZER_SGD && t->nesterov) return cli_usage("--nesterov belongs to --optimizer sgd");
  return check_outputs(a);
}
