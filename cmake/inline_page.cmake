# cmake -DPAGE=x.html -DOUTPUT=x.cpp -DSYMBOL=kPage -DFOLDERS="a;b" -P inline_page.cmake
# Writes a C++ source that holds the page with its parts inlined: <link rel="stylesheet" href="FILE"> becomes <style>, <script src="FILE"></script> becomes
# <script>. In the page's Content-Security-Policy STYLE_HASHES and SCRIPT_HASHES become the hashes of just these, so that a browser runs nothing else.
cmake_minimum_required(VERSION 3.25)

# The policy's name of a text: 'sha256-<base64>'.
function(policy_hash text result)
  set(alphabet "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")
  string(SHA256 digits "${text}")
  string(APPEND digits "00") # 64 hexadecimal digits and 2: 22 times 12 bits
  set(base64 "")
  foreach(at RANGE 0 63 3)
    string(SUBSTRING ${digits} ${at} 3 three)
    math(EXPR high "0x${three} >> 6")
    math(EXPR low "0x${three} & 63")
    string(SUBSTRING ${alphabet} ${high} 1 first)
    string(SUBSTRING ${alphabet} ${low} 1 second)
    string(APPEND base64 ${first}${second})
  endforeach()
  string(SUBSTRING ${base64} 0 43 base64)
  set(${result} "'sha256-${base64}='" PARENT_SCOPE)
endfunction()

function(read_part name result)
  foreach(folder IN LISTS FOLDERS)
    if(EXISTS ${folder}/${name})
      file(READ ${folder}/${name} text)
      set(${result} "${text}" PARENT_SCOPE)
      return()
    endif()
  endforeach()
  message(FATAL_ERROR "${PAGE} names ${name}, which is in none of: ${FOLDERS}; scripts/bootstrap.sh fetches libraries")
endfunction()

# Replaces every `opening`FILE`closing` of `page` by <tag>content</tag> and appends the hashes of the contents to `hashes`.
function(inline_parts opening closing tag hashes_result)
  set(rest "${page}")
  set(done "")
  set(hashes "")
  string(LENGTH "${opening}" opening_length)
  string(LENGTH "${closing}" closing_length)
  while(TRUE)
    string(FIND "${rest}" "${opening}" at)
    if(at EQUAL -1)
      break()
    endif()
    string(SUBSTRING "${rest}" 0 ${at} before)
    math(EXPR at "${at} + ${opening_length}")
    string(SUBSTRING "${rest}" ${at} -1 rest)
    string(FIND "${rest}" "${closing}" length)
    string(SUBSTRING "${rest}" 0 ${length} name)
    math(EXPR at "${length} + ${closing_length}")
    string(SUBSTRING "${rest}" ${at} -1 rest)
    read_part(${name} text)
    policy_hash("${text}" hash)
    list(APPEND hashes ${hash})
    string(APPEND done "${before}<${tag}>${text}</${tag}>")
  endwhile()
  list(JOIN hashes " " hashes)
  set(page "${done}${rest}" PARENT_SCOPE)
  set(${hashes_result} "${hashes}" PARENT_SCOPE)
endfunction()

file(READ ${PAGE} page)
inline_parts("<script src=\"" "\"></script>" script script_hashes)
inline_parts("<link rel=\"stylesheet\" href=\"" "\">" style style_hashes)
string(REPLACE "SCRIPT_HASHES" "${script_hashes}" page "${page}")
string(REPLACE "STYLE_HASHES" "${style_hashes}" page "${page}")
cmake_path(GET PAGE FILENAME name)
file(WRITE ${OUTPUT} "// Made of ${name} by cmake/inline_page.cmake.
#include <string_view>

namespace lemur {
extern const std::string_view ${SYMBOL};
const std::string_view ${SYMBOL} = R\"lemur_page(${page})lemur_page\";
}  // namespace lemur
")
