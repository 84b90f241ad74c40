/* Loops that stay in registers: each runs where its instructions exist, and the fastest of a level is chosen. */
#include "conform/peak.h"

#include <criterion/criterion.h>
#include <string.h>

#include "engine/engine.h"

TestSuite(peak, .timeout = 60);

Test(peak, every_loop_of_this_machine_is_measured) {
  cr_assert_geq(qe_peak_count(), 2);
  for (uint32_t i = 0; i < qe_peak_count(); i++) {
    qe_peak_t p;
    cr_assert_eq(qe_peak_measure(i, &p), QE_OK);
    cr_assert_gt(strlen(p.loop), 0);
    cr_assert_not_null(p.isa);
    cr_assert(p.dtype == QE_FLOAT32 || p.dtype == QE_INT8);
    cr_assert_gt(p.gmacs, 0.0, "%s", p.loop);
  }
}

Test(peak, past_the_end_is_an_error) {
  qe_peak_t p = {.gmacs = 1.0};
  cr_assert_eq(qe_peak_measure(qe_peak_count(), &p), QE_ERROR_INVALID_ARGUMENT);
  cr_assert_eq(p.gmacs, 0.0);
  cr_assert_eq(qe_peak_measure(0, NULL), QE_ERROR_INVALID_ARGUMENT);
}

Test(peak, a_level_without_loops_has_the_machine_s) {
  cr_assert_gt(qe__peak_gmacs(true, 0), 0.0);
  cr_assert_gt(qe__peak_gmacs(false, QE_ISA_X86_FMA), 0.0);
}

Test(peak, wider_instructions_do_more) {
  const uint64_t avx2 = QE_ISA_X86_AVX2 | QE_ISA_X86_FMA, amx = QE_ISA_X86_AMX_INT8 | QE_ISA_X86_AVX512VNNI;
  if ((qe__cpu()->isa & (amx | avx2)) != (amx | avx2)) cr_skip_test("the machine has no AMX");
  cr_assert_gt(qe__peak_gmacs(true, qe__cpu()->isa), 2.0 * qe__peak_gmacs(true, avx2));
}
