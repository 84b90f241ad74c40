/* The files of a new plugin (cli/skeleton/), put into the program by cmake/embed.cmake. */
#ifndef QE_CLI_SKELETON_H
#define QE_CLI_SKELETON_H

#include <stddef.h>

/* The word that stands for the plugin's name, in the files' names and texts. */
#define CLI_SKELETON_NAME "my_engine"

typedef struct cli_skeleton_file {
  const char *name;          /* NULL: the end */
  const unsigned char *text; /* not terminated */
  size_t size;
} cli_skeleton_file;

extern const cli_skeleton_file cli_skeleton_files[];

#endif
