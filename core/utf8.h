/*
 * utf8: is a text valid UTF-8?
 *
 * Role    checks names and paths where a rule asks for UTF-8
 * Owns    nothing
 * Thread  any
 */
#ifndef CORE_UTF8_H
#define CORE_UTF8_H

#include <stdbool.h>

#include "core/slice.h"

/* RFC 3629: no overlong forms, no surrogates, nothing above U+10FFFF. NUL is a character. */
bool utf8_is_valid(struct slice text);

#endif
