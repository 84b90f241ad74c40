/* `qengine engines`: every candidate plugin, usable or why not. */
#include <stdlib.h>
#include <string.h>

#include "command.h"
#include "json.h"
#include "probe.h"
#include "table.h"

enum { KEY_PROBE = 0x100, KEY_PROBE_ONE };

static const struct argp_option options[] = {
  { "probe", KEY_PROBE, NULL, 0,
    "load each candidate in a process of its own first, so that a crash or hang is reported, not suffered", 0 },
  { "probe-one", KEY_PROBE_ONE, "PATH", OPTION_HIDDEN, "load one candidate and exit", 0 },
  { 0 },
};

typedef struct engines_args {
  bool probe;
  const char *probe_one;
} engines_args;

static error_t parse(int key, char *arg, struct argp_state *state) {
  engines_args *a = state->input;
  switch (key) {
    case KEY_PROBE: a->probe = true; return 0;
    case KEY_PROBE_ONE: a->probe_one = arg; return 0;
    default: return ARGP_ERR_UNKNOWN;
  }
}

/* Collects rows for either kind of output. */
typedef struct listing {
  json_t *engines;
  cli_table *table;
  bool any_selected;
} listing;

static listing begin(void) {
  return (listing){ json_array(),
                    cli_table_new("engine|usable|>kernels|>observers|isa|version|vendor|path or reason"), false };
}

static void add(listing *l, const qe_engine_info_t *e) {
  l->any_selected = l->any_selected || e->selected;
  json_t *row = json_object();
  cli_json_set(row, "name", cli_json_text(e->name));
  cli_json_set(row, "path", cli_json_text(e->path));
  cli_json_set(row, "usable", json_boolean(e->usable));
  cli_json_set(row, "reason", cli_json_text(e->reason ? e->reason : ""));
  cli_json_set(row, "selected", json_boolean(e->selected));
  cli_json_set(row, "isa", cli_json_text(e->isa ? e->isa : ""));
  cli_json_set(row, "kernels", cli_json_int(e->kernels));
  cli_json_set(row, "observers", cli_json_int(e->observers));
  cli_json_set(row, "version", cli_json_text(e->version));
  cli_json_set(row, "vendor", cli_json_text(e->vendor));
  cli_json_append(l->engines, row);
  cli_table_cell(l->table, "%s%s", e->selected ? "* " : "  ", e->name ? e->name : "?");
  cli_table_cell(l->table, "%s", e->usable ? "yes" : "no");
  cli_table_cell(l->table, "%u", e->kernels);
  cli_table_cell(l->table, "%u", e->observers);
  cli_table_cell(l->table, "%s", e->isa && e->isa[0] ? e->isa : "-");
  cli_table_cell(l->table, "%s", e->version ? e->version : "-");
  cli_table_cell(l->table, "%s", e->vendor ? e->vendor : "-");
  if (e->usable) cli_table_cell(l->table, "%s", e->path);
  else cli_table_cell(l->table, "%s: %s", e->path, e->reason);
}

static void finish(listing *l) {
  if (cli.json) {
    json_t *object = cli_json_begin();
    cli_json_set(object, "engines", json_incref(l->engines));
    cli_json_set(object, "warnings", cli_json_warnings());
    cli_json_print(object);
  } else if (json_array_size(l->engines) == 0) {
    puts("no engine was found; QENGINE_PLUGIN_PATH says where to look");
  } else {
    cli_table_print(l->table);
    if (l->any_selected) puts("\n* is the engine that quantized ops use now");
  }
  json_decref(l->engines);
  cli_table_free(l->table);
}

static int list_loaded(void) {
  qe_engine_list_t *list = NULL;
  const qe_status_t status = qe_engine_list_create(&list);
  if (status != QE_OK) return cli_fail(status, "looking for engines");
  listing l = begin();
  for (uint32_t i = 0; i < qe_engine_list_count(list); i++) add(&l, qe_engine_list_at(list, i));
  finish(&l);
  qe_engine_list_destroy(&list);
  return CLI_OK;
}

/* Once every candidate survived its probe, they can all be loaded here and say more about themselves. */
static int list_probed(bool *all_survived) {
  cli_probe *probes;
  size_t count;
  *all_survived = true;
  const int code = cli_probe_all(&probes, &count);
  for (size_t i = 0; i < count; i++) *all_survived = *all_survived && probes[i].survived;
  if (!code && !*all_survived) {
    listing l = begin();
    for (size_t i = 0; i < count; i++) {
      const char *slash = strrchr(probes[i].path, '/');
      const qe_engine_info_t info = { .name = slash ? slash + 1 : probes[i].path,
                                      .path = probes[i].path,
                                      .usable = probes[i].reason == NULL,
                                      .reason = probes[i].reason ? probes[i].reason : "" };
      add(&l, &info);
    }
    finish(&l);
  }
  cli_probe_free(probes, count);
  return code;
}

static int run(const cli_command *self, int argc, char **argv) {
  engines_args a = { 0 };
  size_t count;
  free(cli_parse(self, parse, &a, argc, argv, 0, 0, &count));
  if (a.probe_one) return cli_probe_one(a.probe_one);
  bool all_survived = true;
  int code = a.probe ? list_probed(&all_survived) : CLI_OK;
  if (code || !all_survived) return code;
  code = cli_apply_engine();
  return code ? code : list_loaded();
}

const cli_command cli_command_engines = {
  .name = "engines",
  .args = "",
  .summary = "list the engines there are, and why others cannot be used",
  .description = "Lists every candidate plugin on the search path (QENGINE_PLUGIN_PATH, then the installed engines): "
                 "usable, or the reason why it was "
                 "refused; instruction sets, kernels, observers, version.",
  .examples = "qengine engines\nqengine engines --probe --json",
  .options = options,
  .run = run,
};
