# qe_add_engine(NAME source...): the engine of this folder of plugins/, with the flags and headers every engine has. A shared
# object in engines/, or, when QE_STATIC_ENGINES names it, objects that become part of libqengine; their qe_plugin_query is
# called qe_plugin_query_NAME then, so that several can live in one library.
function(qe_add_engine name)
  if(name IN_LIST QE_STATIC_ENGINES)
    add_library(${name} OBJECT ${ARGN})
    target_compile_definitions(${name} PRIVATE qe_plugin_query=qe_plugin_query_${name})
    set_property(GLOBAL APPEND PROPERTY QE_ENGINES_INSIDE ${name})
  else()
    add_library(${name} MODULE ${ARGN})
    set_target_properties(${name} PROPERTIES PREFIX "qe_" LIBRARY_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/engines)
    install(TARGETS ${name} LIBRARY DESTINATION ${QE_ENGINE_INSTALL_DIR})
  endif()
  target_include_directories(${name} PRIVATE ${PROJECT_SOURCE_DIR}/api/include ${CMAKE_CURRENT_SOURCE_DIR})
  target_link_libraries(${name} PRIVATE qe_flags qe_ops m)
endfunction()
