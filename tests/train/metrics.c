/* The metrics file: JSON lines, appended, cut back when a training goes on from a checkpoint. */
#include <criterion/criterion.h>
#include <jansson.h>
#include <locale.h>
#include <math.h>

#include "support/scratch.h"
#include "train/metrics.h"

static scratch dir;
static void setup(void) { scratch_open(&dir); }
static void teardown(void) { scratch_close(&dir); }
TestSuite(metrics, .init = setup, .fini = teardown);

static const qe_train_metrics_t STEP = {.step = 7, .epoch = 1, .count = 64, .loss = 2.25, .top1 = 0.125, .lr = 0.1, .grad_norm = 3.5, .seconds = 0.5};

/* Line `index` of the file; NULL when there is none. */
static json_t *line(const char *path, int index) {
  static char text[1 << 16];
  const size_t n = scratch_read(path, text, sizeof text - 1);
  text[n] = '\0';
  char *p = text;
  for (; index > 0 && p != NULL; index--) {
    p = strchr(p, '\n');
    if (p != NULL) p++;
  }
  if (p == NULL || *p == '\0') return NULL;
  json_error_t error;
  json_t *object = json_loadb(p, strcspn(p, "\n"), 0, &error);
  cr_assert_not_null(object, "%s: %s", error.text, p);
  return object;
}

static double member(const json_t *object, const char *key) { return json_number_value(json_object_get(object, key)); }

Test(metrics, lines_are_json_in_every_locale) {
  const char *path = scratch_file(&dir, "m.jsonl");
  qe__metrics_file f;
  qe_train_metrics_t train = STEP;
  train.top1 = (double)NAN;
  (void)(setlocale(LC_NUMERIC, "de_DE.UTF-8") || setlocale(LC_NUMERIC, "fr_FR.UTF-8")); /* where there is one */
  cr_assert_eq(qe__metrics_open(path, false, 0, &f), QE_OK, "%s", qe_last_error());
  cr_assert_eq(qe__metrics_step(&f, &STEP), QE_OK);
  cr_assert_eq(qe__metrics_epoch(&f, &train, &STEP), QE_OK);
  cr_assert_eq(qe__metrics_epoch(&f, &train, NULL), QE_OK);
  qe__metrics_close(&f);
  json_t *step = line(path, 0), *epoch = line(path, 1), *alone = line(path, 2);
  cr_assert_null(line(path, 3));
  cr_assert_eq(member(step, "schema_version"), 1);
  cr_assert_str_eq(json_string_value(json_object_get(step, "kind")), "step");
  cr_assert_eq(member(step, "step"), 7);
  cr_assert_eq(member(step, "loss"), 2.25);
  cr_assert_eq(member(step, "grad_norm"), 3.5);
  cr_assert_str_eq(json_string_value(json_object_get(epoch, "kind")), "epoch");
  cr_assert(json_is_null(json_object_get(json_object_get(epoch, "train"), "top1")));
  cr_assert_eq(member(json_object_get(epoch, "validation"), "top1"), 0.125);
  cr_assert(json_is_null(json_object_get(alone, "validation")));
  json_decref(step);
  json_decref(epoch);
  json_decref(alone);
}

Test(metrics, cut_back_to_the_checkpoint) {
  const char *path = scratch_file(&dir, "m.jsonl");
  qe__metrics_file f;
  qe_train_metrics_t m = STEP;
  cr_assert_eq(qe__metrics_open(path, false, 0, &f), QE_OK);
  cr_assert_eq(qe__metrics_step(&f, &m), QE_OK);
  const uint64_t lines = f.lines;
  cr_assert_eq(lines, 1u);
  for (m.step = 8; m.step < 12; m.step++) cr_assert_eq(qe__metrics_step(&f, &m), QE_OK);
  qe__metrics_close(&f);
  cr_assert_eq(qe__metrics_open(path, true, lines, &f), QE_OK, "%s", qe_last_error());
  m.step = 8;
  m.loss = 1;
  cr_assert_eq(qe__metrics_step(&f, &m), QE_OK);
  qe__metrics_close(&f);
  json_t *again = line(path, 1);
  cr_assert_eq(member(again, "loss"), 1);
  cr_assert_null(line(path, 2));
  json_decref(again);
  /* a file whose further lines are no metrics is another one, and stays as it is */
  const char *other = scratch_file(&dir, "other");
  scratch_write(other, "one\ntwo\nthree\n", 14);
  cr_assert_eq(qe__metrics_open(other, true, 1, &f), QE_ERROR_STATE);
  cr_assert_not_null(strstr(qe_last_error(), other));
  char kept[20];
  cr_assert_eq(scratch_read(other, kept, sizeof kept), 14u);
  /* a fresh training appends; one that goes on from before its first line has an empty file */
  for (int known = 0; known < 2; known++) {
    cr_assert_eq(qe__metrics_open(path, known != 0, 0, &f), QE_OK);
    cr_assert_eq(qe__metrics_step(&f, &m), QE_OK);
    qe__metrics_close(&f);
    json_t *third = line(path, 2);
    cr_assert_eq(third == NULL, known);
    json_decref(third);
  }
}

Test(metrics, what_cannot_be_written) {
  qe__metrics_file f;
  cr_assert_eq(qe__metrics_open(scratch_file(&dir, "no/such"), false, 0, &f), QE_ERROR_IO);
  cr_assert_eq(qe__metrics_open("/dev/full", false, 0, &f), QE_OK);
  cr_assert_eq(qe__metrics_step(&f, &STEP), QE_ERROR_IO);
  qe__metrics_close(&f);
  cr_assert_eq(qe__metrics_open(NULL, false, 0, &f), QE_OK); /* none is wanted */
  cr_assert_eq(qe__metrics_step(&f, &STEP), QE_OK);
  cr_assert_eq(qe__metrics_epoch(&f, &STEP, NULL), QE_OK);
  qe__metrics_close(&f);
}
