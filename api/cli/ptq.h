/* What `quantize` and `calibrate` share: model, mapping, observers fed with calibration data. */
#ifndef QE_CLI_PTQ_H
#define QE_CLI_PTQ_H

#include "feed.h"

typedef struct cli_ptq {
  qe_model_t *model;              /* loaded, then fused */
  qe_qconfig_mapping_t *mapping;
  qe_prepared_t *prepared;
  int64_t samples, batches;       /* fed so far */
} cli_ptq;

/* Loads a model. CLI_OK or an exit code, message printed; so do the functions below. */
int cli_load_model(const char *path, qe_model_t **out);
/* A preset's name or a JSON file; NULL: "default". */
int cli_load_mapping(const char *qconfig, qe_qconfig_mapping_t **out);
/* Loads and fuses the model, reads the mapping, puts the observers on. */
int cli_ptq_open(const char *model_path, const char *qconfig, bool no_equalization, cli_ptq *out);
/* Feeds the batches of this shard (0-based, of `shards`). Stops between batches when interrupted. Of several processes each
 * has a shard of its own, whatever is asked for, and all end with what all have seen. */
int cli_ptq_calibrate(cli_ptq *ptq, const cli_feed *feed, int64_t shard, int64_t shards);
void cli_ptq_close(cli_ptq *ptq);

#endif
