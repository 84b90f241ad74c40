/* Gradients of the ops that only training has. */
#include "train/gradients.h"

void qe__gradient_softmax_cross_entropy(qe__gradient *c) {
  c->dx[0] = qe__gradient_like(c, QE__OP_SoftmaxCrossEntropyGrad, 3, (qe__value_id[]){c->dy[0], c->n->in[0], c->n->in[1]}, 0, NULL);
}

/* The same elements are kept, by the same factor. */
void qe__gradient_random_dropout(qe__gradient *c) {
  c->dx[0] = qe__gradient_like(c, QE__OP_RandomDropout, 2, (qe__value_id[]){c->dy[0], c->n->in[1]}, 0, NULL);
}

void qe__gradient_fake_quantize(qe__gradient *c) {
  const qe__node *n = c->n;
  const qe__value_id in[4] = {c->dy[0], n->in[0], n->in[1], n->in[2]};
  const bool wanted[3] = {true, c->want[1], c->want[2]};
  qe__value_id out[3];
  qe__emit_outputs(&c->e, QE__OP_FakeQuantizeGrad, 4, in, n->n_attr, n->attr, 3, wanted, out);
  for (uint32_t i = 0; i < 3; i++) {
    if (c->want[i]) c->dx[i] = out[i];
  }
}
