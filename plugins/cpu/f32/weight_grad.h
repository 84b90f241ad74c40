/* What the kernels of ConvWeightGrad share: depthwise ones (depthwise_grad.c) and all others (weight_grad.c). */
#ifndef QE_CPU_F32_WEIGHT_GRAD_H
#define QE_CPU_F32_WEIGHT_GRAD_H

#include "f32/core.h"
#include "f32/window.h"

/* The Conv whose weight's gradient is asked for: inputs dy, x become x, dw; output dw becomes dy. */
typedef struct fb_f32_forward {
  const qe_operand *in[2], *out[1];
  qe_problem p;
} fb_f32_forward;

static inline void fb_f32_forward_of(const qe_problem *p, fb_f32_forward *f) {
  f->in[0] = p->in[1];
  f->in[1] = p->out[0];
  f->out[0] = p->in[0];
  f->p = *p;
  f->p.in = f->in;
  f->p.out = f->out;
  f->p.n_in = 2;
  f->p.n_out = 1;
}

#endif
