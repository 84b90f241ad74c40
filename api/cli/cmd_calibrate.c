/* `qengine calibrate`: observers' statistics as a file, to quantize with later or merge with others'. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"
#include "ptq.h"

enum { KEY_CALIB = 0x100, KEY_NORMALIZE, KEY_BATCH, KEY_SAMPLES, KEY_QCONFIG, KEY_NO_EQUAL, KEY_SHARD, KEY_FORCE };

static const struct argp_option options[] = {
  { "output", 'o', "STATS", 0, "the statistics file (required)", 0 },
  { "calib", KEY_CALIB, "[NAME=]FILE", 0,
    "calibration data: npy, npz, idx (.gz too) or TensorProto .pb; several files may follow (required)", 0 },
  { "normalize", KEY_NORMALIZE, "MEAN,STD", 0, "integer images become (x/255 - MEAN)/STD", 0 },
  { "batch", KEY_BATCH, "N", 0, "samples per run (default: 32, or the model's fixed batch)", 0 },
  { "samples", KEY_SAMPLES, "N", 0, "the first N samples (default: all)", 0 },
  { "qconfig", KEY_QCONFIG, "PRESET|FILE.json", 0, "what to quantize how (default: the preset 'default')", 0 },
  { "no-equalization", KEY_NO_EQUAL, NULL, 0, "do not scale channels before calibration, whatever the qconfig says", 0 },
  { "shard", KEY_SHARD, "I/N", 0,
    "every N-th batch, starting with batch I (1 to N); the shards' files merge to the whole", 0 },
  { "force", KEY_FORCE, NULL, 0, "overwrite STATS", 0 },
  { 0 },
};

typedef struct calibrate_args {
  const char *model, *output, *qconfig;
  cli_list calib;
  cli_feed_options feed;
  int64_t shard, shards; /* shards 0: not asked for */
  bool no_equalization, force;
} calibrate_args;

static void parse_shard(const char *text, calibrate_args *a) {
  int64_t shard = 0, shards = 0;
  int length = 0;
  if (sscanf(text, "%7" SCNd64 "/%7" SCNd64 "%n", &shard, &shards, &length) != 2 || text[length] || shard < 1 ||
      shard > shards)
    exit(cli_usage("--shard: '%s' is not I/N with I from 1 to N, as in 1/4", text));
  a->shard = shard - 1;
  a->shards = shards;
}

static error_t parse(int key, char *arg, struct argp_state *state) {
  calibrate_args *a = state->input;
  switch (key) {
    case 'o': a->output = arg; return 0;
    case KEY_CALIB: cli_list_add(&a->calib, arg); return 0;
    case KEY_NORMALIZE:
      a->feed.normalize = true;
      cli_normalize_value(arg, &a->feed.mean, &a->feed.std);
      return 0;
    case KEY_BATCH: a->feed.batch = cli_int_value("--batch", arg, 1, 1 << 20); return 0;
    case KEY_SAMPLES: a->feed.samples = cli_int_value("--samples", arg, 1, INT64_MAX); return 0;
    case KEY_QCONFIG: a->qconfig = arg; return 0;
    case KEY_NO_EQUAL: a->no_equalization = true; return 0;
    case KEY_SHARD: parse_shard(arg, a); return 0;
    case KEY_FORCE: a->force = true; return 0;
    default: return ARGP_ERR_UNKNOWN;
  }
}

static int calibrate(const calibrate_args *a) {
  cli_ptq ptq;
  cli_feed feed;
  int code = cli_ptq_open(a->model, a->qconfig, a->no_equalization, &ptq);
  if (code) return code;
  code = cli_feed_open(ptq.model, a->model, &a->calib, &a->feed, &feed);
  if (!code) {
    code = cli_ptq_calibrate(&ptq, &feed, a->shard, a->shards ? a->shards : 1);
    cli_feed_close(&feed);
  }
  if (!code && qe_process_rank() > 0) { /* the first one writes, and says so */
    cli_ptq_close(&ptq);
    return CLI_OK;
  }
  if (!code) {
    const qe_status_t status = qe_prepared_save_stats(ptq.prepared, a->output, a->force);
    if (status != QE_OK) code = cli_fail(status, "%s", a->output);
  }
  if (!code && cli.json) {
    json_t *object = cli_json_begin();
    cli_json_set(object, "model", cli_json_text(a->model));
    cli_json_set(object, "output", cli_json_text(a->output));
    cli_json_set(object, "qconfig", cli_json_text(a->qconfig ? a->qconfig : "default"));
    cli_json_set(object, "samples", cli_json_int(ptq.samples));
    cli_json_set(object, "batches", cli_json_int(ptq.batches));
    cli_json_set(object, "warnings", cli_json_warnings());
    cli_json_print(object);
  } else if (!code) {
    printf("%lld samples in %lld batches; written: ", (long long)ptq.samples, (long long)ptq.batches);
    cli_put_clean(stdout, a->output);
    putchar('\n');
  }
  cli_ptq_close(&ptq);
  return code;
}

static int run(const cli_command *self, int argc, char **argv) {
  calibrate_args a = { .feed.option = "--calib" };
  size_t count;
  const char **texts = cli_parse(self, parse, &a, argc, argv, 1, 1, &count);
  a.model = texts[0];
  int code = CLI_OK;
  if (!a.output) code = cli_usage("-o STATS is missing");
  else if (!a.calib.count) code = cli_usage("--calib FILE is missing");
  else if (a.shards && qe_process_count() > 1)
    code = cli_usage("--shard: %u processes were started, and each takes a shard of its own; leave it out", qe_process_count());
  if (!code) code = cli_output_check(a.output, a.force);
  if (!code) code = cli_apply_engine();
  if (!code) code = calibrate(&a);
  free(a.calib.items);
  free(texts);
  return code;
}

const cli_command cli_command_calibrate = {
  .name = "calibrate",
  .args = "MODEL",
  .summary = "collect calibration statistics into a file",
  .description = "Runs calibration data through MODEL and writes the observers' state to STATS, a file keyed by the "
                 "model's hash and the qconfig.\n\n"
                 "Such files can be merged (`qengine stats merge`) and quantized with (`qengine quantize --stats`). "
                 "When interrupted, nothing is "
                 "written.\n\nStarted by mpirun -np N (in a build with QE_MPI), N processes take every N-th batch each, "
                 "and the first one writes what merging the files of --shard 1/N to N/N would give.",
  .examples = "qengine calibrate model.onnx --calib images.npy -o model.stats\n"
              "qengine calibrate model.onnx --calib images.npy --shard 1/2 -o half.stats",
  .options = options,
  .run = run,
  .shares = true,
};
