/* Comparing two forms of one model value by value: what is matched, measured and found to cost quality. */
#ifndef QE_CLI_COMPARE_H
#define QE_CLI_COMPARE_H

#include "feed.h"
#include "measure.h"

/* One value that both models have. */
typedef struct cli_pair {
  char *name;          /* in A */
  char *name_b;        /* in B: the same, but for outputs matched by position */
  char *node, *op;     /* of B, which computes it; "" when there is none */
  int32_t value_b;     /* index in B */
  bool is_output, skipped; /* skipped: not float on one side, or of another shape */
  cli_difference difference;
  double sqnr, cosine;
} cli_pair;

/* A node of B, its quality before and after. */
typedef struct cli_layer {
  const char *node, *op;       /* belong to the pair */
  double input_sqnr, output_sqnr, drop; /* drop: min(input, CLI_INPUT_MOST) - output */
} cli_layer;

/* Inputs better than this are as good as exact: a drop from there says what the node itself costs. */
#define CLI_INPUT_MOST 60.0

typedef struct cli_comparison {
  const char *path_a, *path_b;
  int64_t samples;
  cli_pair *pairs;     /* worst SQNR first */
  size_t n_pairs;
  cli_layer *layers;   /* costliest first */
  size_t n_layers;
  double output_sqnr;  /* the worst of the outputs */
  bool has_min, passed;
  double min_sqnr;
} cli_comparison;

/* Finds the pairs. CLI_OK or an exit code, message printed; so do the functions below. */
int cli_compare_match(const qe_model_t *a, const qe_model_t *b, cli_comparison *out);
/* Runs both over the data and fills in the pairs. */
int cli_compare_measure(const qe_model_t *a, const qe_model_t *b, const cli_feed *feed, cli_comparison *c);
/* Ranks pairs and layers. */
void cli_compare_rank(const qe_model_t *b, cli_comparison *c);
void cli_compare_free(cli_comparison *c);

/* A page that stands alone: tables and bars as inline SVG. free() it. */
char *cli_compare_html(const cli_comparison *c);

#endif
