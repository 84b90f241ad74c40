/* Hash table of names: linear probing, at most half full, entries are never removed (only marked unused). */
#include "graph/names.h"

#include <string.h>

#include "base/memory.h"

struct qe__names {
  qe__name *slots;
  size_t capacity; /* a power of two */
  size_t count;
};

static uint64_t hash_of(const char *key) {
  uint64_t h = UINT64_C(0xcbf29ce484222325);
  for (; *key != '\0'; key++) h = (h ^ (uint8_t)*key) * UINT64_C(0x100000001b3);
  return h ^ (h >> 32);
}

qe_status_t qe__names_create(qe__names **out) {
  *out = NULL;
  qe__names *names = qe__calloc(1, sizeof *names);
  if (names == NULL) return QE_ERROR_OUT_OF_MEMORY;
  names->capacity = 64;
  names->slots = qe__calloc(names->capacity, sizeof *names->slots);
  if (names->slots == NULL) {
    qe__free(names);
    return QE_ERROR_OUT_OF_MEMORY;
  }
  *out = names;
  return QE_OK;
}

void qe__names_destroy(qe__names **names) {
  if (*names == NULL) return;
  for (size_t i = 0; i < (*names)->capacity; i++) qe__free((*names)->slots[i].key);
  qe__free((*names)->slots);
  qe__free(*names);
  *names = NULL;
}

/* The slot that holds key, or the free one where it belongs. */
static qe__name *slot_of(qe__name *slots, size_t capacity, const char *key, uint64_t hash) {
  size_t at = (size_t)hash & (capacity - 1);
  while (slots[at].key != NULL && (slots[at].hash != hash || strcmp(slots[at].key, key) != 0))
    at = (at + 1) & (capacity - 1);
  return &slots[at];
}

qe__name *qe__names_find(const qe__names *names, const char *key) {
  qe__name *slot = slot_of(names->slots, names->capacity, key, hash_of(key));
  return slot->key != NULL ? slot : NULL;
}

static qe_status_t grow(qe__names *names) {
  size_t capacity;
  if (!qe__mul_size(names->capacity, 2, &capacity))
    return qe__fail(QE_ERROR_OUT_OF_MEMORY, "too many names in a graph");
  qe__name *slots = qe__calloc(capacity, sizeof *slots);
  if (slots == NULL) return QE_ERROR_OUT_OF_MEMORY;
  for (size_t i = 0; i < names->capacity; i++) {
    const qe__name *old = &names->slots[i];
    if (old->key != NULL) *slot_of(slots, capacity, old->key, old->hash) = *old;
  }
  qe__free(names->slots);
  names->slots = slots;
  names->capacity = capacity;
  return QE_OK;
}

qe__name *qe__names_add(qe__names *names, const char *key) {
  const uint64_t hash = hash_of(key);
  qe__name *slot = slot_of(names->slots, names->capacity, key, hash);
  if (slot->key != NULL) return slot;
  if (names->count + 1 > names->capacity / 2) {
    if (grow(names) != QE_OK) return NULL;
    slot = slot_of(names->slots, names->capacity, key, hash);
  }
  slot->key = qe__strdup(key);
  if (slot->key == NULL) return NULL;
  slot->hash = hash;
  slot->value = -1;
  slot->node = false;
  slot->suffix = 1;
  names->count++;
  return slot;
}

bool qe__names_taken(const qe__names *names, const char *key) {
  const qe__name *entry = qe__names_find(names, key);
  return entry != NULL && (entry->value >= 0 || entry->node);
}
