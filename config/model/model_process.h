/*
 * model_process: from what a client sent to an entity that may be stored.
 *
 * Role    shorthands, defaults, sets without repetitions, ids, times and keys that are made here, and
 *         the validation of it all with Kong's error tree (kong/db/schema/init.lua)
 * Owns    nothing
 * Thread  any
 *
 * Foreign keys come resolved: {"id": uuid} or null. An entity that comes out has every field of the
 * table, unset ones as null, ids in lower case, whole numbers as integers; of an entity that has a time
 * to live also "ttl" (seconds from now, or null). What is pseudo (certificates.snis) is in it only when
 * the input had it. The input may be nested up to MODEL_INPUT_DEPTH_MAX.
 */
#ifndef CONFIG_MODEL_PROCESS_H
#define CONFIG_MODEL_PROCESS_H

#include "config/model/kong_error.h"
#include "config/model/model.h"

enum { MODEL_INPUT_DEPTH_MAX = 64 };

enum model_operation {
    MODEL_INSERT, /* defaults are filled in, created_at is now unless it is said */
    MODEL_UPSERT, /* the same: PUT replaces everything */
    MODEL_UPDATE, /* `input` is merged into `before` first */
    MODEL_CHECK, /* as MODEL_INSERT, for /schemas/.../validate: nothing is going to be stored, so that
                   * what this program does not run is fine too */
};

struct model_request {
    const struct model_entity *entity;
    enum model_operation operation;
    const json_t *input;  /* an object */
    const json_t *before; /* of MODEL_UPDATE; else NULL */
    double now_s;         /* Unix time */
    bool
        is_stored_form; /* input was stored before (a dump): hashed already, changed when it says */
};

/* 0: *ret is a new reference. -EINVAL: *error is a KONG_SCHEMA_VIOLATION (of "ttl" alone
 * KONG_INVALID_OPTIONS; of what is no object or nested too deep KONG_PLAIN). -ENOMEM. */
int model_process(const struct model *model, const struct model_request *request, json_t **ret,
                  struct kong_error *error);

/* Only what stands for other fields (services.url, old names), which Kong reads before references are
 * resolved: 0, -EINVAL with a KONG_SCHEMA_VIOLATION, -ENOMEM. Of what is no object or nested too deep
 * nothing is said. */
int model_check_shorthands(const struct model *model, const struct model_request *request,
                           struct kong_error *error);

/* Kong's error tree of one value alone: a new reference; NULL: it is good. */
json_t *model_value_errors(const struct model_field *field, const json_t *value);

/* The same of a value in a path, as one text (malloc'ed); NULL: it is good. */
char *model_check_value(const struct model_field *field, const json_t *value);

#endif
