/* Log levels and the callback. */
#include "base/log.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct seen {
  int count;
  qe_log_level_t level;
  char text[3000];
} seen;

static void record(void *arg, qe_log_level_t level, const char *message) {
  seen *s = arg;
  s->count++;
  s->level = level;
  snprintf(s->text, sizeof s->text, "%s", message);
}

Test(log, level_and_callback) {
  seen s = {0};
  qe_set_log(record, &s);
  qe_set_log_level(QE_LOG_INFO);
  qe__log(QE_LOG_DEBUG, "no");
  cr_assert_eq(s.count, 0);
  qe__log(QE_LOG_INFO, "node %d", 3);
  cr_assert_eq(s.count, 1);
  cr_assert_eq(s.level, QE_LOG_INFO);
  cr_assert_str_eq(s.text, "node 3");
  qe__log((qe_log_level_t)17, "no such level");
  cr_assert_eq(s.count, 1);
  qe_set_log(NULL, NULL);
}

Test(log, environment_sets_the_level) {
  seen s = {0};
  setenv("QENGINE_LOG", "Debug", 1);
  qe_set_log(record, &s);
  qe__log(QE_LOG_DEBUG, "yes");
  cr_assert_eq(s.count, 1);
}

Test(log, warnings_by_default) {
  seen s = {0};
  unsetenv("QENGINE_LOG");
  qe_set_log(record, &s);
  qe__log(QE_LOG_INFO, "no");
  qe__log(QE_LOG_WARNING, "yes");
  cr_assert_eq(s.count, 1);
}

Test(log, a_wrong_environment_is_reported_once) {
  seen s = {0};
  setenv("QENGINE_LOG", "loud", 1);
  qe_set_log(record, &s);
  qe__log(QE_LOG_INFO, "dropped");
  qe__log(QE_LOG_INFO, "dropped");
  cr_assert_eq(s.count, 1);
  cr_assert_not_null(strstr(s.text, "loud"));
  cr_assert_not_null(strstr(s.text, "debug"));
}
