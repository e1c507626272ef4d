/*
 * bind: from the fields of an entity to the members of its struct.
 *
 * Role    one table per entity says which field goes where, and in which form; what a field may hold and
 *         what it holds when nobody says it stands in the model alone (config/model)
 * Owns    nothing: texts and lists belong to the struct config
 * Thread  any; the tables are constant
 *
 * The values have been found right by the model, or come from a store that was filled through it. What a
 * store changed by hand may hold beside that is refused here rather than taken for something else.
 */
#ifndef CONFIG_BIND_H
#define CONFIG_BIND_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "config/entities.h"
#include "config/model/model.h"

enum bind_type {
    BIND_TEXT,      /* char *; null: NULL */
    BIND_INTEGER,   /* an integer of any size; null: -1 */
    BIND_NUMBER,    /* uint64_t, in thousandths (of seconds: ms); null: 0 */
    BIND_BOOLEAN,   /* bool, or int with -1 for null */
    BIND_TEXTS,     /* struct config_strings */
    BIND_STATUSES,  /* struct config_statuses */
    BIND_PROTOCOL,  /* enum config_protocol, of a service */
    BIND_PROTOCOLS, /* unsigned, a mask of them, of a route */
    BIND_RECORD,    /* fields of `record`, in the same struct */
    BIND_ELSEWHERE, /* by code: references, maps */
};

struct bind_field {
    const char *name;
    enum bind_type type;
    bool is_time; /* a uint64_t that time_scale divides, see config/entity_times.h */
    size_t offset, size;
    size_t said_offset; /* of a bool member: it was written; 0: nobody asks */
    const struct bind_table *record;
};

struct bind_table {
    const char *name; /* Kong's */
    const struct bind_field *fields;
    size_t fields_count;
};

extern const struct bind_table bind_services, bind_routes, bind_upstreams, bind_targets,
    bind_certificates, bind_ca_certificates;

/* Fills `entity`, which is zeroed before. written: the same as somebody wrote it, for what was said. 0;
 * -ENOMEM; -EINVAL: the field *ret_wrong holds what the model does not let in. */
int bind_values(struct config *config, const struct bind_table *table,
                const struct model_record *record, const json_t *values, const json_t *written,
                void *entity, const char **ret_wrong);

#endif
