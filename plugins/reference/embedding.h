/* What Embedding and EmbeddingBag share: rows of a table of float32 or of codes with a scale and offset of every row. */
#ifndef QE_REFERENCE_EMBEDDING_H
#define QE_REFERENCE_EMBEDDING_H

#include "ref.h"

typedef struct ref_rows {
  uint32_t scale_at; /* the input that holds scales; offsets are the next one */
  bool plain;        /* a table of float32 is possible */
  const void *data, *indices;
  uint8_t dtype, index_dtype;
  int64_t rows, size;
  const float *scale, *offset; /* of every row; offset NULL: none */
} ref_rows;

/* supports() of the table, its parameters and the indices (input 1). */
int ref_rows_check(const qe_problem *p, const ref_rows *r, char *reason, size_t reason_size);
/* Fills all but scale_at and plain. */
void ref_rows_start(ref_rows *r, const qe_call *call);
/* The row that index i names, or -1: out of range. */
int64_t ref_rows_index(const ref_rows *r, int64_t i);
/* Element d of a row. */
float ref_rows_value(const ref_rows *r, int64_t row, int64_t d);

#endif
