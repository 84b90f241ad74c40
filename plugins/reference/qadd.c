/* Add and Sub on codes: q = clamp(rne((sa * (a - za) +- sb * (b - zb)) / sc) + zc), one rounding per operation. */
#include "qelementwise.h"

int ref_qelementwise_supports(void *self, const qe_problem *p, char *reason, size_t reason_size) {
  (void)self;
  if (p->n_in != 2 || !p->in[0] || !p->in[1] || !ref_is_code8_per_tensor(p->in[0]) ||
      !ref_is_code8_per_tensor(p->in[1]) || !ref_is_code8_per_tensor(p->out[0]))
    return ref_refuse(reason, reason_size,
                      "%s: expected two uint8 or int8 inputs and such an output, one pair of parameters each", p->op);
  return ref_broadcast_check(p, reason, reason_size);
}

REF_QELEMENTWISE(qadd, (a + b) / sc)
REF_QELEMENTWISE(qsub, (a - b) / sc)
