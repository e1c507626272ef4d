/*
 * charset: nginx's directive of that name, as far as the Content-Type goes.
 *
 * Role    Kong sets "charset UTF-8" (nginx_http_charset): texts of targets that name no charset get it
 * Owns    nothing
 * Thread  one worker; pure
 *
 * Source  nginx src/http/modules/ngx_http_charset_filter_module.c: the media type must be one of
 *         charset_types (its default list) and have no parameter. Content is not converted: without
 *         source_charset nginx does not convert it either.
 */
#ifndef PROXY_CHARSET_H
#define PROXY_CHARSET_H

#include "core/arena.h"
#include "core/slice.h"

/* content_type itself where nothing is to be added. ptr NULL: no memory. */
struct slice charset_added(struct slice content_type, const char *charset, struct arena *arena);

#endif
