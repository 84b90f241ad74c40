/* Epochs: every sample once, the same state however often a training is stopped or killed, early stopping, errors. */
#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>

#include "support/scratch.h"
#include "train/fit_case.h"
#include "train/random.h"

static scratch dir;
static void setup(void) { scratch_open(&dir); }
static void teardown(void) { scratch_close(&dir); }
TestSuite(loop, .init = setup, .fini = teardown);

/* What callbacks saw, and when they stop the training. */
typedef struct watcher {
  uint64_t steps, epochs, stop_at, kill_at, total;
  uint64_t seen; /* sum over (input, random) of augmented samples */
  double last_validation;
} watcher;

static qe_status_t on_step(void *arg, const qe_train_metrics_t *m, uint64_t total) {
  watcher *w = arg;
  w->steps++;
  w->total = total;
  if (m->step == w->kill_at) raise(SIGKILL);
  return m->step == w->stop_at ? QE_ERROR_INTERRUPTED : QE_OK;
}

static qe_status_t on_epoch(void *arg, qe_trainer_t *t, const qe_train_metrics_t *train, const qe_train_metrics_t *validation) {
  watcher *w = arg;
  qe_model_t *m = NULL;
  w->epochs++;
  cr_assert_eq(train->epoch, w->epochs);
  if (validation) w->last_validation = validation->loss;
  TEST_OK(qe_trainer_model(t, &m));
  qe_model_destroy(&m);
  return QE_OK;
}

static void augment(void *arg, uint32_t input, uint64_t random, uint32_t rank, const int64_t *dims, float *sample) {
  watcher *w = arg;
  cr_assert(input == 0 && rank == 3 && dims[0] == 3);
  w->seen++;
  for (int i = 0; i < 192; i++) sample[i] += 0.05f * (float)((double)(qe__random_at(random, (uint64_t)i) >> 40) * 0x1p-24);
}

static qe_status_t run(fit_trainer *f, watcher *w, const fit_data *train, const fit_data *validation) {
  const qe_train_callbacks_t c = {w, on_step, on_epoch, augment};
  return qe_trainer_fit(f->t, &train->data, validation ? &validation->data : NULL, &c);
}

Test(loop, every_sample_once_an_epoch) {
  fit_data train, validation;
  fit_trainer f;
  watcher w = {0};
  fit_data_open(&train, FIT_SAMPLES, 1);
  fit_data_open(&validation, 20, 2);
  qe_train_options_t o = fit_options();
  o.epochs = 40;
  o.lr = 0.1f;
  o.schedule = QE_LR_CONSTANT;
  fit_trainer_open(&f, NULL, &o);
  qe_train_metrics_t before, after;
  TEST_OK(qe_trainer_evaluate(f.t, &validation.data, &before));
  TEST_OK(run(&f, &w, &train, &validation));
  TEST_OK(qe_trainer_evaluate(f.t, &validation.data, &after));
  cr_assert(w.steps == 120 && w.epochs == 40 && w.total == 120 && w.seen == 1600);
  cr_assert_eq(after.loss, w.last_validation); /* the callback saw what there is at the end */
  cr_assert_lt(after.loss, 0.8 * before.loss, "%g, was %g", after.loss, before.loss);
  cr_assert(after.step == 120 && after.epoch == 40);
  /* nothing is left to do */
  TEST_OK(run(&f, &w, &train, &validation));
  cr_assert_eq(w.steps, 120u);
  fit_trainer_close(&f);
  o.drop_last = 1;
  o.epochs = 2;
  memset(&w, 0, sizeof w);
  fit_trainer_open(&f, NULL, &o);
  TEST_OK(run(&f, &w, &train, NULL));
  cr_assert(w.steps == 4 && w.seen == 64);
  fit_trainer_close(&f);
  fit_data_close(&train);
  fit_data_close(&validation);
}

/* Lines of a metrics file without the times in them. */
static char *metrics_text(const char *path) {
  static char raw[1 << 16];
  const size_t n = scratch_read(path, raw, sizeof raw - 1);
  char *text = calloc(n + 1, 1), *to = text;
  raw[n] = '\0';
  for (const char *p = raw; *p;) {
    if (strncmp(p, "\"seconds\": ", 11) == 0) p += 11 + strspn(p + 11, "0123456789.e+-");
    else *to++ = *p++;
  }
  return text;
}

static const char *const presets[2] = {NULL, "default_qat"};

static void options_with_files(qe_train_options_t *o, const char *name, int resume) {
  static char checkpoint[700], metrics[700];
  snprintf(checkpoint, sizeof checkpoint, "%s/%s.ckpt", dir.path, name);
  snprintf(metrics, sizeof metrics, "%s/%s.jsonl", dir.path, name);
  *o = fit_options();
  o->checkpoint = checkpoint;
  o->metrics = metrics;
  o->checkpoint_steps = 2;
  o->resume = resume;
}

/* Stopped by a callback after any step, a training goes on as if nothing had happened, its metrics file included. */
Test(loop, goes_on_after_an_interruption) {
  fit_data train, validation;
  fit_data_open(&train, FIT_SAMPLES, 1);
  fit_data_open(&validation, 12, 2);
  for (int qat = 0; qat < 2; qat++) {
    uint64_t want = 0;
    char *lines = NULL;
    for (uint64_t stop = 0; stop <= 3 * FIT_STEPS; stop += qat ? 4 : 1) {
      char name[40];
      qe_train_options_t o;
      fit_trainer f;
      snprintf(name, sizeof name, "%d-%d", qat, (int)stop);
      options_with_files(&o, name, 1);
      watcher w = {.stop_at = stop};
      fit_trainer_open(&f, presets[qat], &o);
      cr_assert_eq(run(&f, &w, &train, &validation), stop ? QE_ERROR_INTERRUPTED : QE_OK, "%s", qe_last_error());
      cr_assert_eq(f.t->at.step, stop ? stop : 9u);
      if (stop) { /* another process would begin like this */
        fit_trainer_close(&f);
        watcher rest = {.epochs = (stop - 1) / FIT_STEPS};
        fit_trainer_open(&f, presets[qat], &o);
        TEST_OK(run(&f, &rest, &train, &validation));
        cr_assert_eq(rest.steps, 9 - stop);
      }
      const uint64_t h = test_state_hash(f.t);
      char *text = metrics_text(o.metrics);
      if (stop == 0) {
        want = h;
        lines = text;
      } else {
        cr_assert_eq(h, want, "qat %d, stopped after step %d", qat, (int)stop);
        if (stop % FIT_STEPS) cr_assert_str_eq(text, lines, "qat %d, stopped after step %d", qat, (int)stop);
        free(text);
      }
      fit_trainer_close(&f);
    }
    free(lines);
  }
  fit_data_close(&train);
  fit_data_close(&validation);
}

static void run_killed(const char *preset, const char *name, uint64_t kill_at) {
  const pid_t child = fork();
  cr_assert_geq(child, 0);
  if (child == 0) {
    fit_data train, validation;
    fit_trainer f;
    qe_train_options_t o;
    options_with_files(&o, name, 1);
    watcher w = {.kill_at = kill_at};
    fit_data_open(&train, FIT_SAMPLES, 1);
    fit_data_open(&validation, 12, 2);
    fit_trainer_open(&f, preset, &o);
    w.epochs = 0; /* of a process that begins anew after the last checkpoint */
    if (access(o.checkpoint, R_OK) == 0) {
      TEST_OK(qe_trainer_load(f.t, o.checkpoint));
      w.epochs = f.t->at.epoch;
    }
    _exit(run(&f, &w, &train, &validation) == QE_OK ? 0 : 1);
  }
  int status;
  cr_assert_eq(waitpid(child, &status, 0), child);
  if (kill_at) cr_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL, "step %d: status %d", (int)kill_at, status);
  else cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0, "status %d", status);
}

/* SIGKILL at every step in turn, one life after the other: the checkpoint at the end has the bytes of one life. */
Test(loop, killed_again_and_again) {
  static char one[1 << 17], many[1 << 17];
  for (int qat = 0; qat < 2; qat++) {
    const char *whole = qat ? "qat-whole" : "whole", *pieces = qat ? "qat-pieces" : "pieces";
    char a[700], b[700];
    run_killed(presets[qat], whole, 0);
    for (uint64_t step = 1; step <= 9; step += qat ? 2 : 1) run_killed(presets[qat], pieces, step);
    run_killed(presets[qat], pieces, 0);
    snprintf(a, sizeof a, "%s/%s.ckpt", dir.path, whole);
    snprintf(b, sizeof b, "%s/%s.ckpt", dir.path, pieces);
    const size_t n = scratch_read(a, one, sizeof one), m = scratch_read(b, many, sizeof many);
    cr_assert(n > 1000 && n < sizeof one);
    cr_assert_eq(n, m);
    cr_assert_arr_eq(one, many, n, "qat %d", qat);
    snprintf(a, sizeof a, "%s/%s.jsonl", dir.path, whole);
    snprintf(b, sizeof b, "%s/%s.jsonl", dir.path, pieces);
    char *first = metrics_text(a), *second = metrics_text(b);
    cr_assert_str_eq(first, second);
    free(first);
    free(second);
    cr_assert_eq(scratch_entries(&dir), 4 * (qat + 1)); /* no temporary file is left */
  }
}

Test(loop, stops_early) {
  fit_data train, validation;
  fit_trainer f;
  watcher w = {0};
  fit_data_open(&train, FIT_SAMPLES, 1);
  fit_data_open(&validation, 12, 2);
  qe_train_options_t o = fit_options();
  o.epochs = 10;
  o.lr = 0.0f; /* never better than after the first epoch */
  o.bn_momentum = 0.0f;
  o.patience = 2;
  fit_trainer_open(&f, NULL, &o);
  TEST_OK(run(&f, &w, &train, &validation));
  cr_assert_eq(w.epochs, 3u);
  fit_trainer_close(&f);
  fit_trainer_open(&f, NULL, &o);
  cr_assert_eq(run(&f, &w, &train, NULL), QE_ERROR_INVALID_ARGUMENT);
  cr_assert_not_null(strstr(qe_last_error(), "patience"), "%s", qe_last_error());
  fit_trainer_close(&f);
  fit_data_close(&train);
  fit_data_close(&validation);
}

static void poison(void *arg, uint32_t input, uint64_t random, uint32_t rank, const int64_t *dims, float *sample) {
  (void)input, (void)random, (void)rank, (void)dims;
  int *left = arg;
  if (--*left == 0) sample[17] = INFINITY;
}

/* The loss becomes infinite in step 5: the checkpoint of step 4 stays, the error says where. */
Test(loop, numbers_that_are_not_finite) {
  fit_data train;
  fit_trainer f;
  qe_train_options_t o;
  int left = 40 + 16 + 5;
  options_with_files(&o, "poison", 0);
  fit_data_open(&train, FIT_SAMPLES, 1);
  fit_trainer_open(&f, NULL, &o);
  const qe_train_callbacks_t c = {&left, NULL, NULL, poison};
  cr_assert_eq(qe_trainer_fit(f.t, &train.data, NULL, &c), QE_ERROR_NUMERIC);
  cr_assert_not_null(strstr(qe_last_error(), "step 4"), "%s", qe_last_error());
  const uint64_t h = test_state_hash(f.t);
  fit_trainer_close(&f);
  fit_trainer_open(&f, NULL, &o);
  TEST_OK(qe_trainer_load(f.t, o.checkpoint));
  cr_assert_eq(f.t->at.step, 4u);
  cr_assert_eq(test_state_hash(f.t), h);
  fit_trainer_close(&f);
  fit_data_close(&train);
}

/* qe_trainer_step takes tensors by name or in order, labels of any integer type, and does what the loop's step does. */
Test(loop, one_step_on_given_tensors) {
  qe_train_options_t o = test_options();
  fit_trainer f;
  qe__batch b = test_batch(8, 3);
  qe_train_metrics_t m, n;
  fit_trainer_open(&f, NULL, &o);
  TEST_OK(qe__trainer_step(f.t, &b, &m));
  const uint64_t want = test_state_hash(f.t);
  fit_trainer_close(&f);
  uint8_t small[8];
  for (int i = 0; i < 8; i++) small[i] = (uint8_t)((const int64_t *)b.labels->data)[i];
  qe_tensor_t *labels, *narrow;
  TEST_OK(qe_tensor_from_data(QE_UINT8, 2, (int64_t[]){8, 1}, small, &labels));
  TEST_OK(qe_tensor_create(QE_FLOAT32, 4, (int64_t[]){8, 3, 8, 7}, &narrow));
  for (int named = 0; named < 2; named++) {
    const qe_named_tensor_t in = {named ? "x" : NULL, b.inputs[0]};
    fit_trainer_open(&f, NULL, &o);
    TEST_OK(qe_trainer_step(f.t, 1, &in, labels, &n));
    cr_assert_eq(test_state_hash(f.t), want);
    cr_assert(n.loss == m.loss && n.top1 == m.top1 && n.step == 1);
    const qe_named_tensor_t wrong[3] = {{"y", b.inputs[0]}, {"x", narrow}, {"x", labels}};
    const qe_status_t status[3] = {QE_ERROR_NOT_FOUND, QE_ERROR_SHAPE, QE_ERROR_DTYPE};
    for (int i = 0; i < 3; i++) cr_assert_eq(qe_trainer_step(f.t, 1, &wrong[i], labels, &n), status[i], "case %d: %s", i, qe_last_error());
    cr_assert_eq(qe_trainer_step(f.t, 0, NULL, labels, &n), QE_ERROR_NOT_FOUND);
    cr_assert_eq(qe_trainer_step(f.t, 1, &in, narrow, &n), QE_ERROR_DTYPE);
    cr_assert_eq(test_state_hash(f.t), want);
    fit_trainer_close(&f);
  }
  qe_tensor_release(&labels);
  qe_tensor_release(&narrow);
  qe__batch_free(&b);
}
