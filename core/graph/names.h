/* The names in use in one graph: an open-addressing hash table that owns its keys. */
#ifndef QE_CORE_GRAPH_NAMES_H
#define QE_CORE_GRAPH_NAMES_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"

typedef struct qe__name {
  char *key; /* NULL: free slot */
  uint64_t hash;
  int32_t value;   /* id of the value of this name, or -1 */
  bool node;       /* a node has this name */
  uint32_t suffix; /* first suffix not tried yet for fresh names made from this key */
} qe__name;

typedef struct qe__names qe__names;

qe_status_t qe__names_create(qe__names **out);
void qe__names_destroy(qe__names **names);
/* NULL when the table has no such key. Valid until the next qe__names_add. */
qe__name *qe__names_find(const qe__names *names, const char *key);
/* The entry of key, added (value -1, no node) when it is new; NULL when out of memory. Same validity. */
qe__name *qe__names_add(qe__names *names, const char *key);
/* True when a value or a node has this name. */
bool qe__names_taken(const qe__names *names, const char *key);

#endif
