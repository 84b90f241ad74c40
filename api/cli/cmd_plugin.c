/* `qengine plugin new`: a complete plugin to begin with. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "command.h"
#include "json.h"
#include "skeleton.h"

enum { KEY_DIR = 0x100, NAME_LONGEST = 31 };

static const struct argp_option options[] = {
  { "dir", KEY_DIR, "DIR", 0, "new: make the folder NAME in DIR instead of here", 0 },
  { 0 },
};

static error_t parse(int key, char *arg, struct argp_state *state) {
  const char **dir = state->input;
  if (key != KEY_DIR) return ARGP_ERR_UNKNOWN;
  *dir = arg;
  return 0;
}

/* CLI_OK, or what is wrong with the name. */
static int check_name(const char *name) {
  static const char *const taken[] = { "none", "reference" };
  const size_t length = strlen(name);
  if (length == 0 || length > NAME_LONGEST || strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_") != length)
    return cli_usage("'%s' cannot be an engine's name; take 1 to %d characters of a-z, 0-9 and _", name, NAME_LONGEST);
  for (size_t i = 0; i < sizeof taken / sizeof taken[0]; i++)
    if (strcmp(name, taken[i]) == 0) return cli_usage("'%s' is qengine's own name; take another one", name);
  return CLI_OK;
}

/* The text with the skeleton's name replaced; free() it. */
static char *filled_in(const void *text, size_t size, const char *name, size_t *length) {
  const size_t word = strlen(CLI_SKELETON_NAME), own = strlen(name);
  const char *from = text, *const end = from + size;
  char *out = cli_realloc(NULL, size / word * (own > word ? own : word) + size + 1, 1), *to = out;
  while (from < end) {
    if ((size_t)(end - from) >= word && memcmp(from, CLI_SKELETON_NAME, word) == 0) {
      memcpy(to, name, own);
      to += own;
      from += word;
    } else {
      *to++ = *from++;
    }
  }
  *to = '\0';
  *length = (size_t)(to - out);
  return out;
}

/* Writes all files; after a failure the folder is gone again. */
static int write_files(const char *folder, const char *name) {
  int code = CLI_OK;
  for (size_t i = 0; code == CLI_OK && cli_skeleton_files[i].name; i++) {
    const cli_skeleton_file *f = &cli_skeleton_files[i];
    size_t size;
    char *file = filled_in(f->name, strlen(f->name), name, &size);
    char *text = filled_in(f->text, f->size, name, &size), *path = cli_format("%s/%s", folder, file);
    code = cli_write_file(path, text, size, false);
    free(path);
    free(text);
    free(file);
  }
  for (size_t i = 0; code != CLI_OK && cli_skeleton_files[i].name; i++) {
    size_t size;
    char *file = filled_in(cli_skeleton_files[i].name, strlen(cli_skeleton_files[i].name), name, &size);
    char *path = cli_format("%s/%s", folder, file);
    unlink(path);
    free(path);
    free(file);
  }
  if (code != CLI_OK) rmdir(folder);
  return code;
}

static void report(const char *folder, const char *name) {
  json_t *object = cli.json ? cli_json_begin() : NULL, *files = cli.json ? json_array() : NULL;
  for (size_t i = 0; cli_skeleton_files[i].name; i++) {
    size_t size;
    char *file = filled_in(cli_skeleton_files[i].name, strlen(cli_skeleton_files[i].name), name, &size);
    char *path = cli_format("%s/%s", folder, file);
    if (files) {
      cli_json_append(files, cli_json_text(path));
    } else {
      fputs("written: ", stdout);
      cli_put_clean(stdout, path);
      putchar('\n');
    }
    free(path);
    free(file);
  }
  if (object) {
    cli_json_set(object, "name", cli_json_text(name));
    cli_json_set(object, "dir", cli_json_text(folder));
    cli_json_set(object, "files", files);
    cli_json_print(object);
    return;
  }
  cli_note("next: cd %s && cmake -B build && cmake --build build && qengine conform build/%s.so", folder, name);
}

static int make(const char *name, const char *dir) {
  int code = check_name(name);
  if (code != CLI_OK) return code;
  char *folder = dir ? cli_format("%s/%s", dir, name) : cli_format("%s", name);
  if (mkdir(folder, 0777) != 0) {
    code = errno == EEXIST ? cli_error(CLI_FAILED, "%s exists already; take another name, or another --dir", folder)
                           : cli_error(CLI_FAILED, "%s cannot be made: %s", folder, strerror(errno));
  } else {
    code = write_files(folder, name);
    if (code == CLI_OK) report(folder, name);
  }
  free(folder);
  return code;
}

static int run(const cli_command *self, int argc, char **argv) {
  const char *dir = NULL;
  size_t count;
  const char **words = cli_parse(self, parse, &dir, argc, argv, 2, 2, &count);
  int code;
  if (strcmp(words[0], "new") == 0) code = make(words[1], dir);
  else code = cli_usage("'%s' is not 'new'", words[0]);
  free(words);
  return code;
}

const cli_command cli_command_plugin = {
  .name = "plugin",
  .args = "new NAME",
  .summary = "write a new engine's source, ready to build",
  .description =
      "'new' writes a complete plugin into the folder NAME: one C file with int8 Gemm and MatMul kernels, a float Relu "
      "and an observer, a CMakeLists.txt that needs nothing but an installed qengine, and a README. It builds and passes "
      "`qengine conform` as it is. NAME becomes the engine's name: 1 to 31 characters of a-z, 0-9 and _.\n"
      "\n"
      "An existing folder is refused.",
  .examples = "qengine plugin new acme\n"
              "cd acme && cmake -B build && cmake --build build && qengine conform build/acme.so",
  .options = options,
  .run = run,
};
