/* Man pages from the same tables that parse the command line: qengine.1 and one page for each subcommand. */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"

/* Text with roff's special characters made plain; a paragraph break at each empty line. */
static void put_text(FILE *f, const char *text) {
  bool line_start = true;
  for (; *text; text++) {
    if (text[0] == '\n' && text[1] == '\n') {
      fputs("\n.PP\n", f);
      text++;
      line_start = true;
      continue;
    }
    if (*text == '\\') fputs("\\e", f);
    else if (*text == '-') fputs("\\-", f);
    else if (line_start && (*text == '.' || *text == '\'')) fprintf(f, "\\&%c", *text);
    else fputc(*text, f);
    line_start = *text == '\n';
  }
}

static void put_lines(FILE *f, const char *text) {
  fputs(".nf\n", f);
  put_text(f, text);
  fputs("\n.fi\n", f);
}

static void put_options(FILE *f, const struct argp_option *options) {
  for (const struct argp_option *o = options; o && (o->name || o->key); o++) {
    if (o->flags & OPTION_HIDDEN) continue;
    fputs(".TP\n", f);
    if (o->key > 0 && o->key < 0x80 && isprint(o->key)) fprintf(f, "\\fB\\-%c\\fR, ", o->key);
    fputs("\\fB\\-\\-", f);
    put_text(f, o->name);
    fputs("\\fR", f);
    if (o->arg) {
      fputs("=\\fI", f);
      put_text(f, o->arg);
      fputs("\\fR", f);
    }
    fputc('\n', f);
    put_text(f, o->doc);
    fputs(".\n", f);
  }
}

static void put_common(FILE *f) {
  fputs(".SH COMMON OPTIONS\n", f);
  put_options(f, cli_common_options);
  fputs(".SH EXIT STATUS\n0 done; 1 failed; 2 wrong command line; 3 tolerance exceeded; 4 unsupported, or strict "
        "placement violated; "
        "5 engine could not be loaded; 130 interrupted.\n",
        f);
}

static void put_environment(FILE *f) {
  static const char *const variables[][2] = {
    { "QUANTIZED_ENGINE", "the engine for quantized ops, or none" },
    { "QENGINE_PLUGIN_PATH", "folders with engines, separated by colons, before the installed ones" },
    { "QENGINE_THREADS", "threads to compute with" },
    { "QENGINE_LOG", "error, warning, info or debug" },
    { "QENGINE_CPU_MASK", "caps the instruction sets in use" },
    { "NO_COLOR", "no colours when set" },
  };
  fputs(".SH ENVIRONMENT\n", f);
  for (size_t i = 0; i < sizeof variables / sizeof variables[0]; i++)
    fprintf(f, ".TP\n.B %s\n%s.\n", variables[i][0], variables[i][1]);
}

static int close_page(FILE *f, char **text, size_t *size, const char *path) {
  if (fclose(f) != 0) cli_out_of_memory();
  const int code = cli_write_file(path, *text, *size, true);
  free(*text);
  return code;
}

static int command_page(const cli_command *command, const char *folder) {
  char *text = NULL, *path = cli_format("%s/qengine-%s.1", folder, command->name);
  size_t size = 0;
  FILE *f = open_memstream(&text, &size);
  if (!f) cli_out_of_memory();
  fprintf(f, ".TH QENGINE\\-%s 1 \"\" \"qengine %s\"\n.SH NAME\nqengine\\-%s \\- ", command->name, QE_VERSION,
          command->name);
  put_text(f, command->summary);
  fputs("\n.SH SYNOPSIS\n", f);
  for (const char *args = command->args;;) { /* one form a line */
    const size_t length = strcspn(args, "\n");
    fprintf(f, ".B qengine %s\n[\\fIOPTION\\fR...] %.*s\n", command->name, (int)length, args);
    if (!args[length]) break;
    fputs(".br\n", f);
    args += length + 1;
  }
  fputs(".SH DESCRIPTION\n", f);
  put_text(f, command->description);
  if (command->options->name) {
    fputs("\n.SH OPTIONS", f);
    fputc('\n', f);
    put_options(f, command->options);
  } else {
    fputc('\n', f);
  }
  put_common(f);
  if (command->examples) {
    fputs(".SH EXAMPLES\n", f);
    put_lines(f, command->examples);
  }
  fputs(".SH SEE ALSO\n.BR qengine (1)\n", f);
  const int code = close_page(f, &text, &size, path);
  free(path);
  return code;
}

static int main_page(const char *folder) {
  char *text = NULL, *path = cli_format("%s/qengine.1", folder);
  size_t size = 0;
  FILE *f = open_memstream(&text, &size);
  if (!f) cli_out_of_memory();
  fprintf(f, ".TH QENGINE 1 \"\" \"qengine %s\"\n.SH NAME\nqengine \\- quantize neural networks and run them in int8\n"
             ".SH SYNOPSIS\n.B qengine\n\\fICOMMAND\\fR [\\fIOPTION\\fR...]\n.SH DESCRIPTION\n", QE_VERSION);
  put_text(f, "Reads a float ONNX model, quantizes it and writes a quantized ONNX model; runs, evaluates, compares and "
              "explains models. Data goes to "
              "standard output, messages to standard error. Files are written whole or not at all, and existing ones "
              "are kept unless --force is given.\n\n"
              "Data files are npy (no pickles), npz, idx (also gzipped) or ONNX TensorProto .pb; samples are counted "
              "along the first dimension.");
  fputs("\n.SH COMMANDS\n", f);
  for (size_t i = 0; cli_commands[i]; i++) {
    fprintf(f, ".TP\n.BR qengine\\-%s (1)\n", cli_commands[i]->name);
    put_text(f, cli_commands[i]->summary);
    fputs(".\n", f);
  }
  put_common(f);
  put_environment(f);
  const int code = close_page(f, &text, &size, path);
  free(path);
  return code;
}

int cli_generate_man(const char *folder) {
  int code = main_page(folder);
  for (size_t i = 0; cli_commands[i] && !code; i++) code = command_page(cli_commands[i], folder);
  return code;
}
