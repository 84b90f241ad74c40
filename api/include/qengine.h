/* qengine.h - the C API of qengine. Includes everything; start reading at qengine/base.h. SPDX-License-Identifier: Apache-2.0 */
#ifndef QENGINE_H
#define QENGINE_H

#include "qengine/base.h"
#include "qengine/tensor.h"
#include "qengine/model.h"
#include "qengine/qconfig.h"
#include "qengine/session.h"
#include "qengine/engine.h"
#include "qengine/data.h"
#include "qengine/flow.h"
#include "qengine/train.h"
#include "qengine/conform.h"

#endif
