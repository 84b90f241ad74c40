/* Comparing two forms of one model value by value: what is matched, measured and found to cost quality. */
#ifndef QE_CLI_COMPARE_H
#define QE_CLI_COMPARE_H

#include <jansson.h>

#include "feed.h"
#include "measure.h"

/* One value that both models have. */
typedef struct cli_pair {
  char *name;             /* as shown: A's, but for codes made of a value of A, which have B's */
  char *name_a, *name_b;  /* what to ask the models for */
  char *node, *op;        /* of B: what computes it, dequantizing not counted */
  int32_t value_b, node_b; /* indices in B */
  int32_t codes_b;        /* the codes that a DequantizeLinear makes it of, or -1 */
  bool is_output, skipped; /* skipped: not float on one side, or of another shape */
  cli_difference difference;
  double sqnr, cosine;
} cli_pair;

/* A node of B, its quality before and after. */
typedef struct cli_layer {
  const char *node, *op;       /* belong to the pair */
  double input_sqnr, output_sqnr, drop; /* drop: the difference, with both cut at CLI_GOOD */
} cli_layer;

/* Better than this is as good as exact: a drop from there says what the node itself costs. */
#define CLI_GOOD 60.0

typedef struct cli_comparison {
  const char *path_a, *path_b;
  int64_t samples;
  cli_pair *pairs;     /* worst SQNR first */
  size_t n_pairs;
  cli_layer *layers;   /* costliest first */
  size_t n_layers;
  double output_sqnr;  /* the worst of the outputs */
  json_t *scaled_a, *scaled_b; /* channels that equalization scaled (metadata of A and B), or NULL */
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
