# Writes OUTPUT, a C source with the bytes of each of FILES (separated by "|").
# Run at build time: cmake -DOUTPUT=... "-DFILES=a.yaml|b.yaml" -P embed.cmake

string(REPLACE "|" ";" files "${FILES}")
set(arrays "")
set(entries "")
foreach(file ${files})
  get_filename_component(name ${file} NAME_WE)
  string(MAKE_C_IDENTIFIER "${name}" id)
  file(READ ${file} hex HEX)
  string(REGEX REPLACE "(..)" "0x\\1," bytes "${hex}")
  string(APPEND arrays "static const unsigned char text_${id}[] = { ${bytes} };\n")
  string(APPEND entries "    { \"${name}\", text_${id}, sizeof(text_${id}) },\n")
endforeach()
file(WRITE ${OUTPUT} "/* generated from tools/lab/chains/ by embed.cmake */
#include \"tools/lab/chain.h\"

${arrays}
const struct chain_builtin chain_builtins[] = {
${entries}    { NULL, NULL, 0 },
};
")
