/*
 * form: urlencoded and multipart content as the JSON that it stands for.
 *
 * Role    names such as "paths[]", "config.redis.port", "headers[x.y]" become objects and arrays;
 *         then the table says what a text means: a number, a boolean, a list of one
 *         (kong/api/arguments_decoder.lua, arguments.lua)
 * Owns    nothing
 * Thread  any
 *
 * Two steps, because the type of a plugin's `config` is known only when its name has been read:
 *     form_read_urlencoded or form_read_multipart, then form_infer
 */
#ifndef CONFIG_ADMIN_FORM_H
#define CONFIG_ADMIN_FORM_H

#include <jansson.h>

#include "config/model/kong_error.h"
#include "config/model/model.h"
#include "core/slice.h"

enum {
    FORM_ARGUMENTS_MAX = 1000, /* as Kong: more is a 400 "Too many arguments" */
    FORM_DEPTH_MAX = 32,       /* names inside each other */
};

/* An object of objects, arrays and strings; a name without "=" is true. 0, -EINVAL with a plain
 * error, -ENOMEM. */
int form_read_urlencoded(struct slice text, json_t **ret, struct kong_error *error);

/* content_type: the field's value, which has the boundary. */
int form_read_multipart(struct slice text, struct slice content_type, json_t **ret,
                        struct kong_error *error);

/*
 * What texts mean by the table: "80" is a number where a number is wanted, "" is null, one value is a
 * list where a list is wanted. What has no field stays as it is, for the validation to refuse.
 * config: of the plugin, NULL when the entity is none or the plugin is unknown. Changes `form`.
 * 0 or -ENOMEM.
 */
int form_infer(json_t *form, const struct model *model, const struct model_record *record,
               const struct model_record *config);

/* A text that is a number as that; anything else as it is. A new reference; NULL: no memory. */
json_t *form_number(json_t *value);

#endif
