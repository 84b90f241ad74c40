/* Products of codes: what is asked for, how much memory it takes, and its weight packed. */
#include "q8/product.h"

int fb_q8_supports(const fb_q8_op *op, const fb_q8_core *core, const qe_problem *p, char *reason, size_t reason_size) {
  if (!op->supports(p, reason, reason_size)) return 0;
  fb_q8_product product;
  op->describe(p, core, 0, &product);
  if (!product.constant && !core->dynamic)
    return fb_refuse(reason, reason_size, "%s: %s takes constant weights only", p->op, core->name);
  if (product.rows < core->fewest)
    return fb_refuse(reason, reason_size, "%s: %s is for %lld rows or more, not %lld", p->op, core->name,
                     (long long)core->fewest, (long long)product.rows);
  return 1;
}

/* The codes of a part of a constant weight; `codes` is memory for them. */
static fb_q8_weight constant_weight(const fb_q8_product *p, int64_t part, uint8_t *codes) {
  if (codes) fb_q8_codes_copy(p, part, codes);
  return (fb_q8_weight){.data = codes,
                        .flip = fb_q8_flip_w(p->problem),
                        .n = p->n,
                        .taps = p->taps,
                        .kc = p->kc,
                        .step_n = p->taps * p->kc,
                        .step_tap = p->kc,
                        .step_c = 1};
}

static uint8_t *codes_alloc(void *self, const fb_q8_product *p) {
  const qe_host *host = ((const fb_self *)self)->host;
  uint8_t *codes = host->alloc(host->ctx, (size_t)fb_max64(1, p->n * p->taps * p->kc), 64);
  if (!codes) host->error(host->ctx, "no memory to pack a weight");
  return codes;
}

static void codes_free(void *self, uint8_t *codes) {
  const qe_host *host = ((const fb_self *)self)->host;
  host->free(host->ctx, codes);
}

/* The sizes of a phase; false: out of memory. */
static bool measure(const fb_q8_core *core, void *self, const fb_q8_product *p, fb_q8_packed *sizes) {
  *sizes = (fb_q8_packed){0};
  if (p->constant && core->dynamic) {
    const fb_q8_weight w = constant_weight(p, 0, NULL);
    sizes->part = core->packed_size(&w);
  } else if (p->constant) {
    uint8_t *codes = codes_alloc(self, p);
    if (!codes) return false;
    for (int64_t part = 0; part < p->parts; ++part) {
      const fb_q8_weight w = constant_weight(p, part, codes);
      const uint64_t size = core->packed_size(&w);
      sizes->part = size > sizes->part ? size : sizes->part;
    }
    codes_free(self, codes);
  }
  sizes->part = (sizes->part + 63) / 64 * 64;
  sizes->size = sizeof *sizes + fb_q8_columns_size(fb_q8_columns_count(p)) +
                (p->constant ? (uint64_t)p->parts * sizes->part : 0);
  return true;
}

int fb_q8_plan(const fb_q8_op *op, const fb_q8_core *core, void *self, const qe_problem *p, qe_kernel_plan *plan) {
  fb_q8_product product = {.phases = 1};
  for (int64_t phase = 0; phase < product.phases; ++phase) {
    op->describe(p, core, phase, &product);
    fb_q8_packed sizes;
    if (!measure(core, self, &product, &sizes)) return 1;
    const fb_q8_cut cut = fb_q8_cut_of(&product, core);
    const fb_q8_scratch scratch = fb_q8_scratch_of(&product, core, &cut);
    plan->packed_size += sizes.size;
    plan->scratch_size = scratch.size > plan->scratch_size ? scratch.size : plan->scratch_size;
    plan->tiles += p->out[0]->count == 0 ? 0 : cut.tiles;
  }
  return 0;
}

static bool pack_phase(const fb_q8_core *core, void *self, const fb_q8_product *p, char *to) {
  fb_q8_packed *sizes = (void *)to;
  /* Sizes say where the next part or phase begins; where there is none, a core need not look at all codes again. */
  *sizes = (fb_q8_packed){0};
  if ((p->parts > 1 || p->phases > 1) && !measure(core, self, p, sizes)) return false;
  sizes->has_w_zeros = !p->integer && fb_q8_has_w_zeros(p, NULL);
  fb_q8_columns columns = fb_q8_columns_at(to + sizeof *sizes, fb_q8_columns_count(p));
  if (p->constant) {
    uint8_t *codes = codes_alloc(self, p);
    if (!codes) return false;
    to += sizeof *sizes + fb_q8_columns_size(fb_q8_columns_count(p));
    for (int64_t part = 0; part < p->parts; ++part, to += sizes->part) {
      const fb_q8_weight w = constant_weight(p, part, codes);
      core->pack(&w, to, columns.sums + (p->own_columns ? part * p->n : 0));
    }
    codes_free(self, codes);
  }
  fb_q8_columns_fill(p, &columns);
  return true;
}

int fb_q8_prepack(const fb_q8_op *op, const fb_q8_core *core, void *self, const qe_problem *p, void *packed) {
  fb_q8_product product = {.phases = 1};
  char *to = packed;
  for (int64_t phase = 0; phase < product.phases; ++phase) {
    op->describe(p, core, phase, &product);
    if (!pack_phase(core, self, &product, to)) return 1;
    to += ((const fb_q8_packed *)(const void *)to)->size;
  }
  return 0;
}
