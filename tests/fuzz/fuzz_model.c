/*
 * Any JSON as any entity, made or changed: what is refused says why, what is taken can be put again and
 * comes out the same. The first byte chooses the entity and the operation; the rest is the input, for an
 * update before a NUL what was there.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "config/model/model_process.h"
#include "tests/fuzz/fuzz_input.h"

enum { FUZZ_NOW_S = 1700000000 };

static int process(struct model_request *request, json_t **ret)
{
    struct kong_error error = { 0 };
    json_t *body;
    int r = model_process(model_get(), request, ret, &error);

    require(r == 0 || r == -EINVAL, "neither taken nor refused");
    require((r == 0) == (*ret != NULL), "taken without an entity");
    if (r < 0) {
        require(error.status >= 400 && error.message, "refused without a message");
        body = kong_error_json(&error);
        require(body != NULL, "refused without a body");
        json_decref(body);
    }
    kong_error_done(&error);
    return r;
}

/* A password is hashed again; and Kong makes round-robin of consistent-hashing when it sees that the
 * hash is of nothing, which it does not see when hash_on was left out. */
static bool is_never_the_same(const struct model_entity *entity, const json_t *values)
{
    const char *hash_on = json_string_value(json_object_get(values, "hash_on"));

    return strcmp(entity->name, "basicauth_credentials") == 0 ||
           (strcmp(entity->name, "upstreams") == 0 && hash_on && strcmp(hash_on, "none") == 0);
}

static void check_again(const struct model_request *first, json_t *entity)
{
    struct model_request request = {
        .entity = first->entity, .operation = MODEL_CHECK, .input = entity, .now_s = FUZZ_NOW_S
    };
    json_t *again = NULL;

    if (is_never_the_same(first->entity, entity))
        return;
    require(process(&request, &again) == 0, "what was given back is refused");
    char *one = json_dumps(entity, JSON_SORT_KEYS), *other = json_dumps(again, JSON_SORT_KEYS);
    require_same(slice_of(one), slice_of(other), "what was given back comes out differently");
    free(one);
    free(other);
    json_decref(again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct model *model = model_get();
    size_t count = model_entities_count(model);
    const uint8_t *nul;
    struct model_request request = { .now_s = FUZZ_NOW_S };
    json_t *input, *before = NULL, *entity = NULL;

    if (size < 1)
        return 0;
    request.entity = model_entity_at(model, data[0] % count);
    request.operation = (enum model_operation)(data[0] / count % 4);
    data++;
    size--;
    nul = memchr(data, '\0', size);
    if (request.operation == MODEL_UPDATE) {
        if (!nul || !(before = json_loadb((const char *)data, (size_t)(nul - data), 0, NULL)))
            return 0;
        size -= (size_t)(nul + 1 - data);
        data = nul + 1;
        request.before = before;
    }
    input = json_loadb((const char *)data, size, JSON_DECODE_ANY, NULL);
    if (input && (!before || json_is_object(before))) {
        request.input = input;
        if (process(&request, &entity) == 0 && request.operation != MODEL_UPDATE)
            check_again(&request, entity);
    }
    json_decref(entity);
    json_decref(before);
    json_decref(input);
    return 0;
}
