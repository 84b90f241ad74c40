/* `qengine stats`: merge and show calibration statistics. */
#include <stdlib.h>
#include <string.h>

#include "command.h"
#include "json.h"
#include "table.h"

enum { KEY_FORCE = 0x100 };

static const struct argp_option options[] = {
  { "output", 'o', "STATS", 0, "merge: the merged file (required)", 0 },
  { "force", KEY_FORCE, NULL, 0, "merge: overwrite STATS", 0 },
  { 0 },
};

typedef struct stats_args {
  const char *output;
  bool force;
} stats_args;

static error_t parse(int key, char *arg, struct argp_state *state) {
  stats_args *a = state->input;
  switch (key) {
    case 'o': a->output = arg; return 0;
    case KEY_FORCE: a->force = true; return 0;
    default: return ARGP_ERR_UNKNOWN;
  }
}

static int merge(const stats_args *a, const char *const *files, size_t count) {
  if (!a->output) return cli_usage("merge: -o STATS is missing");
  if (count != 2) return cli_usage("merge takes two files, %zu were given", count);
  const int code = cli_output_check(a->output, a->force);
  if (code) return code;
  const qe_status_t status = qe_stats_merge(files[0], files[1], a->output, a->force);
  if (status != QE_OK) return cli_fail(status, "merging %s and %s", files[0], files[1]);
  if (cli.json) {
    json_t *object = cli_json_begin();
    json_t *inputs = json_array();
    for (size_t i = 0; i < count; i++) cli_json_append(inputs, cli_json_text(files[i]));
    cli_json_set(object, "inputs", inputs);
    cli_json_set(object, "output", cli_json_text(a->output));
    cli_json_print(object);
  } else {
    fputs("written: ", stdout);
    cli_put_clean(stdout, a->output);
    putchar('\n');
  }
  return CLI_OK;
}

/* One value of the dump in a cell: numbers and texts as they are, long arrays by their length. */
static char *cell_text(const json_t *value) {
  if (json_is_string(value)) return cli_format("%s", json_string_value(value));
  if (json_is_integer(value)) return cli_format("%lld", (long long)json_integer_value(value));
  if (json_is_real(value)) return cli_format("%.6g", json_real_value(value));
  if (json_is_boolean(value)) return cli_format("%s", json_is_true(value) ? "yes" : "no");
  if (json_array_size(value) == 1) return cell_text(json_array_get(value, 0));
  if (json_is_array(value)) return cli_format("[%zu values]", json_array_size(value));
  if (json_is_object(value)) return cli_format("{%zu}", json_object_size(value));
  return cli_format("-");
}

/* An array of objects as a table whose columns are the keys of the first one. */
static void print_rows(json_t *rows) {
  json_t *first = json_array_get(rows, 0);
  char *columns = NULL;
  const char *key;
  json_t *value;
  json_object_foreach(first, key, value) {
    char *longer =
        cli_format("%s%s%s%s", columns ? columns : "", columns ? "|" : "", json_is_number(value) ? ">" : "", key);
    free(columns);
    columns = longer;
  }
  if (!columns) return;
  cli_table *table = cli_table_new(columns);
  for (size_t i = 0; i < json_array_size(rows); i++) {
    json_object_foreach(first, key, value) {
      char *text = cell_text(json_object_get(json_array_get(rows, i), key));
      cli_table_cell(table, "%s", text);
      free(text);
    }
  }
  cli_table_print(table);
  cli_table_free(table);
  free(columns);
}

static int show(const char *path) {
  char *text = NULL;
  const qe_status_t status = qe_stats_dump(path, &text);
  if (status != QE_OK) return cli_fail(status, "%s", path);
  json_error_t error;
  json_t *dump = json_loads(text, 0, &error);
  qe_string_free(text);
  if (!dump) return cli_error(CLI_FAILED, "%s: its dump cannot be read: %s", path, error.text);
  if (cli.json) {
    json_t *object = cli_json_begin();
    cli_json_set(object, "file", cli_json_text(path));
    cli_json_set(object, "stats", dump);
    cli_json_print(object);
    return CLI_OK;
  }
  const char *key;
  json_t *value;
  json_object_foreach(dump, key, value) {
    if (json_is_array(value) && json_is_object(json_array_get(value, 0))) continue;
    char *cell = cell_text(value);
    fprintf(stdout, "%s: ", key);
    cli_put_clean(stdout, cell);
    putchar('\n');
    free(cell);
  }
  json_object_foreach(dump, key, value) {
    if (!json_is_array(value) || !json_is_object(json_array_get(value, 0))) continue;
    printf("\n%s:\n", key);
    print_rows(value);
  }
  json_decref(dump);
  return CLI_OK;
}

static int run(const cli_command *self, int argc, char **argv) {
  stats_args a = { 0 };
  size_t count;
  const char **texts = cli_parse(self, parse, &a, argc, argv, 0, 64, &count);
  int code;
  if (count == 0) code = cli_usage("say `stats merge A B -o C` or `stats show A`");
  else if (strcmp(texts[0], "merge") == 0) code = merge(&a, texts + 1, count - 1);
  else if (strcmp(texts[0], "show") == 0) code = count == 2 ? show(texts[1]) : cli_usage("show takes one file");
  else code = cli_usage("stats: '%s' is neither merge nor show", texts[0]);
  free(texts);
  return code;
}

const cli_command cli_command_stats = {
  .name = "stats",
  .args = "merge A B\nshow A",
  .summary = "merge or show calibration statistics",
  .description = "merge adds the statistics of B to those of A and writes the sum; both must come from the same model "
                 "and qconfig. show prints what a "
                 "file holds.",
  .examples = "qengine stats merge a.stats b.stats -o both.stats\nqengine stats show both.stats",
  .options = options,
  .run = run,
};
