/* Running the built `qengine` in tests: a scratch folder with small models and data, and a process with captured
 * output. */
#ifndef TEST_CLI_SPAWN_H
#define TEST_CLI_SPAWN_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* What a finished process left behind; free with result_free. */
typedef struct result {
  int code;    /* exit code; -signal when it was killed */
  char *out, *err;
} result;

typedef struct spawn_options {
  const char *stdout_path; /* NULL: captured */
  long file_limit;         /* RLIMIT_FSIZE in bytes; 0: none */
  int signal;              /* sent once the process catches it; 0: none */
  unsigned delay_ms;       /* waited before the signal is sent, from when it is caught */
} spawn_options;

/* Runs `qengine` with words split at spaces ("%s" in `format` as in printf), in the scratch folder. */
result run_with(const spawn_options *options, const char *format, ...) __attribute__((format(printf, 2, 3)));
#define run_cli(...) run_with(NULL, __VA_ARGS__)
void result_free(result *r);
/* Parses stdout as one JSON object with schema_version 1; fails the test otherwise. The caller drops the reference. */
json_t *result_json(const result *r);

/* A scratch folder, the current one from then on, removed by scratch_leave. Makes float.onnx, x.npy, images.npy,
 * labels.npy. */
void scratch_enter(void);
void scratch_leave(void);
/* Files in the scratch folder. */
int scratch_count(void);
bool scratch_has(const char *name);
/* Quantizes float.onnx to int8.onnx; fails the test when that fails. */
void scratch_quantize(void);
/* Bytes into a file of the scratch folder. */
void scratch_write(const char *name, const void *data, size_t size);

/* Asserts that `text` holds `part`, printing both. */
void expect_text(const char *text, const char *part);
void expect_code(const result *r, int code);

/* Command lines that must fail with this code and say `text` on stderr, and nothing on stdout. */
typedef struct wrong_line {
  const char *line;
  int code;
  const char *text;
} wrong_line;
void expect_wrong(size_t count, const wrong_line *lines);

#endif
