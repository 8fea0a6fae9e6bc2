# lemur_web_page(TARGET PAGE.html SYMBOL [FOLDERS ...]): compiles a page into TARGET as `const std::string_view lemur::SYMBOL`, one HTML document with every
# stylesheet and script that it names inlined. They are looked for beside the page, then in FOLDERS. cmake/inline_page.cmake says what becomes of them.
function(lemur_web_page target page symbol)
  cmake_parse_arguments(WEB "" "" "FOLDERS" ${ARGN})
  cmake_path(ABSOLUTE_PATH page)
  cmake_path(GET page PARENT_PATH folder)
  cmake_path(GET page STEM name)
  set(folders ${folder} ${WEB_FOLDERS})
  set(parts "")
  foreach(each IN LISTS folders)
    file(GLOB found CONFIGURE_DEPENDS ${each}/*.css ${each}/*.js)
    list(APPEND parts ${found})
  endforeach()
  set(output ${CMAKE_CURRENT_BINARY_DIR}/${name}_page.cpp)
  add_custom_command(OUTPUT ${output}
    COMMAND ${CMAKE_COMMAND} -DPAGE=${page} -DOUTPUT=${output} -DSYMBOL=${symbol} "-DFOLDERS=${folders}" -P ${CMAKE_SOURCE_DIR}/cmake/inline_page.cmake
    DEPENDS ${page} ${parts} ${CMAKE_SOURCE_DIR}/cmake/inline_page.cmake
    COMMENT "Inlining ${name}.html" VERBATIM)
  target_sources(${target} PRIVATE ${output})
endfunction()
