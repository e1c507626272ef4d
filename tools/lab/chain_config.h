/*
 * chain_config: what a hop of a chain is started with.
 *
 * Role    kong.conf and the declarative file for one hop, from the chain file, the addresses that the
 *         lab has chosen and the certificates that it has made; no file is written here
 * Owns    nothing
 * Thread  one
 *
 * redirect: services lead to the next part of the path, targets of upstreams to the next parts in turn.
 * What hopgate cannot run of a Kong file (plugins, consumers) is left out, and said. Times stay as they
 * are stated: the hop divides them (hopgate_time_scale).
 */
#ifndef TOOLS_LAB_CHAIN_CONFIG_H
#define TOOLS_LAB_CHAIN_CONFIG_H

#include <jansson.h>

#include "tools/lab/chain.h"

/* Where a part of the path listens, or is connected to. */
struct chain_place {
    char address[46];
    uint16_t port;
    bool tls;
};

struct chain_next {
    const struct chain_place *places;
    size_t count; /* more than one: origins that share the load */
};

struct chain_config_context {
    const struct chain *chain;
    const struct chain_element *element;
    const char *prefix;     /* of the hop */
    const char *pki_folder; /* NULL: none was made */
    struct chain_place here;
    struct chain_next next;
    bool is_root;
    bool has_cases; /* what one does to a connection is not to meet another one */
    /* once the declarative file is there */
    const json_t *more_ports; /* that the hop listens on too; NULL: none */
    bool leads_tls;           /* see chain_config_leads_tls */
};

/* Heap text, or NULL: no memory. */
char *chain_config_kong_conf(const struct chain_config_context *context);

/*
 * The declarative file as JSON (a new reference); its own file has been read before. NULL: errors say
 * why, or no memory. What was left out is said in `notes` (a list of texts).
 */
json_t *chain_config_declarative(const struct chain_config_context *context, json_t *notes,
                                 struct config_errors *errors);

/* All routes of the file are of TLS that is led on unopened. */
bool chain_config_leads_tls(const json_t *declarative);

#endif
