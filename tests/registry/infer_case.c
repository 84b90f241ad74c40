/* Reads, runs and compares inference cases (infer_case.h). */
#include "infer_case.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct {
  const char *name;
  qe_dtype_t dtype;
} types[] = {{"f32", QE_FLOAT32}, {"f64", QE_FLOAT64}, {"f16", QE_FLOAT16}, {"u8", QE_UINT8},
             {"i8", QE_INT8},     {"i16", QE_INT16},   {"u16", QE_UINT16},  {"i32", QE_INT32},
             {"i64", QE_INT64},   {"bool", QE_BOOL},   {"u64", QE_UINT64},  {"u4", QE_UINT4},
             {"i4", QE_INT4}};

static qe_dtype_t read_type(const char **at) {
  for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
    const size_t n = strlen(types[i].name);
    if (strncmp(*at, types[i].name, n) == 0 && (*at)[n] == '[') {
      *at += n;
      return types[i].dtype;
    }
  }
  cr_assert_fail("bad case text at '%s'", *at);
  return QE_DTYPE_NONE;
}

/* "[1,2]" */
static size_t read_list(const char **at, int64_t *out, size_t capacity) {
  size_t n = 0;
  cr_assert_eq(**at, '[');
  (*at)++;
  while (**at != ']') {
    char *end;
    cr_assert_lt(n, capacity);
    out[n++] = strtoll(*at, &end, 10);
    cr_assert_neq(end, *at, "bad list at '%s'", *at);
    *at = *end == ',' ? end + 1 : end;
  }
  (*at)++;
  return n;
}

static void store(qe_tensor_t *t, int64_t i, const char *text, char **end) {
  void *data = qe_tensor_data(t);
  switch (t->dtype) {
    case QE_FLOAT32: ((float *)data)[i] = strtof(text, end); break;
    case QE_FLOAT64: ((double *)data)[i] = strtod(text, end); break;
    case QE_INT32: ((int32_t *)data)[i] = (int32_t)strtol(text, end, 10); break;
    case QE_INT16: ((int16_t *)data)[i] = (int16_t)strtol(text, end, 10); break;
    case QE_UINT8: ((uint8_t *)data)[i] = (uint8_t)strtol(text, end, 10); break;
    default: ((int64_t *)data)[i] = strtoll(text, end, 10); break;
  }
}

static void read_inputs(infer_run *r, const char *at) {
  while (*at != '\0') {
    cr_assert_lt(r->n_in, MAX_IN);
    qe__operand_info *in = &r->in[r->n_in];
    if (*at == '-') {
      at++;
    } else {
      in->present = true;
      in->dtype = read_type(&at);
      in->rank = (uint32_t)read_list(&at, in->dims, QE_MAX_RANK);
      if (*at == '=') {
        cr_assert_eq(qe_tensor_create(in->dtype, in->rank, in->dims, &r->data[r->n_in]), QE_OK);
        for (int64_t i = 0; i < r->data[r->n_in]->count; i++) {
          char *end;
          store(r->data[r->n_in], i, at + 1, &end);
          at = end;
        }
        if (*at == '=') at++;
        in->data = r->data[r->n_in];
      }
    }
    r->n_in++;
    cr_assert(*at == ' ' || *at == '\0', "bad inputs at '%s'", at);
    while (*at == ' ') at++;
  }
}

static void read_attribute_value(qe__node *n, const char *name, const char **at) {
  const char *p = *at;
  if (*p == '\'' || (p[0] == '[' && p[1] == '\'')) {
    char text[4][32];
    const char *list[4];
    size_t count = 0;
    const bool single = *p == '\'';
    while (*p != '\0' && *p != ' ' && *p != ']') {
      p++;
      const size_t length = strcspn(p + (*p == '\''), "'");
      p += *p == '\'';
      cr_assert(count < 4 && length < 32);
      memcpy(text[count], p, length);
      text[count][length] = '\0';
      list[count] = text[count];
      count++;
      p += length + 1;
    }
    if (*p == ']') p++;
    cr_assert_eq(single ? qe__node_set_string(n, name, list[0]) : qe__node_set_strings(n, name, list, count), QE_OK);
  } else if (*p == '[') {
    int64_t values[16];
    const size_t count = read_list(&p, values, 16);
    cr_assert_eq(qe__node_set_ints(n, name, values, count), QE_OK);
  } else {
    char *end;
    const size_t length = strcspn(p, " ");
    if (memchr(p, '.', length) != NULL) {
      cr_assert_eq(qe__node_set_float(n, name, strtof(p, &end)), QE_OK);
    } else {
      cr_assert_eq(qe__node_set_int(n, name, strtoll(p, &end, 10)), QE_OK);
    }
    p = end;
  }
  *at = p;
}

static void read_attributes(qe__node *n, const char *at) {
  while (*at != '\0') {
    char name[64];
    const size_t length = strcspn(at, "=");
    cr_assert_lt(length, sizeof name);
    memcpy(name, at, length);
    name[length] = '\0';
    at += length + 1;
    if (strcmp(name, "quantized") == 0) {
      n->quantized = *at++ == '1';
    } else {
      read_attribute_value(n, name, &at);
    }
    while (*at == ' ') at++;
  }
}

void infer_begin(infer_run *r, const infer_case *c, uint32_t n_out) {
  memset(r, 0, sizeof *r);
  read_inputs(r, c->inputs);
  r->n_out = n_out;
  if (n_out == 0) {
    r->n_out = 1;
    for (const char *p = c->expected; *c->expected != '!' && *p != '\0'; p++) r->n_out += *p == ' ';
  }
  qe__value_id in[MAX_IN], out[MAX_OUT];
  cr_assert_eq(qe__graph_create(&r->graph), QE_OK);
  for (uint32_t i = 0; i < r->n_in; i++) {
    in[i] = QE__NO_VALUE;
    if (r->in[i].present) cr_assert_eq(qe__graph_add_value(r->graph, NULL, r->in[i].dtype, &in[i]), QE_OK);
  }
  for (uint32_t i = 0; i < r->n_out; i++) {
    cr_assert_eq(qe__graph_add_value(r->graph, NULL, QE_DTYPE_NONE, &out[i]), QE_OK);
    r->out[i].present = true;
  }
  cr_assert_eq(qe__graph_add_node(r->graph, c->op, "n", r->n_in, in, r->n_out, out, &r->node), QE_OK, "%s",
               qe_last_error());
  read_attributes(r->node, c->attributes);
}

void infer_finish(infer_run *r) {
  qe__infer_ctx ctx = {
      .node = r->node, .n_in = r->n_in, .n_out = r->n_out, .in = r->in, .out = r->out, .params = &r->params};
  memset(&r->params, 0x5a, sizeof r->params); /* inference clears it */
  r->status = qe__op_infer(&ctx);
}

void infer_free(infer_run *r) {
  for (uint32_t i = 0; i < MAX_IN; i++) qe_tensor_release(&r->data[i]);
  qe__graph_destroy(&r->graph);
}

const char *infer_text(const infer_run *r, char *buffer, size_t size) {
  size_t used = 0;
  buffer[0] = '\0';
  for (uint32_t i = 0; i < r->n_out; i++) {
    const char *type = "?";
    char dims[200];
    for (size_t k = 0; k < sizeof types / sizeof types[0]; k++) {
      if (types[k].dtype == r->out[i].dtype) type = types[k].name;
    }
    used += (size_t)snprintf(buffer + used, size - used, "%s%s%s", i > 0 ? " " : "", type,
                             qe__dims_text(r->out[i].rank, r->out[i].dims, dims, sizeof dims));
  }
  return buffer;
}

static void compare(const infer_run *r, const infer_case *c) {
  char found[1024];
  if (c->expected[0] == '!') {
    cr_assert_neq(r->status, QE_OK, "%s(%s) %s: expected an error, found %s", c->op, c->inputs, c->attributes,
                  infer_text(r, found, sizeof found));
    cr_assert_not_null(strstr(qe_last_error(), c->expected + 2), "%s(%s) %s: expected '%s' in '%s'", c->op, c->inputs,
                       c->attributes, c->expected + 2, qe_last_error());
    cr_assert_not_null(strstr(qe_last_error(), "node 'n' ("), "'%s' does not name the node", qe_last_error());
    return;
  }
  cr_assert_eq(r->status, QE_OK, "%s(%s) %s: %s", c->op, c->inputs, c->attributes, qe_last_error());
  infer_text(r, found, sizeof found);
  cr_assert_str_eq(found, c->expected, "%s(%s) %s: found %s, expected %s", c->op, c->inputs, c->attributes, found,
                   c->expected);
}

void check_cases(const infer_case *cases, size_t count) {
  for (size_t i = 0; i < count; i++) {
    infer_run r;
    infer_begin(&r, &cases[i], 0);
    infer_finish(&r);
    compare(&r, &cases[i]);
    infer_free(&r);
  }
}

void run_case(infer_run *r, const infer_case *c) {
  infer_begin(r, c, 0);
  infer_finish(r);
  compare(r, c);
}
