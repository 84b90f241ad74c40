/* Ops that move elements and make shapes. */
#include <criterion/criterion.h>

#include "infer_case.h"

Test(registry_move, joining_and_splitting) {
  static const infer_case cases[] = {
    {"Concat", "f32[2,3] f32[2,4]", "axis=1", "f32[2,7]"},
    {"Concat", "f32[2,3] f32[0,3] f32[1,3]", "axis=-2", "f32[3,3]"},
    {"Concat", "f32[2,3]", "axis=0", "f32[2,3]"},
    {"Concat", "f32[2,3] f32[2,4]", "axis=0", "! input 1 [2,4] does not fit input 0 [2,3]"},
    {"Concat", "f32[2,3] f32[3]", "axis=0", "! does not fit"},
    {"Concat", "f32[2,3] i8[2,3]", "axis=0", "! input 1 is int8"},
    {"Concat", "f32[2,3] f32[2,3]", "", "! 'axis' is missing"},
    {"Concat", "f32[2,3] f32[2,3]", "axis=2", "! attribute 'axis' is 2"},
    {"Split", "f32[6,2]", "", "f32[3,2] f32[3,2]"},
    {"Split", "f32[2,7]", "axis=1 num_outputs=3", "f32[2,3] f32[2,3] f32[2,1]"},
    {"Split", "f32[6] i64[3]=1,0,5", "", "f32[1] f32[0] f32[5]"},
    {"Split", "f32[6] i64[2]=1,4", "", "! 1 parts of 6 were expected"},
    {"Split", "f32[6] i64[1]=-6", "", "! holds -6"},
    {"Split", "f32[0]", "", "f32[0] f32[0]"},
  };
  CHECK_CASES(cases);
  infer_run r;
  infer_begin(&r, &(infer_case){"Split", "f32[5]", "", ""}, 2);
  infer_finish(&r);
  cr_assert_eq(r.status, QE_ERROR_SHAPE);
  infer_free(&r);
  infer_begin(&r, &(infer_case){"Split", "f32[5]", "num_outputs=4", ""}, 4);
  infer_finish(&r);
  cr_assert_eq(r.status, QE_ERROR_SHAPE, "5 into 4 parts of at most 2 leaves less than nothing");
  infer_free(&r);
  infer_begin(&r, &(infer_case){"Split", "f32[5]", "num_outputs=3", ""}, 2);
  infer_finish(&r);
  cr_assert_eq(r.status, QE_ERROR_FORMAT);
  infer_free(&r);
}

Test(registry_move, slice) {
  static const struct {
    infer_case c;
    int64_t start, step;
  } rows[] = {
    {{"Slice", "f32[10] i64[1]=2 i64[1]=5", "", "f32[3]"}, 2, 1},
    {{"Slice", "f32[10] i64[1]=-3 i64[1]=9223372036854775807", "", "f32[3]"}, 7, 1},
    {{"Slice", "f32[10] i64[1]=0 i64[1]=-1 i64[1]=0 i64[1]=3", "", "f32[3]"}, 0, 3},
    {{"Slice", "f32[10] i64[1]=-1 i64[1]=-9223372036854775808 i64[1]=0 i64[1]=-1", "", "f32[10]"}, 9, -1},
    {{"Slice", "f32[10] i64[1]=100 i64[1]=0 i64[1]=-1 i64[1]=-4", "", "f32[3]"}, 9, -4},
    {{"Slice", "f32[10] i64[1]=7 i64[1]=3", "", "f32[0]"}, 0, 1},
    {{"Slice", "f32[10] i64[1]=0 i64[1]=10 i64[1]=0 i64[1]=9223372036854775807", "", "f32[1]"}, 0, 11},
    {{"Slice", "f32[0] i64[1]=0 i64[1]=1 i64[1]=0 i64[1]=-1", "", "f32[0]"}, 0, -1},
    {{"Slice", "f32[10] i32[1]=2 i32[1]=5", "", "f32[3]"}, 2, 1},
  };
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    infer_run r;
    run_case(&r, &rows[i].c);
    cr_assert_eq(r.params.starts[0], rows[i].start, "%s: start %lld, expected %lld", rows[i].c.inputs, (long long)r.params.starts[0], (long long)rows[i].start);
    cr_assert_eq(r.params.steps[0], rows[i].step, "%s: step %lld, expected %lld", rows[i].c.inputs, (long long)r.params.steps[0], (long long)rows[i].step);
    infer_free(&r);
  }
  static const infer_case cases[] = {
    {"Slice", "f32[2,3,4] i64[2]=1,0 i64[2]=2,2 i64[2]=-1,0", "", "f32[2,3,1]"},
    {"Slice", "f32[10] i64[1]=0 i64[1]=5 i64[1]=0 i64[1]=0", "", "! steps) holds 0"},
    {"Slice", "f32[10] i64[1]=0 i64[2]=5,6", "", "! 1 starts but 2 ends"},
    {"Slice", "f32[4,4] i64[2]=0,0 i64[2]=5,6 i64[2]=1,-1", "", "! dimension 1 is named twice"},
    {"Slice", "f32[10] i64[1] i64[1]=5", "", "! depends on data: the value of input 1 (starts)"},
    {"Slice", "f32[10] i64[2]=0,0 i64[2]=5,5", "", "! axes is 1"},
    {"Slice", "f32[10] f32[1]=0 i64[1]=5", "", "! input 1 (starts) is float32"},
  };
  CHECK_CASES(cases);
}

Test(registry_move, pad) {
  static const infer_case cases[] = {
    {"Pad", "f32[2,3] i64[4]=1,0,0,2", "", "f32[3,5]"},
    {"Pad", "f32[2,3] i64[2]=1,2 - i64[1]=-1", "", "f32[2,6]"},
    {"Pad", "f32[2,3] i64[4]=0,-1,0,-1 f32[]=3", "", "f32[2,1]"},
    {"Pad", "f32[2,3] i64[4]=0,-2,0,-2", "", "! cut more than the 3 elements of dimension 1"},
    {"Pad", "f32[2,3] i64[3]=0,1,2", "", "! input 1 (pads) has 3 entries"},
    {"Pad", "f32[3] i64[2]=2,2", "mode='reflect'", "f32[7]"},
    {"Pad", "f32[3] i64[2]=3,0", "mode='reflect'", "! too long"},
    {"Pad", "f32[0] i64[2]=1,0", "mode='edge'", "! too long"},
    {"Pad", "f32[3] i64[2]=5,7", "mode='wrap'", "f32[15]"},
    {"Pad", "f32[3] i64[2]=-1,7", "mode='wrap'", "! wrap cannot cut and pad"},
    {"Pad", "f32[3] i64[2]=1,1", "mode='circular'", "! attribute 'mode'"},
    {"Pad", "f32[3] i64[2]=1,1 i64[]=1", "", "! input 2 is int64"},
    {"Pad", "f32[3] i64[2]=1,1 f32[]", "", "! depends on data"},
    {"Pad", "u8[3] i64[2]=1,1 f32[]=0.5", "quantized=1", "u8[5]"},
    {"Pad", "f32[3] i64[2]=9223372036854775807,9223372036854775807", "", "! overflows"},
  };
  CHECK_CASES(cases);
  infer_run r;
  run_case(&r, &(infer_case){"Pad", "i64[2,3] i64[4]=0,-1,0,2 i64[]=7", "", "i64[2,4]"});
  cr_assert_eq(r.params.starts[1], -1);
  cr_assert_eq(r.params.fill_int, 7);
  cr_assert_eq(r.params.fill, 7.0f);
  infer_free(&r);
}

Test(registry_move, shapes) {
  static const infer_case cases[] = {
    {"Reshape", "f32[2,3,4] i64[2]=6,4", "", "f32[6,4]"},
    {"Reshape", "f32[2,3,4] i64[3]=0,-1,2", "", "f32[2,6,2]"},
    {"Reshape", "f32[2,3,4] i64[0]=", "", "! the number of elements differs"},
    {"Reshape", "f32[1,1] i64[0]=", "", "f32[]"},
    {"Reshape", "f32[0,4] i64[2]=0,-1", "", "f32[0,4]"},
    {"Reshape", "f32[0,4] i64[2]=-1,4", "", "f32[0,4]"},
    {"Reshape", "f32[0,4] i64[2]=0,5", "allowzero=1", "f32[0,5]"},
    {"Reshape", "f32[0,4] i64[2]=0,-1", "allowzero=1", "! no solution"},
    {"Reshape", "f32[6] i64[2]=-1,4", "", "! no solution"},
    {"Reshape", "f32[6] i64[2]=-1,-1", "", "! at most one -1"},
    {"Reshape", "f32[6] i64[1]=-2", "", "! at most one -1"},
    {"Reshape", "f32[6] i64[2]=6,0", "", "! copies dimension 1"},
    {"Reshape", "f32[6] i64[1]", "", "! depends on data"},
    {"Reshape", "f32[6] i64[9]=1,1,1,1,1,1,1,1,6", "", "! at most 8 make sense"},
    {"Flatten", "f32[2,3,4]", "", "f32[2,12]"},
    {"Flatten", "f32[2,3,4]", "axis=-1", "f32[6,4]"},
    {"Flatten", "f32[2,3,4]", "axis=3", "f32[24,1]"},
    {"Flatten", "f32[2,3,4]", "axis=0", "f32[1,24]"},
    {"Flatten", "f32[]", "axis=0", "f32[1,1]"},
    {"Flatten", "f32[2,3,4]", "axis=4", "! attribute 'axis' is 4"},
    {"Squeeze", "f32[1,3,1]", "", "f32[3]"},
    {"Squeeze", "f32[1,3,1] i64[1]=-1", "", "f32[1,3]"},
    {"Squeeze", "f32[1,3,1] i64[1]=1", "", "! dimension 1 of [1,3,1] is not 1"},
    {"Unsqueeze", "f32[3] i64[2]=0,-1", "", "f32[1,3,1]"},
    {"Unsqueeze", "f32[] i64[1]=0", "", "f32[1]"},
    {"Unsqueeze", "f32[3] i64[]=1", "", "f32[3,1]"},
    {"Unsqueeze", "f32[3] i64[2]=0,-3", "", "! named twice"},
    {"Unsqueeze", "f32[1,1,1,1,1,1,1,1] i64[1]=0", "", "! rank 9"},
    {"Transpose", "f32[2,3,4]", "", "f32[4,3,2]"},
    {"Transpose", "u8[2,3,4]", "perm=[1,2,0]", "u8[3,4,2]"},
    {"Transpose", "f32[2,3,4]", "perm=[1,1,0]", "! no permutation"},
    {"Transpose", "f32[2,3,4]", "perm=[1,0]", "! attribute 'perm' has 2 entries"},
    {"Transpose", "f32[]", "", "f32[]"},
    {"Expand", "f32[3,1] i64[3]=2,1,4", "", "f32[2,3,4]"},
    {"Expand", "f32[3,4] i64[1]=1", "", "f32[3,4]"},
    {"Expand", "f32[3] i64[1]=2", "", "! do not broadcast"},
    {"Expand", "f32[1] i64[1]=-1", "", "! holds -1"},
    {"Tile", "f32[2,3] i64[2]=2,0", "", "f32[4,0]"},
    {"Tile", "f32[2,3] i64[1]=2", "", "! input 1 (repeats) has 1 entries"},
    {"DepthToSpace", "f32[1,8,2,3]", "blocksize=2", "f32[1,2,4,6]"},
    {"DepthToSpace", "f32[1,6,2,3]", "blocksize=2", "! must divide the 6 channels"},
    {"DepthToSpace", "f32[1,8,2,3]", "", "! blocksize"},
    {"SpaceToDepth", "f32[1,2,4,6]", "blocksize=2", "f32[1,8,2,3]"},
    {"SpaceToDepth", "f32[1,2,4,5]", "blocksize=2", "! must divide height 4 and width 5"},
  };
  CHECK_CASES(cases);
}

Test(registry_move, gathers) {
  static const infer_case cases[] = {
    {"Gather", "f32[5,4] i64[2,3]", "", "f32[2,3,4]"},
    {"Gather", "f32[5,4] i32[]", "axis=-1", "f32[5]"},
    {"Gather", "u8[5,4] i64[0]", "axis=1", "u8[5,0]"},
    {"Gather", "f32[5,4] f32[2]", "", "! int32 or int64"},
    {"Gather", "f32[] i64[1]", "", "! rank 1 to 8"},
    {"Gather", "f32[2,2,2,2,2] i64[1,1,1,1,1]", "", "! rank 9"},
    {"GatherElements", "f32[3,4] i64[2,4]", "", "f32[2,4]"},
    {"GatherElements", "f32[3,4] i64[9,2]", "axis=0", "f32[9,2]"},
    {"GatherElements", "f32[3,4] i64[3,5]", "axis=0", "! reach past data [3,4] in dimension 1"},
    {"GatherElements", "f32[3,4] i64[3]", "", "! rank 2 was expected"},
    {"Trilu", "f32[2,3,3] i64[]=1", "upper=0", "f32[2,3,3]"},
    {"Trilu", "f32[3]", "", "! rank 2 to 8"},
  };
  CHECK_CASES(cases);
}

Test(registry_move, resize) {
  static const infer_case cases[] = {
    {"Resize", "f32[1,2,4,5] - f32[4]=1,1,2,2", "", "f32[1,2,8,10]"},
    {"Resize", "f32[1,2,4,5] f32[0]= f32[0]= i64[4]=1,2,7,3", "mode='linear'", "f32[1,2,7,3]"},
    {"Resize", "f32[1,2,4,5] - f32[2]=0.5,0.7", "axes=[2,-1]", "f32[1,2,2,3]"},
    {"Resize", "f32[1,1,4,8] - - i64[2]=8,8", "axes=[2,3] keep_aspect_ratio_policy='not_larger'", "f32[1,1,4,8]"},
    {"Resize", "f32[1,1,4,8] - - i64[2]=8,8", "axes=[2,3] keep_aspect_ratio_policy='not_smaller'", "f32[1,1,8,16]"},
    {"Resize", "f32[1,1,4,4] f32[8]=0,0,0.25,0.25,1,1,0.75,0.75 f32[4]=1,1,2,2", "coordinate_transformation_mode='tf_crop_and_resize'",
     "f32[1,1,4,4]"},
    {"Resize", "u8[1,2,4,5] - f32[4]=1,1,2,2", "", "u8[1,2,8,10]"},
    {"Resize", "f32[4] - f32[1]=2", "mode='cubic'", "! attribute 'mode' is 'cubic'"},
    {"Resize", "f32[4] - f32[1]=2", "antialias=1", "! antialias"},
    {"Resize", "f32[4] - f32[1]=0", "", "! finite and positive"},
    {"Resize", "f32[4] - f32[1]", "", "! depends on data"},
    {"Resize", "f32[4] - f32[2]=1,2", "", "! [1] was expected"},
    {"Resize", "f32[4]", "", "! exactly one of input 2"},
    {"Resize", "f32[4] - f32[1]=2 i64[1]=8", "", "! exactly one of input 2"},
    {"Resize", "f32[0] - - i64[1]=8", "", "! the input has 0"},
    {"Resize", "f32[4] - f32[1]=2", "coordinate_transformation_mode='tf_crop_and_resize'", "! needs input 1 (roi)"},
  };
  CHECK_CASES(cases);
  infer_run r;
  run_case(&r, &(infer_case){"Resize", "f32[1,2,4,5] - - i64[4]=1,2,6,5", "coordinate_transformation_mode='align_corners' nearest_mode='ceil'",
                             "f32[1,2,6,5]"});
  cr_assert_eq(r.params.scales[2], 1.5f);
  cr_assert_eq(r.params.scales[3], 1.0f);
  cr_assert_eq(r.params.coord, QE_COORD_ALIGN_CORNERS);
  cr_assert_eq(r.params.nearest, QE_NEAREST_CEIL);
  infer_free(&r);
}

Test(registry_move, types_and_numbers) {
  static const infer_case cases[] = {
    {"Cast", "f32[2]", "to=7", "i64[2]"},
    {"Cast", "f32[2]", "to=8", "! attribute 'to' is 8"},
    {"Cast", "f32[2]", "", "! attribute 'to' is 0"},
    {"Shape", "f32[2,3,4]", "", "i64[3]"},
    {"Shape", "f32[2,3,4]", "start=-2", "i64[2]"},
    {"Shape", "f32[2,3,4]", "start=2 end=1", "i64[0]"},
    {"Shape", "f32[2,3,4]", "start=-9 end=9", "i64[3]"},
    {"Shape", "f32[]", "", "i64[0]"},
    {"Size", "f32[2,3]", "", "i64[]"},
    {"ConstantOfShape", "i64[2]=2,3", "", "f32[2,3]"},
    {"ConstantOfShape", "i64[0]=", "", "f32[]"},
    {"ConstantOfShape", "i64[1]=-1", "", "! holds -1"},
    {"ConstantOfShape", "i64[1]", "", "! depends on data"},
    {"Range", "i64[]=0 i64[]=10 i64[]=3", "", "i64[4]"},
    {"Range", "i64[]=10 i64[]=0 i64[]=-3", "", "i64[4]"},
    {"Range", "i64[]=10 i64[]=0 i64[]=3", "", "i64[0]"},
    {"Range", "f32[]=0 f32[]=1 f32[]=0.25", "", "f32[4]"},
    {"Range", "f32[]=0 f32[]=1 f32[]=0", "", "! no finite range"},
    {"Range", "f32[]=nan f32[]=1 f32[]=1", "", "! no finite range"},
    {"Range", "i64[]=0 i64[]=1 i64[]=0", "", "! input 2 (delta) is 0"},
    {"Range", "i64[]=-9223372036854775808 i64[]=9223372036854775807 i64[]=1", "", "! more than memory"},
    {"Range", "i64[]=9223372036854775807 i64[]=-9223372036854775808 i64[]=-9223372036854775808", "", "i64[2]"},
    {"Range", "i64[] i64[]=1 i64[]=1", "", "! depends on data"},
    {"OneHot", "i64[2,3] i64[]=5 f32[2]", "", "f32[2,3,5]"},
    {"OneHot", "i64[2,3] f32[1]=5.7 i32[2]", "axis=0", "i32[5,2,3]"},
    {"OneHot", "i64[2,3] i64[]=0 f32[2]", "", "! depth"},
    {"OneHot", "i64[2,3] i64[]=2 f32[3]", "", "! [2] was expected"},
  };
  CHECK_CASES(cases);
}
