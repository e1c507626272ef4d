/*
 * persona_priv: the persona schema as tables, and the reader that they drive.
 *
 * Role    one table row per JSON key: its name, its kind, and where in the struct it goes
 * Owns    nothing; what is read is allocated in the persona's memory
 * Thread  one
 */
#ifndef PROXY_PERSONA_PRIV_H
#define PROXY_PERSONA_PRIV_H

#include "config/document.h"
#include "proxy/persona/persona.h"

enum persona_kind {
    PERSONA_KIND_TEXT,   /* const char * */
    PERSONA_KIND_NAME,   /* struct slice: a field name */
    PERSONA_KIND_TEXTS,  /* struct persona_strings */
    PERSONA_KIND_NAMES,  /* struct persona_strings: field names, or prefixes that end in "*" */
    PERSONA_KIND_NUMBER, /* uint64_t, at most `max` */
    PERSONA_KIND_BOOL,   /* bool */
    PERSONA_KIND_TRISTATE,
    PERSONA_KIND_WORD,   /* an enum: one of `words` */
    PERSONA_KIND_WORDS,  /* an unsigned mask: the union of `words` */
    PERSONA_KIND_REASON, /* enum end_reason */
    PERSONA_KIND_VALUE,  /* struct template, of a field's value */
    PERSONA_KIND_BODY,   /* struct template, of a page */
    PERSONA_KIND_OBJECT, /* the struct of `schema`, in place */
    PERSONA_KIND_LIST,   /* pointer and size_t count of structs of `schema` */
};

struct persona_word {
    const char *text;
    int value;
    bool lab; /* see persona_lab_words */
};

#define PERSONA_WORDS_END \
    {                     \
        NULL, 0, false    \
    }

struct persona_schema;

struct persona_key {
    const char *name;
    enum persona_kind kind;
    bool optional;
    bool lab_only; /* what stands under it acts in the lab only: none of it is a lab word */
    size_t offset;
    uint64_t max;
    const struct persona_word *words;    /* ends with text NULL */
    const struct persona_schema *schema; /* of OBJECT and LIST */
};

struct persona_schema {
    const struct persona_key *keys; /* ends with name NULL */
    size_t size;                    /* bytes of the struct */
    const void *initial;            /* what an unread list item is; NULL: zeros */
};

extern const struct persona_schema persona_schema;

/* kong.conf has the same words: hopgate_client_cert_fields, hopgate_trusted_client_cert_field. */
extern const struct persona_word persona_client_cert_words[], persona_trusted_cert_words[];

/* And nginx_http_proxy_next_upstream, hopgate_retry_on. */
extern const struct persona_word persona_retry_words[];

/* The sections parse and lab. */
extern const struct persona_word persona_lenient_words[];

/* Of rules for fields. */
extern const struct persona_word persona_policy_words[], persona_when_words[];

/* Blocks and documents that live as long as the persona. */
struct persona_memory {
    struct persona_block *blocks;
    struct persona_strings lab_words;
    struct persona_memory *lender; /* of a shared persona: whose texts it has; NULL: none */
    unsigned holders_count;        /* its persona, and those that it lends to */
};

/* Zeroed; NULL when there is no memory. */
void *persona_allocate(struct persona *persona, size_t bytes);

/*
 * Reads a mapping into `into`. complete: every key that is not optional must be there. What is
 * wrong goes to errors; reading goes on, so that one run tells all of it.
 */
void persona_read(struct persona *persona, const struct document_node *node,
                  const struct persona_schema *schema, void *into, bool complete,
                  struct config_errors *errors);

#endif
