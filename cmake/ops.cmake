# QE_OPS: a header that every kernel table is compiled with. QE_WITH_OP(op, row) is the row when the op is in the list and
# nothing when it is not; the functions that no row names are dropped by the linker. Without the list there is no header,
# and whoever uses QE_WITH_OP says what it is then.
add_library(qe_ops INTERFACE)
if(QE_OPS)
  set(header ${PROJECT_BINARY_DIR}/qe_ops.h)
  file(STRINGS ${PROJECT_SOURCE_DIR}/core/registry/ops.def rows REGEX "^QE_OP\\(")
  string(REGEX REPLACE "QE_OP\\(([A-Za-z0-9]+)[^;]*" "\\1" known "${rows}")
  set(text "/* Made by cmake/ops.cmake from QE_OPS. */\n")
  # What plans add by themselves.
  set(ops ${QE_OPS} Relayout Lookup QuantizeLinear DequantizeLinear)
  list(REMOVE_DUPLICATES ops)
  foreach(op ${ops})
    if(NOT op IN_LIST known)
      message(FATAL_ERROR "QE_OPS: '${op}' is no op of core/registry/ops.def")
    endif()
    string(APPEND text "#define QE_OP_${op} ~, QE__KEEP\n")
  endforeach()
  string(APPEND text "#define QE__KEEP(...) __VA_ARGS__\n#define QE__DROP(...)\n"
    "#define QE__SECOND(a, b, ...) b\n#define QE__PICK(...) QE__SECOND(__VA_ARGS__, QE__DROP, ~)\n"
    "#define QE_WITH_OP(op, ...) QE__PICK(QE_OP_##op)(__VA_ARGS__)\n")
  file(CONFIGURE OUTPUT ${header} CONTENT "${text}" @ONLY)
  target_compile_options(qe_ops INTERFACE -include ${header})
endif()
