/* Topological order. */
#include <string.h>

#include "graph/private.h"

enum { WHITE = 0, GREY = 1, BLACK = 2 };

typedef struct frame {
  uint32_t node;
  uint32_t next; /* input to look at next */
} frame;

/* Names the nodes of the cycle that ends where the search met `again`. */
static qe_status_t report_cycle(const qe__graph *g, const frame *stack, uint32_t depth, uint32_t again) {
  enum { SHOWN = 8 };
  char text[512] = "";
  size_t used = 0;
  uint32_t first = depth;
  while (first > 0 && stack[first - 1].node != again) first--;
  first = first > 0 ? first - 1 : 0;
  const uint32_t length = depth - first;
  /* a frame was reached from the one below it, which reads its result: data flows from the top down */
  for (uint32_t i = 0; i < length && i < SHOWN && used + 64 < sizeof text; i++) {
    const char *name = g->nodes[stack[depth - 1 - i].node]->name;
    const size_t n = strlen(name) < 48 ? strlen(name) : 48;
    memcpy(text + used, name, n);
    memcpy(text + used + n, " -> ", 5);
    used += n + 4;
  }
  return qe__fail(
      QE_ERROR_FORMAT, "graph '%s' has a cycle of %u nodes: %s%s%.48s; a model's nodes must not depend on themselves",
      g->name, (unsigned)length, text, length > SHOWN ? "... -> " : "", g->nodes[stack[depth - 1].node]->name);
}

/* Depth first over producers, roots in the present order: an order that is right already stays as it is. */
static qe_status_t search(const qe__graph *g, const qe__uses *uses, uint8_t *color, frame *stack, qe__node **order) {
  uint32_t placed = 0;
  for (uint32_t root = 0; root < g->n_nodes; root++) {
    if (color[root] != WHITE) continue;
    uint32_t depth = 0;
    color[root] = GREY;
    stack[depth++] = (frame){.node = root};
    while (depth > 0) {
      frame *top = &stack[depth - 1];
      const qe__node *n = g->nodes[top->node];
      if (n->dead || top->next == n->n_in) {
        color[top->node] = BLACK;
        order[placed++] = g->nodes[top->node];
        depth--;
        continue;
      }
      const qe__value_id v = n->in[top->next++];
      const int32_t producer = v != QE__NO_VALUE ? uses->producer[v] : -1;
      if (producer < 0 || color[producer] == BLACK) continue;
      if (color[producer] == GREY) return report_cycle(g, stack, depth, (uint32_t)producer);
      color[producer] = GREY;
      stack[depth++] = (frame){.node = (uint32_t)producer};
    }
  }
  return QE_OK;
}

qe_status_t qe__graph_sort(qe__graph *g) {
  qe__uses uses;
  QE_TRY(qe__graph_uses(g, &uses));
  qe_status_t status = QE_ERROR_OUT_OF_MEMORY;
  uint8_t *color = qe__calloc((size_t)g->n_nodes + 1, sizeof *color);
  frame *stack = qe__calloc((size_t)g->n_nodes + 1, sizeof *stack);
  qe__node **order = qe__calloc((size_t)g->n_nodes + 1, sizeof(qe__node *));
  if (color == NULL || stack == NULL || order == NULL) goto done;
  QE_TRY_GOTO(search(g, &uses, color, stack, order), done);
  if (g->n_nodes > 0) memcpy(g->nodes, order, (size_t)g->n_nodes * sizeof(qe__node *));
done:
  qe__free(order);
  qe__free(stack);
  qe__free(color);
  qe__uses_free(&uses);
  return status;
}
