/* Stands in for the Admin API until it is there: GET /, POST, GET, PATCH and DELETE of JSON. To be
 * deleted then; it compiles to nothing already. */
#if !__has_include("config/admin/admin.c")

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "config/admin/admin.h"

static int answer(struct admin_answer *ret, unsigned status, json_t *content)
{
    *ret =
        (struct admin_answer){ .status = status,
                               .content_type = content ? "application/json; charset=utf-8" : NULL };
    if (content) {
        ret->content = json_dumps(content, JSON_COMPACT);
        ret->content_length = strlen(ret->content);
        json_decref(content);
    }
    ret->fields[ret->fields_count].name = "Access-Control-Allow-Origin";
    ret->fields[ret->fields_count++].value = strdup("*");
    return 0;
}

static int say(struct admin_answer *ret, unsigned status, const char *message)
{
    return answer(ret, status, json_pack("{s:s}", "message", message));
}

static int answer_root(struct admin *admin, struct admin_answer *ret)
{
    json_t *root = admin->host->node(admin->host->context);

    json_object_set_new(root, "version", json_string("3.9.3"));
    json_object_set_new(root, "configuration", admin->host->configuration(admin->host->context));
    return answer(ret, 200, root);
}

static int change(struct admin *admin, const struct admin_request *request,
                  const struct model_entity *entity, const char *key, struct admin_answer *ret)
{
    json_t *input = json_loadb(request->content.ptr, request->content.len, 0, NULL);
    json_t *found = NULL, *made = NULL;
    struct kong_error error = { 0 };
    bool was_there;

    if (!*key && request->method.ptr[0] != 'P') {
        json_decref(input);
        return say(ret, 405, "Method not allowed");
    }
    if (*key)
        dao_find(admin->dao, entity, key, &found, &error);
    if (*key && !found) {
        json_decref(input);
        return say(ret, 404, "Not found");
    }
    if (!*key) {
        dao_insert(admin->dao, entity, input ? input : json_null(), &made, &error);
        answer(ret, 201, made);
    } else if (request->method.ptr[0] == 'D') {
        dao_delete(admin->dao, entity, json_string_value(json_object_get(found, "id")), &was_there,
                   &error);
        answer(ret, 204, NULL);
    } else {
        dao_update(admin->dao, entity, json_string_value(json_object_get(found, "id")), input,
                   &made, &error);
        answer(ret, 200, made);
    }
    ret->is_change = true;
    json_decref(found);
    json_decref(input);
    return 0;
}

int admin_handle(struct admin *admin, const struct admin_request *request, struct admin_answer *ret)
{
    char path[256] = "", *key;
    const struct model_entity *entity;
    struct kong_error error = { 0 };
    json_t *found = NULL;

    if (request->path.len >= sizeof(path))
        return say(ret, 404, "Not found");
    memcpy(path, request->path.ptr, request->path.len);
    if (strcmp(path, "/") == 0)
        return answer_root(admin, ret);
    if (strcmp(path, "/status") == 0)
        return answer(ret, 200, admin->host->status(admin->host->context));
    key = strchr(path + 1, '/');
    if (key)
        *key++ = '\0';
    entity = model_entity_by_url(dao_model(admin->dao), path + 1);
    if (!entity)
        return say(ret, 404, "Not found");
    if (slice_equal(request->method, SLICE("GET")) && key) {
        dao_find(admin->dao, entity, key, &found, &error);
        return found ? answer(ret, 200, found) : say(ret, 404, "Not found");
    }
    if (slice_equal(request->method, SLICE("GET"))) {
        json_t *all = dao_export(admin->dao);
        json_t *list = json_object_get(all, entity->name);

        answer(ret, 200,
               json_pack("{s:o, s:n}", "data", list ? json_incref(list) : json_array(), "next"));
        json_decref(all);
        return 0;
    }
    return change(admin, request, entity, key ? key : "", ret);
}

void admin_answer_done(struct admin_answer *done)
{
    free(done->content);
    for (size_t i = 0; i < done->fields_count; i++)
        free((char *)done->fields[i].value);
}

#endif
