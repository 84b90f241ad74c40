/* See report_build.h. */
#include "conform/report_build.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

/* ---- strings: one chain, freed as a whole ---- */

typedef struct text_node {
  struct text_node *next;
  char text[];
} text_node;

/* Length of the UTF-8 sequence at s, 0 when it is none. */
static size_t sequence_length(const unsigned char *s) {
  const size_t n = s[0] < 0x80                   ? 1
                   : s[0] >= 0xc2 && s[0] < 0xe0 ? 2
                   : s[0] >= 0xe0 && s[0] < 0xf0 ? 3
                   : s[0] >= 0xf0 && s[0] < 0xf5 ? 4
                                                 : 0;
  for (size_t i = 1; i < n; i++)
    if ((s[i] & 0xc0) != 0x80) return 0;
  const bool bad = (s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f) || (s[0] == 0xf0 && s[1] < 0x90) ||
                   (s[0] == 0xf4 && s[1] > 0x8f);
  return bad ? 0 : n;
}

static void make_clean(char *text) {
  for (unsigned char *s = (unsigned char *)text; *s != '\0';) {
    const size_t n = sequence_length(s);
    if (n == 0 || (*s < 0x20 && *s != '\n') || *s == 0x7f) *s = '?';
    s += n > 0 ? n : 1;
  }
}

const char *qe__report_text(qe_conform_report_t *r, const char *text) {
  if (text == NULL || text[0] == '\0') return "";
  const size_t length = strlen(text);
  text_node *node = qe__calloc(1, sizeof *node + length + 1);
  if (node == NULL) return NULL;
  memcpy(node->text, text, length + 1);
  make_clean(node->text);
  node->next = r->texts;
  r->texts = node;
  return node->text;
}

qe_status_t qe__report_set(qe_conform_report_t *r, const char **field, const char *text) {
  const char *copy = qe__report_text(r, text);
  if (copy == NULL) return QE_ERROR_OUT_OF_MEMORY;
  *field = copy;
  return QE_OK;
}

void qe_conform_report_destroy(qe_conform_report_t **report) {
  if (report == NULL || *report == NULL) return;
  qe_conform_report_t *r = *report;
  for (text_node *node = r->texts, *next; node != NULL; node = next) {
    next = node->next;
    qe__free(node);
  }
  qe__free(r->kernels);
  qe__free(r->expected);
  qe__free(r->records);
  qe__free(r->times);
  qe__free(r->problems);
  qe__free(r);
  *report = NULL;
}

/* ---- what the workers report ---- */

qe_status_t qe__report_hello(qe_conform_report_t *r, const qe__hello *h) {
  qe_conform_info_t *i = &r->info;
  i->abi_major = h->abi_major;
  i->abi_minor = h->abi_minor;
  i->cores = h->cores;
  QE_TRY(qe__report_set(r, &i->engine, h->engine));
  QE_TRY(qe__report_set(r, &i->vendor, h->vendor));
  QE_TRY(qe__report_set(r, &i->version, h->version));
  QE_TRY(qe__report_set(r, &i->path, h->path));
  return qe__report_set(r, &i->isa, h->isa);
}

qe_status_t qe__report_kernel(qe_conform_report_t *r, const qe__kernel_facts *facts, const char *isa_mask) {
  QE_TRY(qe__grow((void **)&r->kernels, &r->kernel_capacity, r->n_kernels, sizeof *r->kernels));
  QE_TRY(qe__grow((void **)&r->expected, &r->expected_capacity, r->n_kernels, sizeof *r->expected));
  qe_conform_kernel_t *k = &r->kernels[r->n_kernels];
  memset(k, 0, sizeof *k);
  QE_TRY(qe__report_set(r, &k->name, facts->name));
  QE_TRY(qe__report_set(r, &k->op, facts->op));
  QE_TRY(qe__report_set(r, &k->dtypes, facts->dtypes));
  QE_TRY(qe__report_set(r, &k->isa_mask, isa_mask));
  k->claimed = (int)facts->claimed;
  k->observed = -1;
  r->expected[r->n_kernels++] = facts->cases;
  return QE_OK;
}

qe_status_t qe__report_set_detail(qe_conform_report_t *r, const char **field, const char *detail) {
  const char *repro = strstr(detail, "repro: ");
  if (repro == NULL) return qe__report_set(r, field, detail);
  const size_t length = (size_t)(repro - detail) + strcspn(repro, "\n");
  const bool other = strcmp(r->info.against, "reference") != 0;
  const char *replay = r->info.replay != NULL ? r->info.replay : "";
  const size_t size = strlen(detail) + strlen(replay) + strlen(r->info.against) + 64;
  char *whole = qe__calloc(size, 1);
  if (whole == NULL) return QE_ERROR_OUT_OF_MEMORY;
  snprintf(whole, size, "%.*s --seed %llu%s%s%s%s", (int)length, detail, (unsigned long long)r->info.seed, replay,
           other ? " --against " : "", other ? r->info.against : "", detail + length);
  const qe_status_t status = qe__report_set(r, field, whole);
  qe__free(whole);
  return status;
}

qe_status_t qe__report_case(qe_conform_report_t *r, uint32_t pass, size_t first_kernel, const qe__outcome *o) {
  if (first_kernel + o->kernel >= r->n_kernels)
    return qe__fail(QE_ERROR_INTERNAL, "a case of a kernel that was not announced");
  QE_TRY(qe__grow((void **)&r->records, &r->record_capacity, r->n_records, sizeof *r->records));
  qe__record *record = &r->records[r->n_records];
  memset(record, 0, sizeof *record);
  record->pass = pass;
  record->index = o->index;
  record->sequence = r->n_records;
  qe_conform_case_t *c = &record->c;
  c->kernel = (uint32_t)first_kernel + o->kernel;
  c->verdict = (qe_conform_verdict_t)o->result.verdict;
  c->must = o->must;
  c->level = o->result.level <= QE_EXACT_E4 ? (int)o->result.level : -1;
  c->elements = o->result.elements;
  c->wrong = o->result.wrong;
  c->worst = o->result.worst;
  c->seconds = o->seconds;
  c->macs = o->result.macs;
  c->waiver = c->minimal = c->minimal_detail = "";
  QE_TRY(qe__report_set(r, &c->text, o->text));
  QE_TRY(qe__report_set(r, &c->check, o->result.check));
  QE_TRY(qe__report_set_detail(r, &c->detail, o->result.detail));
  r->n_records++;
  return QE_OK;
}

qe_status_t qe__report_problem(qe_conform_report_t *r, const char *format, ...) {
  char line[600];
  va_list args;
  va_start(args, format);
  vsnprintf(line, sizeof line, format, args);
  va_end(args);
  QE_TRY(qe__grow((void **)&r->problems, &r->problem_capacity, r->n_problems, sizeof *r->problems));
  QE_TRY(qe__report_set(r, &r->problems[r->n_problems], line));
  r->n_problems++;
  return QE_OK;
}

/* ---- order ---- */

static int compare_places(const void *a, const void *b) {
  const qe__record *x = a, *y = b;
  if (x->pass != y->pass) return x->pass < y->pass ? -1 : 1;
  if (x->index != y->index) return x->index < y->index ? -1 : 1;
  return x->sequence < y->sequence ? -1 : x->sequence > y->sequence;
}

static int compare_texts(const void *a, const void *b) {
  const qe__record *x = *(qe__record *const *)a, *y = *(qe__record *const *)b;
  if (x->pass != y->pass) return x->pass < y->pass ? -1 : 1;
  const int texts = strcmp(x->c.text, y->c.text);
  if (texts != 0) return texts;
  return x->index < y->index ? -1 : x->index > y->index;
}

/* A must-pass case that every kernel declines: no kernel of the engine serves what every engine has to serve. */
static qe_status_t fail_declined(qe_conform_report_t *r) {
  qe_status_t status = QE_OK;
  qe__record **sorted = qe__calloc(r->n_records, sizeof(qe__record *));
  if (sorted == NULL) return QE_ERROR_OUT_OF_MEMORY;
  for (size_t i = 0; i < r->n_records; i++) sorted[i] = &r->records[i];
  if (r->n_records > 0) qsort(sorted, r->n_records, sizeof(qe__record *), compare_texts);
  for (size_t i = 0, next; i < r->n_records && status == QE_OK; i = next) {
    bool declined = sorted[i]->c.must != 0;
    for (next = i; next < r->n_records && sorted[next]->pass == sorted[i]->pass &&
                   strcmp(sorted[next]->c.text, sorted[i]->c.text) == 0;
         next++)
      declined = declined && sorted[next]->c.verdict == QE_CONFORM_UNSUPPORTED;
    if (!declined) continue;
    char detail[1400];
    qe_conform_case_t *c = &sorted[i]->c;
    snprintf(detail, sizeof detail, "a must-pass case that no kernel of the engine supports\n%s", c->detail);
    c->verdict = QE_CONFORM_FAIL;
    status = qe__report_set(r, &c->check, "unsupported");
    if (status == QE_OK) status = qe__report_set(r, &c->detail, detail);
  }
  qe__free(sorted);
  return status;
}

qe_status_t qe__report_settle(qe_conform_report_t *r) {
  if (r->n_records > 0) qsort(r->records, r->n_records, sizeof *r->records, compare_places);
  size_t kept = 0;
  for (size_t i = 0; i < r->n_records; i++) {
    const bool superseded = i + 1 < r->n_records && r->records[i + 1].pass == r->records[i].pass &&
                            r->records[i + 1].index == r->records[i].index;
    if (!superseded) r->records[kept++] = r->records[i];
  }
  r->n_records = kept;
  return fail_declined(r);
}

qe_status_t qe__finish_text(FILE *f, char **buffer, char **text) {
  if (fclose(f) != 0 || *buffer == NULL) {
    free(*buffer);
    return qe__fail(QE_ERROR_OUT_OF_MEMORY, "out of memory while writing a report");
  }
  *text = *buffer;
  return QE_OK;
}
