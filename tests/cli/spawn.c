/* See spawn.h. */
#include "spawn.h"

#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/models.h"

static char scratch[64];

/* ---- the process ---- */

enum { MAX_WORDS = 48 };

static void become_cli(const spawn_options *o, char **words, const int out[2], const int err[2]) {
  dup2(o && o->stdout_path ? open(o->stdout_path, O_WRONLY) : out[1], STDOUT_FILENO);
  dup2(err[1], STDERR_FILENO);
  if (o && o->file_limit) {
    const struct rlimit limit = { (rlim_t)o->file_limit, (rlim_t)o->file_limit };
    setrlimit(RLIMIT_FSIZE, &limit);
    signal(SIGXFSZ, SIG_IGN); /* writes fail, as on a full disk */
  }
  execv(QE_BINARY_DIR "/api/qengine", words);
  _exit(127);
}

/* Does the process catch this signal by now? */
static bool catches(pid_t child, int number) {
  char path[64], line[256];
  unsigned long long mask = 0;
  snprintf(path, sizeof path, "/proc/%d/status", (int)child);
  FILE *f = fopen(path, "r");
  if (!f) return false;
  while (fgets(line, sizeof line, f))
    if (sscanf(line, "SigCgt: %llx", &mask) == 1) break;
  fclose(f);
  return (mask >> (number - 1)) & 1;
}

static void send_signal(pid_t child, const spawn_options *o) {
  for (int i = 0; i < 5000 && !catches(child, o->signal); i++) usleep(1000);
  usleep(o->delay_ms * 1000);
  kill(child, o->signal);
}

static void append(char **text, size_t *length, const char *more, size_t size) {
  *text = realloc(*text, *length + size + 1);
  cr_assert_not_null(*text);
  memcpy(*text + *length, more, size);
  *length += size;
  (*text)[*length] = '\0';
}

static void collect(int out, int err, result *r) {
  struct pollfd ends[2] = { { .fd = out, .events = POLLIN }, { .fd = err, .events = POLLIN } };
  size_t length[2] = { 0, 0 };
  char **texts[2] = { &r->out, &r->err };
  append(&r->out, &length[0], "", 0);
  append(&r->err, &length[1], "", 0);
  while (ends[0].fd >= 0 || ends[1].fd >= 0) {
    cr_assert_geq(poll(ends, 2, 120000), 1, "the command said nothing for two minutes");
    for (int i = 0; i < 2; i++) {
      if (ends[i].fd < 0 || !ends[i].revents) continue;
      char chunk[4096];
      const ssize_t got = read(ends[i].fd, chunk, sizeof chunk);
      if (got > 0) append(texts[i], &length[i], chunk, (size_t)got);
      else ends[i].fd = -1;
    }
  }
}

result run_with(const spawn_options *options, const char *format, ...) {
  char line[2048], *words[MAX_WORDS], *rest = line;
  int count = 0;
  static char name[] = "qengine";
  va_list args;
  va_start(args, format);
  const int length = vsnprintf(line, sizeof line, format, args);
  va_end(args);
  cr_assert_lt(length, (int)sizeof line);
  words[count++] = name;
  for (char *word; (word = strtok_r(rest, " ", &rest)) && count + 1 < MAX_WORDS;) words[count++] = word;
  words[count] = NULL;

  int out[2], err[2], state = 0;
  cr_assert_eq(pipe2(out, O_CLOEXEC), 0);
  cr_assert_eq(pipe2(err, O_CLOEXEC), 0);
  fflush(NULL);
  const pid_t child = fork();
  cr_assert_neq(child, -1);
  if (child == 0) become_cli(options, words, out, err);
  close(out[1]);
  close(err[1]);
  if (options && options->signal) send_signal(child, options);
  result r = { 0 };
  collect(out[0], err[0], &r);
  close(out[0]);
  close(err[0]);
  cr_assert_eq(waitpid(child, &state, 0), child);
  r.code = WIFEXITED(state) ? WEXITSTATUS(state) : -WTERMSIG(state);
  return r;
}

void result_free(result *r) {
  free(r->out);
  free(r->err);
  memset(r, 0, sizeof *r);
}

json_t *result_json(const result *r) {
  json_error_t error;
  json_t *object = json_loads(r->out, JSON_REJECT_DUPLICATES, &error);
  cr_assert_not_null(object, "stdout is no JSON (%s):\n%s\nstderr:\n%s", error.text, r->out, r->err);
  cr_assert_eq(json_integer_value(json_object_get(object, "schema_version")), 1, "%s", r->out);
  cr_assert_str_eq(json_object_iter_key(json_object_iter(object)), "schema_version", "%s", r->out);
  return object;
}

void expect_text(const char *text, const char *part) {
  cr_assert_not_null(strstr(text, part), "expected \"%s\" in:\n%s", part, text);
}

void expect_code(const result *r, int code) {
  cr_assert_eq(r->code, code, "exit code %d, expected %d; stdout:\n%s\nstderr:\n%s", r->code, code, r->out, r->err);
}

/* ---- the scratch folder ---- */

void scratch_write(const char *name, const void *data, size_t size) {
  FILE *f = fopen(name, "wb");
  cr_assert_not_null(f, "%s", name);
  cr_assert_eq(fwrite(data, 1, size, f), size);
  cr_assert_eq(fclose(f), 0);
}

enum { SAMPLES = 40 };

static void save(qe_tensor_t *t, const char *name) {
  cr_assert_eq(qe_tensor_save_npy(t, name, 0), QE_OK, "%s", qe_last_error());
  qe_tensor_release(&t);
}

void scratch_enter(void) {
  setenv("QENGINE_PLUGIN_PATH", QE_BINARY_DIR "/engines", 0);
  unsetenv("QUANTIZED_ENGINE");
  snprintf(scratch, sizeof scratch, "/tmp/qengine-cli-test-XXXXXX");
  cr_assert_not_null(mkdtemp(scratch));
  cr_assert_eq(chdir(scratch), 0);
  qe_model_t *model = test_cnn(1);
  cr_assert_eq(qe_model_save(model, "float.onnx", QE_FORMAT_QDQ, 0), QE_OK, "%s", qe_last_error());
  qe_model_destroy(&model);
  save(test_random(4, (int64_t[]){ SAMPLES, 3, 8, 8 }, 1.0f, 3), "x.npy");
  qe_tensor_t *images = NULL, *labels = NULL;
  cr_assert_eq(qe_tensor_create(QE_UINT8, 4, (int64_t[]){ SAMPLES, 3, 8, 8 }, &images), QE_OK);
  for (int64_t i = 0; i < qe_tensor_count(images); i++)
    ((uint8_t *)qe_tensor_data(images))[i] = (uint8_t)(i * 37 % 251);
  save(images, "images.npy");
  cr_assert_eq(qe_tensor_create(QE_INT64, 1, (int64_t[]){ SAMPLES }, &labels), QE_OK);
  for (int64_t i = 0; i < SAMPLES; i++) ((int64_t *)qe_tensor_data(labels))[i] = i % 5;
  save(labels, "labels.npy");
}

static int drop(const char *path, const struct stat *info, int kind, struct FTW *where) {
  (void)info, (void)kind, (void)where;
  return remove(path);
}

void scratch_leave(void) {
  if (!scratch[0] || chdir("/") != 0) return;
  nftw(scratch, drop, 16, FTW_DEPTH | FTW_PHYS);
}

int scratch_count(void) {
  DIR *folder = opendir(".");
  cr_assert_not_null(folder);
  int count = 0;
  for (struct dirent *entry; (entry = readdir(folder));) count += entry->d_name[0] != '.' || strlen(entry->d_name) > 2;
  closedir(folder);
  return count;
}

bool scratch_has(const char *name) {
  return access(name, F_OK) == 0;
}

void scratch_quantize(void) {
  result r = run_cli("quantize float.onnx -o int8.onnx --flow static --calib x.npy -q");
  expect_code(&r, 0);
  result_free(&r);
}

void expect_wrong(size_t count, const wrong_line *lines) {
  for (size_t i = 0; i < count; i++) {
    result r = run_cli("%s", lines[i].line);
    cr_expect_eq(r.code, lines[i].code, "%s: code %d", lines[i].line, r.code);
    expect_text(r.err, lines[i].text);
    cr_expect_str_eq(r.out, "", "%s", lines[i].line);
    result_free(&r);
  }
}
