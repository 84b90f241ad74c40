/* What a training came to: a line for each epoch, a summary, JSON. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"
#include "train.h"

void cli_train_history_step(cli_train_history *h, const qe_train_metrics_t *m, uint64_t total, uint32_t epochs) {
  h->steps = m->step;
  h->total = total;
  if (h->stride == 0) h->stride = total / CLI_TRAIN_POINTS + 1;
  const double done = total > 0 ? (double)m->step / (double)total * (double)epochs : (double)m->epoch;
  if (m->step % h->stride == 0 && h->n_points < CLI_TRAIN_POINTS)
    h->points[h->n_points++] = (cli_train_point){ done, m->loss, m->lr };
}

const cli_train_epoch *cli_train_best(const cli_train_history *h) {
  const cli_train_epoch *best = NULL;
  for (size_t i = 0; i < h->n_epochs; i++) {
    const cli_train_epoch *e = &h->epochs[i];
    const qe_train_metrics_t *a = e->validated ? &e->validation : &e->train;
    const qe_train_metrics_t *b = !best ? NULL : best->validated ? &best->validation : &best->train;
    const bool better = !b || (isnan(a->top1) ? a->loss < b->loss : a->top1 > b->top1);
    if (better) best = e;
  }
  return best;
}

/* ", top-1 91.20 %" or nothing */
static const char *top1_text(double top1, char buffer[40]) {
  buffer[0] = '\0';
  if (isfinite(top1)) snprintf(buffer, 40, ", top-1 %.2f %%", 100.0 * top1);
  return buffer;
}

char *cli_train_epoch_text(const cli_train_args *a, const cli_train_epoch *e) {
  char train[40], other[40];
  char *validation = NULL;
  if (e->validated)
    validation = cli_format("; validation%s: loss %.6f%s", a->qat ? " in int8" : "", e->validation.loss,
                            top1_text(e->validation.top1, other));
  char *text = cli_format("epoch %u/%u: loss %.6f%s%s (%.1f s)", e->train.epoch, a->train.epochs, e->train.loss,
                          top1_text(e->train.top1, train), validation ? validation : "", e->train.seconds);
  free(validation);
  return text;
}

static void set_score(json_t *object, const qe_train_metrics_t *m) {
  cli_json_set(object, "loss", cli_json_real(m->loss));
  cli_json_set(object, "top1", cli_json_real(m->top1));
}

static json_t *epoch_json(const cli_train_epoch *e) {
  json_t *object = json_object();
  cli_json_set(object, "epoch", cli_json_int(e->train.epoch));
  set_score(object, &e->train);
  cli_json_set(object, "lr", cli_json_real(e->train.lr));
  if (e->validated) {
    json_t *validation = json_object();
    set_score(validation, &e->validation);
    cli_json_set(validation, "count", cli_json_int(e->validation.count));
    cli_json_set(object, "validation", validation);
  }
  cli_json_set(object, "seconds", cli_json_real(e->train.seconds));
  return object;
}

static void print_json(const cli_train_args *a, const cli_train_history *h) {
  const cli_train_epoch *best = cli_train_best(h);
  json_t *object = cli_json_begin(), *epochs = json_array();
  cli_json_set(object, "model", cli_json_text(a->model));
  cli_json_set(object, "qat", json_boolean(a->qat));
  for (size_t i = 0; i < h->n_epochs; i++) cli_json_append(epochs, epoch_json(&h->epochs[i]));
  cli_json_set(object, "epochs", epochs);
  cli_json_set(object, "best_epoch", best ? cli_json_int(best->train.epoch) : json_null());
  cli_json_set(object, "steps", cli_json_int((int64_t)h->steps));
  cli_json_set(object, "engine", cli_json_text(h->placed.known ? h->placed.engine : NULL));
  cli_json_set(object, "threads", h->placed.known ? cli_json_int(h->placed.threads) : json_null());
  if (a->qat) {
    cli_json_set(object, "nodes", cli_json_int(h->nodes));
    cli_json_set(object, "quantized_nodes", cli_json_int(h->quantized));
  }
  cli_json_set(object, "out", cli_json_text(a->output));
  cli_json_set(object, "bytes", cli_json_int((int64_t)h->bytes));
  cli_json_set(object, "float_out", cli_json_text(a->float_output));
  if (a->float_output) cli_json_set(object, "float_bytes", cli_json_int((int64_t)h->float_bytes));
  cli_json_set(object, "warnings", cli_json_warnings());
  cli_json_print(object);
}

static void print_file(const char *label, const char *path, uint64_t bytes) {
  char text[32];
  printf("%s", label);
  cli_put_clean(stdout, path);
  printf(" (%s)\n", cli_bytes_text(bytes, text));
}

void cli_train_print(const cli_train_args *a, const cli_train_history *h) {
  const cli_train_epoch *best = cli_train_best(h), *last = h->n_epochs ? &h->epochs[h->n_epochs - 1] : NULL;
  if (cli.json) {
    print_json(a, h);
    return;
  }
  char top1[40];
  printf("steps:      %llu\n", (unsigned long long)h->steps);
  if (last) printf("training:   loss %.6f%s\n", last->train.loss, top1_text(last->train.top1, top1));
  if (last && last->validated) {
    printf("validation: loss %.6f%s%s\n", last->validation.loss, top1_text(last->validation.top1, top1),
           a->qat ? " in int8" : "");
    if (best != last) printf("best epoch: %u, loss %.6f%s\n", best->train.epoch, best->validation.loss,
                             top1_text(best->validation.top1, top1));
  }
  if (a->qat) printf("nodes:      %u of %u quantized\n", h->quantized, h->nodes);
  print_file("written:    ", a->output, h->bytes);
  if (a->float_output) print_file("            ", a->float_output, h->float_bytes);
}
