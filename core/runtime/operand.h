/* Strides of an operand by layout: the one place that says what the layouts mean in memory. */
#ifndef QE_CORE_OPERAND_H
#define QE_CORE_OPERAND_H

#include "qengine_plugin.h"

/* Sets layout and strides from dims; channels last below rank 3 is row-major. */
void qe__operand_set_strides(qe_operand *o, uint8_t layout);

#endif
