/* What a plan keeps when constants, parameters or shapes are made from the inputs of a run; scratch memory. */
#include <criterion/criterion.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>

#include "qengine.h"
#include "runtime/plan.h"
#include "support/models.h"

static qe_session_t *open_session(const qe_model_t *m) {
  qe_session_t *s = NULL;
  const qe_session_options_t o = {.struct_size = sizeof o, .engine = "reference", .threads = 1};
  cr_assert_eq(qe_session_create(m, &o, &s), QE_OK, "%s", qe_last_error());
  return s;
}

static qe_tensor_t *ints(int64_t n, const int64_t *values) {
  qe_tensor_t *t = NULL;
  cr_assert_eq(qe_tensor_from_data(QE_INT64, 1, &n, values, &t), QE_OK, "%s", qe_last_error());
  return t;
}

static qe_value_t constant(qe_model_t *m, const char *name, qe_tensor_t *t) {
  const qe_value_t v = qe_constant(m, name, t);
  qe_tensor_release(&t);
  return v;
}

/* y = Conv(x, W[from : from + 4]): the weight is constant within a run, its packed form must not outlive the run's
 * plan. */
Test(varying, weights_sliced_by_an_input_are_packed_anew) {
  qe_model_t *m = NULL;
  cr_assert_eq(qe_model_create("m", &m), QE_OK);
  const qe_value_t x = qe_input(m, "x", QE_FLOAT32, 4, (int64_t[]){1, 3, 4, 4});
  const qe_value_t from = qe_input(m, "from", QE_INT64, 1, (int64_t[]){1}),
                   to = qe_input(m, "to", QE_INT64, 1, (int64_t[]){1});
  qe_value_t w[4] = {constant(m, "W", test_random(4, (int64_t[]){12, 3, 3, 3}, 1.0f, 4)), from, to,
                     constant(m, "axes", ints(1, (int64_t[]){0}))};
  qe_value_t conv[2] = {x, qe_op(m, "Slice", "w", 4, w, NULL)};
  qe_output(m, "y", qe_op(m, "Conv", "conv", 2, conv, NULL));
  cr_assert_eq(qe_model_finish(m), QE_OK, "%s", qe_last_error());
  qe_tensor_t *data = test_random(4, (int64_t[]){1, 3, 4, 4}, 1.0f, 5);
  qe_session_t *kept = open_session(m);
  for (int64_t k = 0; k < 3; k++) {
    qe_session_t *fresh = open_session(m);
    const qe_named_tensor_t in[3] = {
        {"x",     data                   },
        { "from", ints(1,     (int64_t[]){4 * k})},
        { "to", ints(1, (int64_t[]){4 * k + 4})}
    };
    qe_named_tensor_t a = {NULL, NULL}, b = {NULL, NULL};
    cr_assert_eq(qe_session_run(kept, 3, in, 1, &a), QE_OK, "%s", qe_last_error());
    cr_assert_eq(qe_session_run(fresh, 3, in, 1, &b), QE_OK, "%s", qe_last_error());
    cr_assert_eq(memcmp(qe_tensor_const_data(a.tensor), qe_tensor_const_data(b.tensor), qe_tensor_bytes(a.tensor)), 0,
                 "slice %d: %g, a fresh session gives %g", (int)k,
                 (double)*(const float *)qe_tensor_const_data(a.tensor),
                 (double)*(const float *)qe_tensor_const_data(b.tensor));
    qe_tensor_release(&a.tensor);
    qe_tensor_release(&b.tensor);
    for (int i = 1; i < 3; i++) qe_tensor_release(&(qe_tensor_t *){in[i].tensor});
    qe_session_destroy(&fresh);
  }
  qe_session_destroy(&kept);
  qe_tensor_release(&data);
  qe_model_destroy(&m);
}

/* The caller may write into an input tensor between runs, also into one that a cached plan was made for. */
Test(varying, a_plan_keeps_its_own_copy_of_what_it_read) {
  qe_model_t *m = NULL;
  cr_assert_eq(qe_model_create("m", &m), QE_OK);
  const qe_value_t x = qe_input(m, "x", QE_FLOAT32, 1, (int64_t[]){6}),
                   shape = qe_input(m, "shape", QE_INT64, 1, (int64_t[]){2});
  qe_output(m, "y", qe_op(m, "Reshape", "reshape", 2, (qe_value_t[]){x, shape}, NULL));
  cr_assert_eq(qe_model_finish(m), QE_OK, "%s", qe_last_error());
  qe_session_t *s = open_session(m);
  qe_tensor_t *data = test_filled(6, 0.0f, 1.0f), *reused = ints(2, (int64_t[]){2, 3}),
              *other = ints(2, (int64_t[]){2, 3});
  for (int run = 0; run < 3; run++) {
    if (run == 1) memcpy(qe_tensor_data(reused), (int64_t[]){3, 2}, 2 * sizeof(int64_t));
    const qe_named_tensor_t in[2] = {
        {"x",     data                    },
        {"shape", run < 2 ? reused : other}
    };
    qe_named_tensor_t out[2] = {
        {"y",     NULL},
        {"shape", NULL}
    };
    cr_assert_eq(qe_session_run(s, 2, in, 2, out), QE_OK, "%s", qe_last_error());
    const int64_t want = run == 1 ? 3 : 2, *found = qe_tensor_const_data(out[1].tensor);
    cr_assert_eq(qe_tensor_dims(out[0].tensor)[0], want);
    cr_assert_eq(found[0], want, "run %d: shape[0] is %lld, expected %lld", run, (long long)found[0], (long long)want);
    for (int i = 0; i < 2; i++) qe_tensor_release(&out[i].tensor);
  }
  qe_tensor_release(&data);
  qe_tensor_release(&reused);
  qe_tensor_release(&other);
  qe_session_destroy(&s);
  qe_model_destroy(&m);
}

static qe_status_t ignore(void *arg, int32_t value, const qe_tensor_t *t) {
  (void)value;
  (void)t;
  ++*(int *)arg;
  return QE_OK;
}

Test(varying, a_model_without_nodes_can_be_tapped_and_described) {
  qe_model_t *m = NULL;
  cr_assert_eq(qe_model_create("m", &m), QE_OK);
  const qe_value_t x = qe_input(m, "x", QE_FLOAT32, 1, (int64_t[]){6});
  qe_output(m, NULL, x);
  cr_assert_eq(qe_model_finish(m), QE_OK, "%s", qe_last_error());
  qe_session_t *s = open_session(m);
  const qe_named_tensor_t in = {NULL, test_filled(6, 0.0f, 1.0f)};
  int seen = 0;
  cr_assert_eq(qe_session_run_tapped(s, 1, &in, 1, (int32_t[]){x}, ignore, &seen), QE_OK, "%s", qe_last_error());
  cr_assert_eq(seen, 1);
  qe_step_info_t info;
  cr_assert_eq(qe_session_step(s, 0, &info), QE_OK, "%s", qe_last_error());
  cr_assert_str_eq(info.op, "Tap");
  cr_assert_str_eq(info.node, "x");
  qe_tensor_release(&(qe_tensor_t *){in.tensor});
  qe_session_destroy(&s);
  qe_model_destroy(&m);
}

/* ---- scratch memory ---- */

static atomic_int misaligned, tiles_run;

static int check_scratch(void *self, const qe_call *call, int64_t begin, int64_t end) {
  (void)self;
  if ((uintptr_t)call->scratch % 1024 != 0) atomic_fetch_add(&misaligned, 1);
  memset(call->scratch, 1, 100);
  atomic_fetch_add(&tiles_run, (int)(end - begin));
  return 0;
}

Test(varying, scratch_is_aligned_as_the_kernel_asks) {
  const qe__engine engine = {.name = "test"};
  const qe__kernel kernel = {
      .engine = &engine, .row = {.name = "check", .alignment = 1024, .run = check_scratch}
  };
  qe__node node = {.name = (char *)(uintptr_t) "n"}, *nodes = &node;
  qe__graph graph = {.n_nodes = 1, .nodes = &nodes};
  const qe__lowered lowered = {.graph = &graph};
  qe__step step = {
      .kernel = &kernel, .tap = QE__NO_VALUE, .sizes = {.tiles = 1000, .scratch_size = 100}
  };
  qe__plan plan = {.n_steps = 1, .steps = &step, .scratch_bytes = 100, .scratch_alignment = 1024};
  qe__pool *pool = NULL;
  qe__memory memory = {0};
  cr_assert_eq(qe__pool_create(3, &pool), QE_OK, "%s", qe_last_error());
  cr_assert_eq(qe__plan_run(&plan, &lowered, pool, &memory, NULL, NULL, NULL, NULL, false), QE_OK, "%s",
               qe_last_error());
  cr_assert_eq(tiles_run, 1000);
  cr_assert_eq(misaligned, 0, "%d calls got scratch memory off 1024", (int)misaligned);
  plan.scratch_bytes = SIZE_MAX / 4;
  cr_assert_neq(qe__plan_run(&plan, &lowered, pool, &memory, NULL, NULL, NULL, NULL, false), QE_OK,
                "threads times scratch overflows");
  qe__memory_free(&memory);
  qe__pool_destroy(&pool);
}
