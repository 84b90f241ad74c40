/* The memory plan: values alive at the same step never overlap, whatever the lifetimes. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

#include "runtime/plan.h"

static uint64_t next(uint64_t *state) {
  *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
  return *state >> 33;
}

/* A chain-like random plan: step s writes value s and reads up to two earlier ones. */
static qe__plan *random_plan(uint64_t seed, uint32_t n) {
  qe__plan *plan = qe__calloc(1, sizeof *plan);
  plan->phys = qe__calloc(n, sizeof *plan->phys);
  plan->n_phys = n;
  for (uint32_t s = 0; s < n; s++) {
    qe__step *step;
    qe__phys *x = &plan->phys[s];
    x->place = QE__PLACE_ARENA;
    x->alias_of = -1;
    x->bytes = (size_t)(next(&seed) % 5000);
    cr_assert_eq(qe__plan_add_step(plan, 2, 1, &step), QE_OK);
    step->out[0] = (int32_t)s;
    step->in[0] = s > 0 ? (int32_t)(next(&seed) % s) : -1;
    step->in[1] = s > 3 ? (int32_t)(s - 1 - next(&seed) % 3) : -1;
    step->sizes.flags = next(&seed) % 3 == 0 ? QE_PLAN_INPLACE : 0;
  }
  return plan;
}

static void check_no_overlap(const qe__plan *plan, uint64_t seed) {
  for (uint32_t i = 0; i < plan->n_phys; i++) {
    const qe__phys *a = &plan->phys[i];
    if (a->alias_of >= 0) continue;
    cr_assert_eq(a->offset % 64, 0u);
    cr_assert_leq(a->offset + a->bytes, plan->arena_bytes, "seed %llu: value %u ends past the arena", (unsigned long long)seed, i);
    for (uint32_t j = 0; j < i; j++) {
      const qe__phys *b = &plan->phys[j];
      if (b->alias_of >= 0 || a->first > b->last || b->first > a->last || !a->bytes || !b->bytes) continue;
      cr_assert(a->offset + a->bytes <= b->offset || b->offset + b->bytes <= a->offset,
                "seed %llu: values %u and %u overlap in time and place", (unsigned long long)seed, j, i);
    }
  }
}

Test(memory, no_two_live_values_share_bytes) {
  for (uint64_t seed = 1; seed <= 200; seed++) {
    qe__plan *plan = random_plan(seed, 5 + (uint32_t)(seed % 60));
    cr_assert_eq(qe__plan_memory(plan), QE_OK);
    check_no_overlap(plan, seed);
    qe__plan_destroy(&plan);
  }
}

Test(memory, in_place_output_takes_its_inputs_memory) {
  qe__plan *plan = random_plan(7, 3);
  for (uint32_t s = 0; s < 3; s++) {
    plan->phys[s].bytes = 256;
    plan->steps[s].in[0] = (int32_t)s - 1;
    plan->steps[s].in[1] = -1;
    plan->steps[s].sizes.flags = QE_PLAN_INPLACE;
  }
  cr_assert_eq(qe__plan_memory(plan), QE_OK);
  cr_assert_eq(qe__phys_root(plan, 2), 0);
  cr_assert_leq(plan->arena_bytes, 256u + 64u);
  qe__plan_destroy(&plan);
}

Test(memory, a_value_read_later_is_not_overwritten) {
  qe__plan *plan = random_plan(7, 3);
  for (uint32_t s = 0; s < 3; s++) {
    plan->phys[s].bytes = 256;
    plan->steps[s].sizes.flags = QE_PLAN_INPLACE;
    plan->steps[s].in[1] = -1;
  }
  plan->steps[1].in[0] = 0;
  plan->steps[2].in[0] = 1;
  plan->steps[2].in[1] = 0; /* value 0 is still needed at step 2 */
  cr_assert_eq(qe__plan_memory(plan), QE_OK);
  cr_assert_neq(qe__phys_root(plan, 1), 0);
  check_no_overlap(plan, 7);
  qe__plan_destroy(&plan);
}
