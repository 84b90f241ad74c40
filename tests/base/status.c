/* The error message: bounded, per thread, prefixed on the way up. */
#include "base/status.h"

#include <criterion/criterion.h>
#include <pthread.h>
#include <string.h>

Test(status, message_of_a_failure) {
  cr_assert_str_eq(qe_last_error(), "");
  cr_assert_eq(qe__fail(QE_ERROR_SHAPE, "node %s: %d", "conv1", 7), QE_ERROR_SHAPE);
  cr_assert_str_eq(qe_last_error(), "node conv1: 7");
  qe__clear_error();
  cr_assert_str_eq(qe_last_error(), "");
}

Test(status, prefix) {
  qe__fail(QE_ERROR_IO, "disk full");
  cr_assert_eq(qe__fail_in(QE_ERROR_IO, "%s", "model.onnx"), QE_ERROR_IO);
  cr_assert_str_eq(qe_last_error(), "model.onnx: disk full");
  qe__clear_error();
  qe__fail_in(QE_ERROR_IO, "alone");
  cr_assert_str_eq(qe_last_error(), "alone");
}

Test(status, old_message_may_be_an_argument) {
  qe__fail(QE_ERROR_IO, "inner");
  qe__fail(QE_ERROR_IO, "outer (%s)", qe_last_error());
  cr_assert_str_eq(qe_last_error(), "outer (inner)");
}

Test(status, long_messages_are_cut_and_say_so) {
  char text[5000];
  memset(text, 'a', sizeof text);
  text[sizeof text - 1] = 0;
  qe__fail(QE_ERROR_IO, "%s", text);
  cr_assert_eq(strlen(qe_last_error()), 2047);
  cr_assert_str_eq(qe_last_error() + 2044, "...");
  for (int i = 0; i < 10; i++) qe__fail_in(QE_ERROR_IO, "%s", text);
  cr_assert_leq(strlen(qe_last_error()), 2047);
}

static void *other_thread(void *arg) {
  (void)arg;
  const int clean = qe_last_error()[0] == 0;
  qe__fail(QE_ERROR_IO, "from the other thread");
  return clean ? "clean" : NULL;
}

Test(status, each_thread_has_its_own) {
  pthread_t thread;
  void *result;
  qe__fail(QE_ERROR_IO, "from this thread");
  cr_assert_eq(pthread_create(&thread, NULL, other_thread, NULL), 0);
  pthread_join(thread, &result);
  cr_assert_not_null(result);
  cr_assert_str_eq(qe_last_error(), "from this thread");
}

Test(status, names) {
  cr_assert_str_eq(qe_status_text(QE_OK), "ok");
  cr_assert_str_eq(qe_status_text(QE_ERROR_INTERNAL), "internal error");
  cr_assert_str_eq(qe_status_text((qe_status_t)999), "unknown status");
  cr_assert_str_eq(qe_version(), QE_VERSION);
  cr_assert_str_eq(qe_dtype_name(QE_INT4), "int4");
  cr_assert_str_eq(qe_dtype_name((qe_dtype_t)99), "?");
  cr_assert_str_eq(qe_dtype_name(QE_DTYPE_NONE), "?");
  cr_assert_eq(qe_dtype_bits(QE_UINT4), 4u);
  cr_assert_eq(qe_dtype_bits(QE_FLOAT64), 64u);
  cr_assert_eq(qe_dtype_bits((qe_dtype_t)99), 0u);
}
