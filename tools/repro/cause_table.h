/*
 * cause_table: what lines of logs may come from: tools/repro/causes.json, put into the binary by the build.
 *
 * Role    rules (which line may have which causes, the likeliest first), causes (a sentence, a fix, and how
 *         the lab plays it) and stages (the hop and the server that it is played on)
 * Owns    the parsed table; every text belongs to it
 * Thread  any
 *
 * The file's keys are explained at its top, under "about".
 */
#ifndef TOOLS_REPRO_CAUSE_TABLE_H
#define TOOLS_REPRO_CAUSE_TABLE_H

#include <jansson.h>

#include "core/cleanup.h"
#include "tools/repro/line.h"

/* Whose connections the fault is on. */
enum cause_place { CAUSE_AT_SERVER, CAUSE_TO_SERVER, CAUSE_TO_CLIENT, CAUSE_NO_FAULT };

struct repro_cause {
    const char *name, *where, *what;
    const char *fix, *tell; /* {words} are settings, see cause_words; tell may be "" */
    const char *untried;    /* why the lab cannot play it; NULL: it can */
    const char *stage;
    const char *fault; /* as `hopgate lab run --fault` has it; NULL with CAUSE_NO_FAULT */
    enum cause_place place;
    int time_scale;
    bool is_warm;         /* it shows on a connection that was used before */
    bool is_alone;        /* its line does not say which request it is about */
    const char *method;   /* NULL: that of the pasted line */
    const json_t *fields; /* ["Name: value"] of the request; NULL: none */
    /* of the request: its content, a field, more of its path; 0: the usual one, none */
    size_t content_bytes, field_bytes, path_bytes;
};

struct cause_table {
    json_t *root;
    struct repro_cause *causes;
    size_t count;
};

/* NULL: no memory. */
struct cause_table *cause_table_create(void);
void cause_table_free(struct cause_table *table); /* accepts NULL */
DEFINE_SCOPED(cause_table);

/* Or NULL. */
const struct repro_cause *cause_table_find(const struct cause_table *table, const char *name);

/* "rules": [{kind, products?, if, causes}] */
const json_t *cause_table_rules(const struct cause_table *table);

/* "stages".name: {hop?, origin?, client?} of a chain file. NULL: there is none. */
const json_t *cause_table_stage(const struct cause_table *table, const char *name);

/* "services".product: fields of a service. NULL: Kong's defaults hold. */
const json_t *cause_table_service(const struct cause_table *table, enum line_product product);

/* The text with {read_timeout} and its like as that product calls them. */
void cause_words(const char *text, enum line_product product, char *into, size_t size);

struct repro_builtin {
    const char *name; /* of the file, without ".json"; NULL ends the table */
    const unsigned char *text;
    size_t length; /* bytes */
};
extern const struct repro_builtin repro_builtins[];

#endif
