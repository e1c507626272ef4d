/*
 * lua_pattern: Lua's patterns, in which Kong's schemas say what a string looks like.
 *
 * Role    classes (%a %d %l %s %u %w %x, sets), the repetitions * + - ? and anchors (Lua 5.1, 5.4.1);
 *         captures, %b and %f are not there because no schema has them
 * Owns    nothing
 * Thread  any
 *
 * The steps are limited: where the limit is reached the text does not match, so that a long text cannot
 * hold up who checks it.
 */
#ifndef CONFIG_LUA_PATTERN_H
#define CONFIG_LUA_PATTERN_H

#include <stdbool.h>

#include "core/slice.h"

/* Whether the pattern is somewhere in the text (at its beginning with ^). */
bool lua_pattern_matches(const char *pattern, struct slice text);

#endif
