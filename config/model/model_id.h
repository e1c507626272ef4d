/*
 * model_id: the id that an entity of a declarative file has without saying it.
 *
 * Role    the same as in Kong, whose router breaks ties by id and whose users have ids in their scripts
 *         (kong/db/schema/others/declarative_config.lua: generate_ids)
 * Owns    nothing
 * Thread  any
 */
#ifndef CONFIG_MODEL_ID_H
#define CONFIG_MODEL_ID_H

#include "config/entity_id.h"
#include "config/model/model.h"

/*
 * Of the values as they are written: a target without its default port, a reference as the name or the id
 * that stands there; what is nested has its parent's id. 1; 0: nothing in it is unique, so that Kong takes
 * a random id each time; -ENOMEM. Then `ret` is untouched.
 */
int model_id_of(const struct model_entity *entity, const json_t *values,
                char ret[UUID_TEXT_BYTES + 1]);

#endif
