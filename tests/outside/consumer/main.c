/*
 * consumer PREFIX [VENDOR.so]: finds the installed reference engine below PREFIX, runs a small network on it, and loads a
 * vendor's plugin. Prints "ok" last.
 */
#include <qengine.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void check(qe_status_t status, const char *what) {
  if (status == QE_OK) return;
  fprintf(stderr, "%s: %s: %s\n", what, qe_status_text(status), qe_last_error());
  exit(1);
}
#define CHECK(call) check(call, #call)

static void find_engine(const char *prefix, const char *name) {
  qe_engine_list_t *list;
  int found = 0;
  CHECK(qe_engine_list_create(&list));
  for (uint32_t i = 0; i < qe_engine_list_count(list); i++) {
    const qe_engine_info_t *e = qe_engine_list_at(list, i);
    printf("engine %s: %s%s%s (%u kernels)\n", e->name ? e->name : "?", e->path, e->usable ? "" : ": ", e->reason, e->kernels);
    if (e->usable && e->name && strcmp(e->name, name) == 0 && strncmp(e->path, prefix, strlen(prefix)) == 0) found = 1;
  }
  qe_engine_list_destroy(&list);
  if (!found) {
    fprintf(stderr, "engine '%s' was not found below %s\n", name, prefix);
    exit(1);
  }
}

static void run_network(void) {
  const int64_t dims[] = {2, 3};
  const float in[] = {-1, 2, -3, 4, -5, 6}, expected[] = {0, 2, 0, 4, 0, 6};
  qe_model_t *model;
  qe_session_t *session;
  qe_tensor_t *x;
  CHECK(qe_model_create("outside", &model));
  qe_output(model, "y", qe_relu(model, "relu", qe_input(model, "x", QE_FLOAT32, 2, dims)));
  CHECK(qe_model_finish(model));
  CHECK(qe_session_create(model, NULL, &session));
  CHECK(qe_tensor_from_data(QE_FLOAT32, 2, dims, in, &x));
  qe_named_tensor_t input = {"x", x}, output = {"y", NULL};
  CHECK(qe_session_run(session, 1, &input, 1, &output));
  if (memcmp(qe_tensor_const_data(output.tensor), expected, sizeof expected) != 0) {
    fprintf(stderr, "relu gave wrong numbers\n");
    exit(1);
  }
  qe_tensor_release(&output.tensor);
  qe_tensor_release(&x);
  qe_session_destroy(&session);
  qe_model_destroy(&model);
}

int main(int argc, char **argv) {
  if (argc < 2) return 2;
  printf("qengine %s\n", qe_version());
  find_engine(argv[1], "reference");
  run_network();
  if (argc > 2) {
    CHECK(qe_engine_load(argv[2]));
    find_engine("/", "vendor");
    CHECK(qe_set_engine("vendor"));
    run_network();
  }
  puts("ok");
  return 0;
}
