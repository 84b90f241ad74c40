# qe_cpu_engine(NAME): the engine of the folder at hand, made of its files and those of plugins/cpu, as both stand under one
# include path. A file's name ends with the instruction set that it is built for (stem__avx2.c), whose flags are in
# FB_FLAGS_<instruction set>; every other file is plain C, which may not contain instructions that a processor lacks.
function(qe_cpu_engine name)
  if(QE_FUZZ) # parsers need no kernels, and clang takes minutes for these with sanitizers
    return()
  endif()
  set(cpu ${PROJECT_SOURCE_DIR}/plugins/cpu)
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/*.c ${cpu}/*.c)
  qe_add_engine(${name} ${sources})
  target_include_directories(${name} PRIVATE ${cpu})
  pkg_check_modules(SLEEF REQUIRED IMPORTED_TARGET sleef)
  target_link_libraries(${name} PRIVATE PkgConfig::SLEEF)
  # With sanitizers the unrolled loops take minutes to compile at -O3.
  set(optimize -O3)
  if(QE_SANITIZE)
    set(optimize -O1)
    if(CMAKE_C_COMPILER_ID STREQUAL GNU) # else gcc leaves vzeroupper out, which conform notices
      list(APPEND optimize -fexpensive-optimizations)
    endif()
  endif()
  foreach(source ${sources})
    if(source MATCHES "__([a-z0-9_]+)\\.c$")
      if(NOT DEFINED FB_FLAGS_${CMAKE_MATCH_1})
        message(FATAL_ERROR "${source}: '${CMAKE_MATCH_1}' is no instruction set of ${name}")
      endif()
      set_source_files_properties(${source} PROPERTIES COMPILE_OPTIONS "${FB_FLAGS_${CMAKE_MATCH_1}};${optimize}")
    endif()
  endforeach()
endfunction()
