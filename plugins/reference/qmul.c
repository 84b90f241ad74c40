/* Mul on codes: q = clamp(rne(((sa * (a - za)) * (sb * (b - zb))) / sc) + zc), one rounding per operation. */
#include "qelementwise.h"

REF_QELEMENTWISE(qmul, (a * b) / sc)
