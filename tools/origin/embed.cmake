# Writes OUTPUT, a C source with the bytes of FILE: cmake -DOUTPUT=... -DFILE=faults.json -P embed.cmake

file(READ ${FILE} hex HEX)
string(REGEX REPLACE "(..)" "0x\\1," bytes "${hex}")
file(WRITE ${OUTPUT} "/* generated from tools/origin/faults.json by embed.cmake */
#include \"tools/origin/fault_builtin.h\"

const unsigned char fault_builtin_text[] = { ${bytes} };
const size_t fault_builtin_length = sizeof(fault_builtin_text);
")
