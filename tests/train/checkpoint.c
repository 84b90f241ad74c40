/* Checkpoints of a trainer: there and back, what is refused and why, a full disk, memory that runs out. */
#include "train/checkpoint.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "support/scratch.h"
#include "train/fit_case.h"

static scratch dir;
static void setup(void) { scratch_open(&dir); }
static void teardown(void) { scratch_close(&dir); }
TestSuite(checkpoint, .init = setup, .fini = teardown);

static const char *const presets[2] = {NULL, "default_qat"};

static void train_a_bit(fit_trainer *f, const char *preset, const qe_train_options_t *o) {
  fit_trainer_open(f, preset, o);
  f->t->total_steps = 20;
  (void)test_steps(f->t, 0, 3, 8);
}

Test(checkpoint, there_and_back) {
  for (int kind = 0; kind < 6; kind++) {
    qe_train_options_t o = test_options();
    fit_trainer f, g;
    o.optimizer = (qe_optimizer_t)(kind % 3);
    o.learn_qparams = kind >= 3;
    const char *preset = presets[kind / 3], *path = scratch_file(&dir, "c");
    train_a_bit(&f, preset, &o);
    f.t->at.best = 0.25;
    f.t->at.bad_epochs = 3;
    TEST_OK(qe_trainer_save(f.t, path));
    fit_trainer_open(&g, preset, &o);
    const uint64_t fresh = test_state_hash(g.t);
    TEST_OK(qe_trainer_load(g.t, path));
    g.t->total_steps = 20;
    cr_assert_eq(test_state_hash(g.t), test_state_hash(f.t));
    cr_assert_neq(test_state_hash(g.t), fresh);
    cr_assert(g.t->at.step == 3 && g.t->at.best == 0.25 && g.t->at.bad_epochs == 3);
    /* both go on alike, and convert alike */
    (void)test_steps(f.t, 3, 6, 8);
    (void)test_steps(g.t, 3, 6, 8);
    cr_assert_eq(test_state_hash(g.t), test_state_hash(f.t), "kind %d", kind);
    qe_tensor_t *x = test_random(4, (int64_t[]){4, 3, 8, 8}, 1.0f, 5), *y[2];
    for (int i = 0; i < 2; i++) {
      qe_model_t *m = NULL;
      fit_trainer *who = i ? &g : &f;
      TEST_OK(preset ? qe_convert(who->prepared, &m, NULL) : qe_trainer_model(who->t, &m));
      y[i] = test_run(m, x, 0);
      qe_model_destroy(&m);
    }
    cr_assert_arr_eq(qe_tensor_data(y[0]), qe_tensor_data(y[1]), qe_tensor_bytes(y[0]));
    qe_tensor_release(&x);
    qe_tensor_release(&y[0]);
    qe_tensor_release(&y[1]);
    /* the model that training began from is what it was */
    fit_trainer h;
    fit_trainer_open(&h, preset, &o);
    cr_assert_eq(test_state_hash(h.t), fresh);
    fit_trainer_close(&h);
    fit_trainer_close(&f);
    fit_trainer_close(&g);
  }
}

/* Each option that matters, changed alone, is named; those that do not matter are not looked at. */
Test(checkpoint, other_options_are_named) {
  const char *path = scratch_file(&dir, "c");
  qe_train_options_t base = test_options();
  base.schedule = QE_LR_COSINE;
  fit_trainer f;
  train_a_bit(&f, NULL, &base);
  TEST_OK(qe_trainer_save(f.t, path));
  fit_trainer_close(&f);
  const struct {
    const char *name;
    size_t offset;
    bool is_float;
  } cases[] = {
#define C(field, is_float) {#field, offsetof(qe_train_options_t, field), is_float},
    C(epochs, false) C(batch, false) C(shards, false) C(has_ignore_index, false) C(weight_decay, true)
    C(momentum, true) C(lr, true) C(clip_norm, true) C(bn_momentum, true) C(label_smoothing, true) C(nesterov, false)
#undef C
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    qe_train_options_t o = base;
    if (cases[i].is_float) *(float *)(void *)((char *)&o + cases[i].offset) += 0.01f;
    else *(int *)(void *)((char *)&o + cases[i].offset) += 1;
    fit_trainer_open(&f, NULL, &o);
    const uint64_t h = test_state_hash(f.t);
    cr_assert_eq(qe_trainer_load(f.t, path), QE_ERROR_STATE, "%s", cases[i].name);
    cr_assert_not_null(strstr(qe_last_error(), cases[i].name), "%s: %s", cases[i].name, qe_last_error());
    cr_assert_eq(test_state_hash(f.t), h);
    cr_assert_eq(f.t->at.step, 0u);
    fit_trainer_close(&f);
  }
  qe_train_options_t o = base;
  o.threads = 2;
  o.engine = "reference";
  o.patience = 4;
  o.checkpoint_steps = 7;
  fit_trainer_open(&f, NULL, &o);
  TEST_OK(qe_trainer_load(f.t, path));
  fit_trainer_close(&f);
  /* epochs do not matter when nothing is spread over them */
  o = test_options();
  train_a_bit(&f, NULL, &o);
  TEST_OK(qe_trainer_save(f.t, path));
  fit_trainer_close(&f);
  o.epochs = 50;
  fit_trainer_open(&f, NULL, &o);
  TEST_OK(qe_trainer_load(f.t, path));
  fit_trainer_close(&f);
}

Test(checkpoint, other_models_and_data_are_refused) {
  const char *path = scratch_file(&dir, "c");
  const qe_train_options_t o = test_options();
  fit_trainer f;
  train_a_bit(&f, NULL, &o);
  memset(f.t->data_hash, 7, sizeof f.t->data_hash);
  TEST_OK(qe_trainer_save(f.t, path));
  fit_trainer_close(&f);
  qe_model_t *m = test_cnn(7); /* other weights */
  qe_trainer_t *t = NULL;
  TEST_OK(qe_trainer_create(m, &o, &t));
  cr_assert_eq(qe_trainer_load(t, path), QE_ERROR_STATE);
  cr_assert_not_null(strstr(qe_last_error(), "another model"), "%s", qe_last_error());
  qe_trainer_destroy(&t);
  qe_model_destroy(&m);
  fit_trainer_open(&f, "default_qat", &o);
  cr_assert_eq(qe_trainer_load(f.t, path), QE_ERROR_STATE);
  fit_trainer_close(&f);
  fit_trainer_open(&f, NULL, &o);
  memset(f.t->data_hash, 8, sizeof f.t->data_hash);
  cr_assert_eq(qe_trainer_load(f.t, path), QE_ERROR_STATE);
  cr_assert_not_null(strstr(qe_last_error(), "training data"), "%s", qe_last_error());
  memset(f.t->data_hash, 0, sizeof f.t->data_hash); /* not known: nothing to compare */
  TEST_OK(qe_trainer_load(f.t, path));
  cr_assert_eq(qe_trainer_load(f.t, scratch_file(&dir, "none")), QE_ERROR_NOT_FOUND);
  scratch_write(path, "QETRAIN\n", 8);
  cr_assert_eq(qe_trainer_load(f.t, path), QE_ERROR_FORMAT);
  fit_trainer_close(&f);
}

/* Files may not grow beyond a few kilobytes: the old checkpoint stays, nothing else is left. */
Test(checkpoint, a_full_disk) {
  const char *path = scratch_file(&dir, "c");
  const qe_train_options_t o = test_options();
  fit_trainer f;
  train_a_bit(&f, NULL, &o);
  TEST_OK(qe_trainer_save(f.t, path));
  const uint64_t saved = test_state_hash(f.t);
  (void)test_steps(f.t, 3, 5, 8);
  signal(SIGXFSZ, SIG_IGN);
  for (rlim_t most = 0; most < 6000; most += 1500) {
    const struct rlimit limit = {.rlim_cur = most, .rlim_max = RLIM_INFINITY};
    setrlimit(RLIMIT_FSIZE, &limit);
    cr_assert_eq(qe_trainer_save(f.t, path), QE_ERROR_IO, "%d bytes", (int)most);
    cr_assert_not_null(strstr(qe_last_error(), path), "%s", qe_last_error());
    cr_assert_eq(scratch_entries(&dir), 1);
  }
  const struct rlimit none = {RLIM_INFINITY, RLIM_INFINITY};
  setrlimit(RLIMIT_FSIZE, &none);
  fit_trainer g;
  fit_trainer_open(&g, NULL, &o);
  TEST_OK(qe_trainer_load(g.t, path));
  cr_assert_eq(test_state_hash(g.t), saved);
  TEST_OK(qe_trainer_save(f.t, path));
  TEST_OK(qe_trainer_load(g.t, path));
  cr_assert_eq(test_state_hash(g.t), test_state_hash(f.t));
  fit_trainer_close(&f);
  fit_trainer_close(&g);
}

/* Memory runs out at every allocation of loading in turn: nothing changes, and then it works. */
Test(checkpoint, out_of_memory) {
  const char *path = scratch_file(&dir, "c");
  const qe_train_options_t o = test_options();
  fit_trainer f, g;
  train_a_bit(&f, NULL, &o);
  TEST_OK(qe_trainer_save(f.t, path));
  fit_trainer_open(&g, NULL, &o);
  const uint64_t fresh = test_state_hash(g.t);
  qe_status_t status = QE_ERROR_OUT_OF_MEMORY;
  for (long n = 0; status == QE_ERROR_OUT_OF_MEMORY; n++) {
    cr_assert_lt(n, 1000);
    qe__fail_allocations_after(n);
    status = qe_trainer_load(g.t, path);
    qe__fail_allocations_after(-1);
    if (status == QE_OK) break;
    cr_assert_eq(test_state_hash(g.t), fresh, "allocation %ld", n);
    cr_assert_eq(g.t->at.step, 0u);
  }
  TEST_OK(status);
  cr_assert_eq(test_state_hash(g.t), test_state_hash(f.t));
  fit_trainer_close(&f);
  fit_trainer_close(&g);
}
