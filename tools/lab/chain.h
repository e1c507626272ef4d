/*
 * chain: a chain file: hops, wires and origins in path order, as its author wrote it.
 *
 * Role    the model and its reader; one table of fields (chain_schema.c) drives reading, defaults and
 *         the text of `hopgate lab schema`
 * Owns    every text and document of the file
 * Thread  one
 *
 * Nothing here starts a process or takes an address.
 */
#ifndef TOOLS_LAB_CHAIN_H
#define TOOLS_LAB_CHAIN_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "config/config_error.h"
#include "config/document.h"
#include "config/entities.h"
#include "core/cleanup.h"

enum { CHAIN_ELEMENTS_MAX = 20 };

enum chain_kind { CHAIN_HOP, CHAIN_WIRE, CHAIN_ORIGIN };

/* Texts are NULL when they were not stated. */
struct chain_element {
    enum chain_kind kind;
    const char *name;
    /* of a hop */
    int64_t equals; /* so many like it share the load; each is an element, one behind the other */
    size_t number;  /* which of them, from 1 */
    const char *group; /* what they are called together; NULL: it is alone */
    const char *persona;
    const char *config;     /* declarative file, as a path that can be opened */
    const json_t *entities; /* inline; NULL: none */
    const json_t *settings; /* kong.conf keys; NULL: none */
    bool redirect;          /* services and targets lead to the next element */
    const char *protocol;   /* spoken to the next element, http or https; NULL: what that takes */
    bool verify_upstream;
    const char *client_certificate; /* shown to the next element: a folder of `hopgate lab pki` */
    /* of a hop or an origin */
    bool tls;
    const char *certificate;   /* a folder of `hopgate lab pki` */
    const char *verify_client; /* off, on, optional */
    /* of a wire */
    const json_t *faults; /* NULL: none */
    /* of a wire or an origin */
    const char *script;
    /* of an origin */
    const char *address; /* one that runs already */
};

struct chain_client {
    const char *host, *path, *certificate;
    int64_t timeout_ms; /* 0: not stated */
};

struct chain {
    const char *name, *description;
    int64_t time_scale, seed;
    const char *pki_name;
    int64_t pki_days;
    struct chain_client client;
    struct chain_element elements[CHAIN_ELEMENTS_MAX];
    size_t count;
    size_t origins_count; /* the last so many elements */
    struct config *texts;
    struct document *document;
};

/* A path, or the name of a chain that is built in. 0; -EINVAL or another negative errno: see errors;
 * -ENOMEM. */
int chain_load(const char *path_or_name, struct chain **ret, struct config_errors *errors);

/* The same from text; relative paths in it are from the directory of `source`. */
int chain_parse(struct slice text, const char *source, struct chain **ret,
                struct config_errors *errors);

void chain_free(struct chain *chain);
DEFINE_SCOPED(chain);

/* Something shows or wants a certificate. */
bool chain_needs_pki(const struct chain *chain);

const char *chain_kind_name(enum chain_kind kind);

/* The first of those that an element stands among; itself if it is alone. */
size_t chain_first_equal(const struct chain *chain, size_t element);

/* What follows an element and its equals: the first part, and how many there share the load. */
size_t chain_behind(const struct chain *chain, size_t element, size_t *ret_count);

/* What a part and its equals are called. */
const char *chain_group_name(const struct chain_element *element);

/* What a chain file can say, from the table. */
void chain_print_schema(FILE *stream);

/* The chains that are built in; the last has no name. */
struct chain_builtin {
    const char *name;
    const unsigned char *text;
    size_t length;
};
extern const struct chain_builtin chain_builtins[];

#endif
