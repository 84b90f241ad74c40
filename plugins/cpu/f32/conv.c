/* Conv and ConvTranspose, float32: what is asked, how it is cut into tiles, how weights are packed (conv.h). */
#include "f32/conv_edge.h"

#include "f32/ops.h"
#include "spatial.h"

#define TILE_WORK   6000000 /* multiplications of a tile, some 60 us */
#define MOST_PIXELS 4096
#define FEW_PIXELS  16 /* as many take about as long as one: the weights come from memory */

static fb_f32_conv conv_of(const fb_f32_core *core, void *self, const qe_problem *p, bool transposed) {
  const qe_operand *x = p->in[0], *y = p->out[0];
  fb_f32_conv c = {.core = core, .p = p, .transposed = transposed, .groups = p->params->groups};
  c.ic = x->dims[1] / c.groups;
  c.oc = y->dims[1] / c.groups;
  c.phases = transposed ? fb_phases(p) : 1;
  const fb_f32_window w = fb_f32_window_of(p, transposed, 0); /* the largest */
  c.depth = w.kernel[0] * w.kernel[1] * w.kernel[2] * c.ic;
  c.packed = fb_f32_packed_cols(core, c.oc) * c.depth;
  c.panels = fb_ceil_div(c.oc, core->cols);
  const int64_t lines = w.batch * w.axis[0].n * w.axis[1].n, width = w.axis[2].n, units = c.groups * c.panels;
  const int64_t l2 = (int64_t)(fb_cpu(self)->l2 ? fb_cpu(self)->l2 : 1 << 19) / (int64_t)sizeof(float);
  const int64_t pixel_floats = x->dims[1] * w.axis[1].in_step * w.axis[2].in_step;
  /* As many pixels as the cache holds the input of, but no more than there is work for. */
  const int64_t unit_work = fb_max64(1, c.depth * fb_min64(c.oc, core->cols) / c.phases);
  int64_t pixels = fb_max64(4 * core->rows, l2 / 3 / fb_max64(1, pixel_floats));
  pixels = fb_min64(pixels, fb_max64(4 * core->rows, TILE_WORK / (unit_work * fb_max64(1, units))));
  pixels = fb_min64(pixels, MOST_PIXELS);
  c.width_tiles = fb_max64(1, fb_ceil_div(width, pixels));
  c.width = fb_ceil_div(width, c.width_tiles);
  c.line_tiles = fb_ceil_div(lines, fb_max64(1, pixels / fb_max64(1, c.width)));
  c.lines = c.line_tiles ? fb_ceil_div(lines, c.line_tiles) : 0;
  c.line_tiles = c.lines ? fb_ceil_div(lines, c.lines) : 0;
  /* Tiles that one call gets are done together as far as both sides stay in the cache: more pixels of the same taps. */
  const int64_t together = l2 / 2 / fb_max64(1, pixel_floats + y->dims[1]);
  c.merged = c.width_tiles > 1 ? 1 : fb_max64(1, fb_min64(together, MOST_PIXELS) / fb_max64(1, c.lines * c.width));
  c.merged = fb_min64(c.merged, fb_max64(1, c.line_tiles));
  for (int64_t i = 0; i < c.phases; ++i) {
    const fb_f32_window phase = fb_f32_window_of(p, transposed, i);
    c.most_classes = fb_max64(c.most_classes, fb_f32_most_classes(&phase));
  }
  c.unit_step = fb_max64(1, TILE_WORK / (unit_work * fb_max64(FEW_PIXELS, c.lines * c.width)));
  c.unit_step = fb_min64(c.unit_step, units);
  c.unit_tiles = units ? fb_ceil_div(units, c.unit_step) : 0;
  return c;
}

static int check(const qe_problem *p, bool transposed, char *reason, size_t reason_size) {
  if (!fb_conv_check(p, transposed, reason, reason_size)) return 0;
  if (fb_has_in(p, 2) && p->in[2]->dtype != QE_DT_F32)
    return fb_refuse(reason, reason_size, "%s: bias is no float32", p->op);
  return 1;
}

static int64_t tiles_of(const fb_f32_conv *c) {
  return c->p->out[0]->count == 0 ? 0 : c->phases * c->unit_tiles * c->line_tiles * c->width_tiles;
}

static int plan(const fb_f32_conv *c, qe_kernel_plan *plan) {
  plan->tiles = tiles_of(c);
  plan->scratch_size = plan->tiles ? fb_f32_conv_layout(c).size : 0;
  if (c->p->in[1]->data) plan->packed_size = sizeof(float) * (uint64_t)(c->groups * c->packed);
  return 0;
}

void fb_f32_conv_pack(const fb_f32_conv *c, const float *data, int64_t unit0, int64_t unit1, float *to) {
  const qe_operand *w = c->p->in[1];
  const uint32_t spatial = c->p->params->spatial, n_axis = c->transposed ? 1 : 0;
  fb_f32_weight one = {
      .n = c->oc, .kc = c->ic, .taps = {1, 1, 1},
              .step_n = w->strides[n_axis], .step_c = w->strides[!n_axis]
  };
  for (uint32_t d = 0; d < spatial; ++d) {
    one.taps[3 - spatial + d] = c->p->params->kernel[d];
    one.step_tap[3 - spatial + d] = w->strides[2 + d];
  }
  for (int64_t unit = unit0; unit < unit1;) {
    const int64_t group = unit / c->panels, first = unit % c->panels, last = fb_min64(c->panels, first + unit1 - unit);
    const int64_t n0 = first * c->core->cols, n1 = fb_min64(last * c->core->cols, c->oc);
    one.data = data + group * (c->transposed ? c->ic : c->oc) * w->strides[0];
    fb_f32_pack(c->core, &one, n0, n1, to);
    to += fb_f32_packed_cols(c->core, n1 - n0) * c->depth;
    unit += last - first;
  }
}

static int prepack(const fb_f32_conv *c, void *packed) {
  fb_f32_conv_pack(c, c->p->in[1]->data, 0, c->groups * c->panels, packed);
  return 0;
}

#define OP(name, transposed)                                                                                           \
  int fb_f32_##name##_supports(void *self, const qe_problem *p, char *reason, size_t reason_size) {                    \
    (void)self;                                                                                                        \
    return check(p, transposed, reason, reason_size);                                                                  \
  }                                                                                                                    \
  int fb_f32_##name##_plan_on(const fb_f32_core *core, void *self, const qe_problem *p, qe_kernel_plan *kernel_plan) { \
    const fb_f32_conv c = conv_of(core, self, p, transposed);                                                          \
    return plan(&c, kernel_plan);                                                                                      \
  }                                                                                                                    \
  int fb_f32_##name##_prepack_on(const fb_f32_core *core, void *self, const qe_problem *p, void *packed) {             \
    const fb_f32_conv c = conv_of(core, self, p, transposed);                                                          \
    return prepack(&c, packed);                                                                                        \
  }                                                                                                                    \
  int fb_f32_##name##_run_on(const fb_f32_core *core, void *self, const qe_call *call, int64_t begin, int64_t end) {   \
    const fb_f32_conv c = conv_of(core, self, call->problem, transposed);                                              \
    fb_f32_conv_tiles(&c, call, begin, end);                                                                           \
    return 0;                                                                                                          \
  }
OP(conv, false)
OP(conv_transpose, true)
