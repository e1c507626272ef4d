/*
 * headers_text: bytes of anybody's choice in a page or an XML file.
 *
 * Role    escapes them
 * Owns    nothing
 * Thread  any
 */
#ifndef TOOLS_LAB_HEADERS_TEXT_H
#define TOOLS_LAB_HEADERS_TEXT_H

#include <stdio.h>

#include "core/slice.h"

/* HTML and XML, in content and in quoted attributes: what is not printable ASCII as \xHH. */
void headers_text_markup(struct slice text, FILE *stream);

#endif
