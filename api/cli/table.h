/* Text tables on stdout. */
#ifndef QE_CLI_TABLE_H
#define QE_CLI_TABLE_H

#include "cli.h"

typedef struct cli_table cli_table;

/* Columns "node|op|>SQNR dB": '|' separates, '>' aligns to the right. */
cli_table *cli_table_new(const char *columns);
/* The next cell; rows fill from left to right. */
void cli_table_cell(cli_table *table, const char *format, ...) CLI_PRINTF(2, 3);
void cli_table_print(const cli_table *table);
void cli_table_free(cli_table *table);

#endif
