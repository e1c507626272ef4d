/*
 * kong_error: what the Admin API refuses, in Kong's words (kong/db/errors.lua).
 *
 * Role    code, name, message and fields of a refusal, and the HTTP status that goes with it
 * Owns    its texts and JSON
 * Thread  one
 *
 * Zeroed it is no error; kong_error_done makes it that again.
 */
#ifndef CONFIG_KONG_ERROR_H
#define CONFIG_KONG_ERROR_H

#include <jansson.h>
#include <stdbool.h>

enum kong_error_code {
    KONG_ERROR_NONE = 0,
    KONG_INVALID_PRIMARY_KEY = 1,
    KONG_SCHEMA_VIOLATION = 2,
    KONG_PRIMARY_KEY_VIOLATION = 3,
    KONG_FOREIGN_KEY_VIOLATION = 4,
    KONG_UNIQUE_VIOLATION = 5,
    KONG_NOT_FOUND = 6,
    KONG_INVALID_OFFSET = 7,
    KONG_DATABASE_ERROR = 8,
    KONG_INVALID_SIZE = 9,
    KONG_INVALID_UNIQUE = 10,
    KONG_INVALID_OPTIONS = 11,
    KONG_OPERATION_UNSUPPORTED = 12,
    KONG_FOREIGN_KEYS_UNRESOLVED = 13,
    KONG_DECLARATIVE_CONFIG = 14,
    KONG_REFERENCED_BY_OTHERS = 19,
    KONG_PLAIN = 100, /* {"message": ...} with `status` */
    KONG_OUT_OF_MEMORY = 101,
};

struct kong_error {
    enum kong_error_code code;
    unsigned status;          /* HTTP */
    char *message;            /* malloc'ed; NULL: no memory for it */
    const char *unique_field; /* of KONG_INVALID_UNIQUE: names the error */
    json_t *fields;           /* "fields", of KONG_INVALID_OPTIONS "options"; NULL: none */
};

/* Each sets *error (which was zeroed or done) and returns -EINVAL, so that a function may end with
 * `return kong_error_...`. They take `fields`. */
int kong_error_plain(struct kong_error *error, unsigned status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
int kong_error_schema_violation(struct kong_error *error, json_t *fields);
int kong_error_primary_key_violation(struct kong_error *error, const char *id);
int kong_error_invalid_primary_key(struct kong_error *error, json_t *key_errors);
int kong_error_unique_violation(struct kong_error *error, json_t *key); /* {"name": "x"} */
int kong_error_foreign_key_missing(struct kong_error *error, const char *field, const char *id,
                                   const char *parent_entity);
int kong_error_still_referenced(struct kong_error *error, const char *child_entity,
                                const char *entity);
/* {"service": {"name": {"name": "name", "value": "x", "parent": "services"}}}, or texts instead of the
 * innermost objects; these become texts. */
int kong_error_foreign_keys_unresolved(struct kong_error *error, json_t *fields);
int kong_error_not_found(struct kong_error *error, json_t *key); /* {"id": ...} or another field */
int kong_error_invalid_offset(struct kong_error *error, const char *offset, const char *why);
int kong_error_invalid_size(struct kong_error *error, const char *message);
int kong_error_invalid_unique(struct kong_error *error, const char *field, const char *message);
int kong_error_invalid_options(struct kong_error *error, json_t *options);
int kong_error_unsupported(struct kong_error *error, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
int kong_error_database(struct kong_error *error, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
int kong_error_declarative(struct kong_error *error, json_t *fields);
int kong_error_referenced_by_others(struct kong_error *error, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* What a refusal lists at most; its last words tell how many there are beside them. No person or tool
 * mends more at a time, and who sends 100,000 wrong values on purpose shall not get as many sentences. */
enum { KONG_VIOLATIONS_MAX = 100, KONG_DECLARATIVE_VIOLATIONS_MAX = 1000 };

/* Takes the texts behind the first `max` out of a tree of them, and tells how many those were. */
size_t kong_error_limit(json_t *tree, size_t max);

/* The content that goes to the client; a new reference; NULL: no memory. */
json_t *kong_error_json(const struct kong_error *error);
void kong_error_done(struct kong_error *error);

/* Kong's printer of values in messages: {k=v,k2="x"}, sorted; in an array null is a hole. malloc'ed;
 * NULL: no memory. */
char *kong_error_print(const json_t *value);
/* The same on several lines, indented by two, as nested errors are shown. */
char *kong_error_print_lines(const json_t *value);

#endif
