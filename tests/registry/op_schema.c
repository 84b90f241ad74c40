/* The table of ops itself. */
#include "registry/op_schema.h"

#include <criterion/criterion.h>
#include <string.h>

Test(registry, every_op_is_found_by_its_name) {
  for (uint32_t i = 0; i < QE__OP_COUNT; i++) {
    const qe__op_schema *op = qe__op_at(i);
    cr_assert_not_null(op);
    cr_assert_eq(op->id, i);
    cr_assert_eq(qe__op_find(op->name), op, "%s", op->name);
    cr_assert_lt(strlen(op->name), sizeof((qe_kernel_key){0}.op), "%s does not fit a kernel's key", op->name);
    cr_assert_leq(op->min_in, op->max_in, "%s", op->name);
    cr_assert_leq(op->min_out, op->max_out, "%s", op->name);
    cr_assert_not_null(op->infer, "%s", op->name);
  }
  cr_assert_null(qe__op_at(QE__OP_COUNT));
  cr_assert_null(qe__op_find("Convolution"));
  cr_assert_null(qe__op_find(""));
  cr_assert_null(qe__op_find(NULL));
}
