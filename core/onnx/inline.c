/* Calls of model-local functions become the function's nodes, with names of their own. */
#include "onnx/inline.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "graph/names.h"
#include "onnx/functions.h"

enum { MAX_DEPTH = 16, MAX_PIECES = 1 << 20, MAX_KEY = 512 };

typedef struct inliner {
  const Onnx__ModelProto *m;
  int64_t opset;
  qe__arena *arena;
  qe__names *functions; /* "domain name": .value is the index */
  qe__names *names;     /* of values and nodes, in the graph and made here */
  Onnx__NodeProto **nodes;
  size_t n_nodes, cap_nodes, made; /* made: nodes, inputs, outputs and attributes */
} inliner;

/* A call being replaced. */
typedef struct call {
  const Onnx__NodeProto *node;
  const Onnx__FunctionProto *f;
  char name[96];    /* of the call, for messages and in front of inner names */
  qe__names *inner; /* of values of the body: .value is an index into `outer` */
  char **outer;
  size_t n_outer, cap_outer;
} call;

static const char *text_of(const char *s) { return s != NULL ? s : ""; }
static const char *domain_of(const char *s) { return s == NULL || strcmp(s, "ai.onnx") == 0 ? "" : s; }
static qe_status_t no_memory(void) { return qe__fail(QE_ERROR_OUT_OF_MEMORY, "out of memory while reading functions"); }

/* false: too long for a function's. */
static bool key_of(const char *domain, const char *name, char key[MAX_KEY]) {
  const int n = snprintf(key, MAX_KEY, "%s %s", domain_of(domain), text_of(name));
  return n > 0 && n < MAX_KEY;
}

static qe_status_t list_functions(inliner *in) {
  char key[MAX_KEY];
  QE_TRY(qe__names_create(&in->functions));
  for (size_t i = 0; i < in->m->n_functions && i < INT32_MAX; i++) {
    if (!key_of(in->m->functions[i]->domain, in->m->functions[i]->name, key)) continue;
    qe__name *entry = qe__names_add(in->functions, key);
    if (entry == NULL) return no_memory();
    if (entry->value < 0) entry->value = (int32_t)i;
  }
  return QE_OK;
}

/* What the node calls, or NULL. */
static const Onnx__FunctionProto *function_of(const inliner *in, const Onnx__NodeProto *n) {
  char key[MAX_KEY];
  const char *op = text_of(n->op_type);
  if (strcmp(domain_of(n->domain), QE__FUNCTION_DOMAIN) == 0 && qe__function_find(op) != NULL) return NULL;
  const qe__name *entry = key_of(n->domain, op, key) ? qe__names_find(in->functions, key) : NULL;
  return entry != NULL ? in->m->functions[entry->value] : NULL;
}

static qe_status_t refuse(const call *c, const char *what) {
  return qe__fail(QE_ERROR_UNSUPPORTED, "node '%s' calls function %.40s%s%.40s, which %s; inline it first (onnx.inliner)",
                  c->name, domain_of(c->f->domain), domain_of(c->f->domain)[0] != '\0' ? "." : "", text_of(c->f->name),
                  what);
}

/* A name that nothing has: base, base_1, ... */
static char *fresh_name(inliner *in, const char *base) {
  qe__name *entry = qe__names_find(in->names, base);
  if (entry == NULL) return qe__names_add(in->names, base) != NULL ? qe__arena_format(in->arena, "%s", base) : NULL;
  for (uint32_t i = entry->suffix > 0 ? entry->suffix : 1;; i++) {
    char *name = qe__arena_format(in->arena, "%s_%u", base, (unsigned)i);
    if (name == NULL) return NULL;
    if (qe__names_find(in->names, name) != NULL) continue;
    if (qe__names_add(in->names, name) == NULL) return NULL;
    qe__names_find(in->names, base)->suffix = i + 1;
    return name;
  }
}

static qe_status_t take_names(inliner *in, size_t n, char **names) {
  for (size_t i = 0; i < n; i++) {
    if (text_of(names[i])[0] != '\0' && qe__names_add(in->names, names[i]) == NULL) return no_memory();
  }
  return QE_OK;
}

static qe_status_t append(inliner *in, Onnx__NodeProto *n) {
  void *array = in->nodes;
  QE_TRY(qe__grow(&array, &in->cap_nodes, in->n_nodes, sizeof(Onnx__NodeProto *)));
  in->nodes = array;
  in->nodes[in->n_nodes++] = n;
  return QE_OK;
}

/* ---- names of the body ---- */

static qe_status_t bind(call *c, const char *inner, char *outer) {
  qe__name *entry = qe__names_add(c->inner, inner);
  if (entry == NULL) return no_memory();
  if (entry->value >= 0) {
    return qe__fail(QE_ERROR_FORMAT, "node '%s' calls function '%.40s', which has the value '%.40s' twice", c->name,
                    text_of(c->f->name), inner);
  }
  void *array = c->outer;
  QE_TRY(qe__grow(&array, &c->cap_outer, c->n_outer, sizeof *c->outer));
  c->outer = array;
  entry->value = (int32_t)c->n_outer;
  c->outer[c->n_outer++] = outer;
  return QE_OK;
}

/* The graph's name for a value of the body; a value that is met first here is the body's own. */
static qe_status_t outer_name(inliner *in, call *c, const char *inner, char **out) {
  static char none[1];
  *out = none;
  if (text_of(inner)[0] == '\0') return QE_OK;
  const qe__name *entry = qe__names_find(c->inner, inner);
  if (entry == NULL) {
    char *base = qe__arena_format(in->arena, "%s/%.200s", c->name, inner);
    char *name = base != NULL ? fresh_name(in, base) : NULL;
    if (name == NULL) return no_memory();
    QE_TRY(bind(c, inner, name));
    *out = name;
    return QE_OK;
  }
  *out = c->outer[entry->value];
  return QE_OK;
}

static qe_status_t bind_parameters(call *c) {
  static char none[1];
  const Onnx__FunctionProto *f = c->f;
  const Onnx__NodeProto *n = c->node;
  if (n->n_input > f->n_input || n->n_output > f->n_output) {
    return qe__fail(QE_ERROR_FORMAT, "node '%s' has %zu inputs and %zu outputs; function '%.40s' has %zu and %zu", c->name,
                    n->n_input, n->n_output, text_of(f->name), f->n_input, f->n_output);
  }
  for (size_t i = 0; i < f->n_input; i++) QE_TRY(bind(c, f->input[i], i < n->n_input ? n->input[i] : none));
  for (size_t i = 0; i < f->n_output; i++) {
    if (i < n->n_output && n->output[i][0] != '\0') QE_TRY(bind(c, f->output[i], n->output[i]));
  }
  return QE_OK;
}

/* ---- nodes of the body ---- */

static const Onnx__AttributeProto *attribute_of(const Onnx__NodeProto *n, const char *name) {
  for (size_t i = 0; i < n->n_attribute; i++) {
    if (strcmp(text_of(n->attribute[i]->name), name) == 0) return n->attribute[i];
  }
  return NULL;
}

/* References to the function's attributes become what the call gives; what it does not give is left out. */
static qe_status_t copy_attributes(inliner *in, const call *c, const Onnx__NodeProto *from, Onnx__NodeProto *to) {
  to->n_attribute = 0;
  to->attribute = qe__arena_alloc(in->arena, from->n_attribute + 1, sizeof(Onnx__AttributeProto *));
  if (to->attribute == NULL) return no_memory();
  for (size_t i = 0; i < from->n_attribute; i++) {
    Onnx__AttributeProto *a = from->attribute[i];
    const char *reference = text_of(a->ref_attr_name);
    if (reference[0] != '\0') {
      const Onnx__AttributeProto *given = attribute_of(c->node, reference);
      if (given == NULL) continue;
      Onnx__AttributeProto *copy = qe__arena_alloc(in->arena, 1, sizeof *copy);
      if (copy == NULL) return no_memory();
      *copy = *given;
      copy->name = a->name;
      a = copy;
    }
    to->attribute[to->n_attribute++] = a;
  }
  return QE_OK;
}

static qe_status_t copy_node(inliner *in, call *c, const Onnx__NodeProto *from, size_t index, Onnx__NodeProto **out) {
  Onnx__NodeProto *n = qe__arena_alloc(in->arena, 1, sizeof *n);
  char **names = qe__arena_alloc(in->arena, from->n_input + from->n_output + 1, sizeof *names);
  if (n == NULL || names == NULL) return no_memory();
  *n = *from;
  n->input = names;
  n->output = names + from->n_input;
  for (size_t i = 0; i < from->n_input; i++) QE_TRY(outer_name(in, c, from->input[i], &n->input[i]));
  for (size_t i = 0; i < from->n_output; i++) QE_TRY(outer_name(in, c, from->output[i], &n->output[i]));
  char *base = text_of(from->name)[0] != '\0'
                   ? qe__arena_format(in->arena, "%s/%.200s", c->name, from->name)
                   : qe__arena_format(in->arena, "%s/%.200s_%zu", c->name, text_of(from->op_type), index);
  if (base == NULL || (n->name = fresh_name(in, base)) == NULL) return no_memory();
  *out = n;
  return copy_attributes(in, c, from, n);
}

static qe_status_t check_function(const inliner *in, const call *c) {
  enum { ATTRIBUTE_PROTO = 11 }; /* attributes with defaults: of newer files, unknown to the messages used here */
  for (unsigned i = 0; i < c->f->base.n_unknown_fields; i++) {
    if (c->f->base.unknown_fields[i].tag == ATTRIBUTE_PROTO) return refuse(c, "has attributes with default values");
  }
  for (size_t i = 0; i < c->f->n_opset_import; i++) {
    const Onnx__OperatorSetIdProto *o = c->f->opset_import[i];
    if (domain_of(o->domain)[0] == '\0' && o->version != in->opset) return refuse(c, "uses another opset than the model");
  }
  return QE_OK;
}

static qe_status_t add_node(inliner *in, Onnx__NodeProto *n, size_t index, int depth);

static qe_status_t replace(inliner *in, const Onnx__NodeProto *n, size_t index, const Onnx__FunctionProto *f,
                           int depth) {
  call c = {.node = n, .f = f};
  qe_status_t status;
  if (text_of(n->name)[0] != '\0') snprintf(c.name, sizeof c.name, "%s", n->name);
  else snprintf(c.name, sizeof c.name, "%.60s_%zu", text_of(n->op_type), index);
  QE_TRY(check_function(in, &c));
  if (depth == MAX_DEPTH) return refuse(&c, "calls functions that call functions without end");
  QE_TRY_GOTO(qe__names_create(&c.inner), done);
  QE_TRY_GOTO(bind_parameters(&c), done);
  for (size_t i = 0; i < f->n_node; i++) {
    Onnx__NodeProto *copy;
    in->made += 1 + f->node[i]->n_input + f->node[i]->n_output + f->node[i]->n_attribute;
    if (in->made > MAX_PIECES) {
      status = refuse(&c, "makes more than 1048576 nodes, inputs, outputs and attributes with those before it");
      goto done;
    }
    QE_TRY_GOTO(copy_node(in, &c, f->node[i], i, &copy), done);
    QE_TRY_GOTO(add_node(in, copy, i, depth + 1), done);
  }
done:
  qe__names_destroy(&c.inner);
  qe__free(c.outer);
  return status;
}

static qe_status_t add_node(inliner *in, Onnx__NodeProto *n, size_t index, int depth) {
  const Onnx__FunctionProto *f = function_of(in, n);
  return f != NULL ? replace(in, n, index, f, depth) : append(in, n);
}

static qe_status_t all_names(inliner *in) {
  const Onnx__GraphProto *g = in->m->graph;
  for (size_t i = 0; i < g->n_input; i++) QE_TRY(take_names(in, 1, &g->input[i]->name));
  for (size_t i = 0; i < g->n_initializer; i++) QE_TRY(take_names(in, 1, &g->initializer[i]->name));
  for (size_t i = 0; i < g->n_node; i++) {
    QE_TRY(take_names(in, g->node[i]->n_input, g->node[i]->input));
    QE_TRY(take_names(in, g->node[i]->n_output, g->node[i]->output));
    QE_TRY(take_names(in, 1, &g->node[i]->name));
  }
  return QE_OK;
}

qe_status_t qe__onnx_inline(const Onnx__ModelProto *m, int64_t opset, qe__arena *arena, Onnx__GraphProto *out) {
  *out = *m->graph;
  if (m->n_functions == 0) return QE_OK;
  inliner in = {.m = m, .opset = opset, .arena = arena};
  qe_status_t status;
  QE_TRY_GOTO(list_functions(&in), done);
  QE_TRY_GOTO(qe__names_create(&in.names), done);
  QE_TRY_GOTO(all_names(&in), done);
  for (size_t i = 0; i < m->graph->n_node; i++) QE_TRY_GOTO(add_node(&in, m->graph->node[i], i, 0), done);
  out->node = qe__arena_alloc(arena, in.n_nodes + 1, sizeof(Onnx__NodeProto *));
  status = out->node != NULL ? QE_OK : no_memory();
  if (status == QE_OK && in.n_nodes > 0) memcpy(out->node, in.nodes, in.n_nodes * sizeof(Onnx__NodeProto *));
  out->n_node = in.n_nodes;
done:
  qe__names_destroy(&in.names);
  qe__names_destroy(&in.functions);
  qe__free(in.nodes);
  return status;
}
