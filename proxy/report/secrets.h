/*
 * secrets: which names speak of credentials, and what is shown instead of their values.
 *
 * Role    fields and query arguments of what people are shown: the flight recorder
 * Owns    nothing
 * Thread  any
 */
#ifndef PROXY_SECRETS_H
#define PROXY_SECRETS_H

#include "core/http/fields.h"

/* Authorization, Cookie and their like, and every name with "key", "token", "secret", "auth",
 * "passw", "session", "credential" or "signature" in it. */
bool secrets_name_is_secret(struct slice name);
bool secrets_field_is_secret(const struct field *field);

/* Values of query arguments with such names become asterisks, in place; `text` may be a request
 * line, a URI or a field value. */
void secrets_mask_query(char *text, size_t length);

/* The same for a field line ("Name: value") with such a name. */
void secrets_mask_line(char *text, size_t length);

#endif
