/*
 * json_text: a JSON object written member by member into a text.
 *
 * Role    the JSON lines of the access log
 * Owns    nothing
 * Thread  one worker
 *
 * Keys are written as they are: they are ours. Values are escaped: no control byte, no broken UTF-8.
 */
#ifndef PROXY_JSON_TEXT_H
#define PROXY_JSON_TEXT_H

#include <netinet/in.h>

#include "core/http/fields.h"
#include "proxy/report/text.h"

/* A JSON object that is being written: keys know whether a comma is due. */
struct json_object {
    struct text *text;
    bool has_members;
};

struct json_object json_object_open(struct text *text);
void json_object_close(struct json_object *object);

/* "key": for a value that the caller writes. */
void json_add_key(struct json_object *object, const char *key);

/* The same for a key that somebody else chose: escaped, in lower case. */
void json_add_lower_key(struct json_object *object, struct slice name);

void json_add_quoted(struct text *text, struct slice value);
void json_add_text(struct json_object *object, const char *key, struct slice value);
void json_add_text_if(struct json_object *object, const char *key, const char *value); /* or NULL */
void json_add_number(struct json_object *object, const char *key, uint64_t value);
void json_add_bool(struct json_object *object, const char *key, bool value);

/* Two members; none for what is no IP address. */
void json_add_address(struct json_object *object, const char *ip_key, const char *port_key,
                      const struct sockaddr_storage *addr);

/* Names in lower case; a name with several lines has a list. is_secret: whose values are REDACTED. */
void json_add_fields(struct json_object *parent, const char *key, const struct fields *fields,
                     bool (*is_secret)(const struct field *field));

#endif
