/*
 * declarative_fields: the entries of hopgate.fields as they are written, before their keys are put
 * together; and what is known about each field that may have a policy.
 *
 * Role    what schema_fields.c fills, what declarative_fields.c and declarative_forwarded.c read
 * Owns    nothing; the texts belong to the configuration
 * Thread  one; the table is constant
 */
#ifndef CONFIG_DECLARATIVE_FIELDS_H
#define CONFIG_DECLARATIVE_FIELDS_H

#include "config/entities.h"

struct written_field_rules {
    char *service, *route;
};

struct written_operation {
    char *names[CONFIG_CASE + 1]; /* by operation; exactly one of them is there */
    char *value, *to;
    bool if_absent, always;
    struct config_statuses statuses;
};

struct written_forwarded {
    char *policy, *untrusted;
    struct config_strings trusted;
    char *for_node, *by_node;
    bool host, proto;
};

#endif
