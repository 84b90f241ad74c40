/* Strides of an operand by layout. */
#include "runtime/operand.h"

void qe__operand_set_strides(qe_operand *o, uint8_t layout) {
  int64_t stride = 1;
  o->layout = layout;
  if (layout == QE_LAYOUT_CHANNELS_LAST && o->rank >= 3) {
    o->strides[1] = 1;
    stride = o->dims[1];
    for (uint32_t d = o->rank; d-- > 2;) {
      o->strides[d] = stride;
      stride *= o->dims[d];
    }
    o->strides[0] = stride;
    return;
  }
  o->layout = QE_LAYOUT_ROW_MAJOR;
  for (uint32_t d = o->rank; d-- > 0;) {
    o->strides[d] = stride;
    stride *= o->dims[d];
  }
}
