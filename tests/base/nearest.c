/* Suggestions for words that are not known. */
#include "base/nearest.h"

#include <criterion/criterion.h>
#include <string.h>

Test(nearest, the_closest_or_none) {
  static const char *const keys[] = {"dtype", "qscheme", NULL, "observer"};
  static const char *const engines[] = {"reference", NULL, "fbgemm_x86", "qnnpack_arm"};
  cr_expect_str_eq(qe__nearest_name("dtpe", 4, keys), "dtype");
  cr_expect_str_eq(qe__nearest_name("obsever", 4, keys), "observer");
  cr_expect_null(qe__nearest_name("zzz", 4, keys));
  cr_expect_str_eq(qe__nearest_name("fbgem_x86", 4, engines), "fbgemm_x86");
  cr_expect_null(qe__nearest_name("onednn", 4, engines));
  cr_expect_null(qe__nearest_name("", 4, engines));
  cr_expect_null(qe__nearest_name("dtype", 0, NULL));
}

Test(nearest, letter_case_does_not_matter) {
  static const char *const names[] = {"reference", "Conv"};
  cr_expect_str_eq(qe__nearest_name("Reference", 2, names), "reference");
  cr_expect_str_eq(qe__nearest_name("cONV", 2, names), "Conv");
}

Test(nearest, the_first_of_equals) {
  static const char *const names[] = {"conv1", "conv2", "conv3"};
  cr_expect_str_eq(qe__nearest_name("conv9", 3, names), "conv1");
}

Test(nearest, long_words_are_near_nothing) {
  static const char *const names[] = {"dtype"};
  char longest[1000];
  memset(longest, 'a', sizeof longest - 1);
  longest[sizeof longest - 1] = '\0';
  const char *const itself[] = {longest};
  cr_expect_null(qe__nearest_name(longest, 1, names));
  cr_expect_null(qe__nearest_name(longest, 1, itself));
}
