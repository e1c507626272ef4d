/* Pages: {"data": [...], "offset": "...", "next": "/routes?offset=..."} (kong/api/endpoints.lua). */
#include <errno.h>
#include <stdlib.h>

#include "config/admin/admin_priv.h"
#include "config/admin/percent.h"

/* Kong's path of this list, as the client named the parent. malloc'ed. */
static char *own_path(const struct admin_call *call)
{
    const struct admin_target *target = &call->target;
    char *encoded, *path = NULL;
    int r;

    if (!target->parent_key) {
        r = asprintf(&path, "/%s", target->entity->url);
        return r < 0 ? NULL : path;
    }
    encoded = percent_encode(target->parent_key);
    if (!encoded)
        return NULL;
    r = asprintf(&path, "/%s/%s/%s%s", target->parent->url, encoded, target->entity->nested_url,
                 call->segments_count == 4 ? "/all" : "");
    free(encoded);
    return r < 0 ? NULL : path;
}

/* Of several Kong takes the first (kong/api/endpoints.lua: extract_options). */
static const char *tags_of_query(const struct admin_call *call)
{
    json_t *tags = json_object_get(call->query, "tags");

    return json_string_value(json_is_array(tags) ? json_array_get(tags, 0) : tags);
}

/* "name=value", encoded, put at the end of what is there. */
static int add_parameter(char **url, const char *name, const char *value)
{
    char *encoded, *longer = NULL;
    int r;

    if (!value)
        return 0;
    encoded = percent_encode(value);
    if (!encoded)
        return -ENOMEM;
    r = asprintf(&longer, "%s%s%s=%s", *url, strchr(*url, '?') ? "&" : "?", name, encoded);
    free(encoded);
    if (r < 0)
        return -ENOMEM;
    free(*url);
    *url = longer;
    return 0;
}

/* NULL: no memory. */
static char *next_url(const struct admin_call *call, const char *offset)
{
    char *url = own_path(call);
    int r = url ? add_parameter(&url, "offset", offset) : -ENOMEM;

    if (r == 0 && !call->target.parent) { /* Kong's nested lists forget them */
        r = add_parameter(&url, "tags", tags_of_query(call));
        if (r == 0)
            r = add_parameter(&url, "size", admin_query(call, "size"));
    }
    if (r == 0)
        return url;
    free(url);
    return NULL;
}

/* Takes what is in the page. */
static json_t *page_json(const struct admin_call *call, struct dao_page *page)
{
    json_t *data = page->data, *json = NULL;
    char *next = page->offset ? next_url(call, page->offset) : NULL;

    page->data = NULL;
    if (!page->offset)
        json = json_pack("{so,sn}", "data", data, "next");
    else if (next)
        json = json_pack("{so,ss,ss}", "data", data, "offset", page->offset, "next", next);
    else
        json_decref(data);
    free(next);
    return json;
}

/* In a query that is a name without value, or said several times. */
static const char *text_or(const struct admin_call *call, const char *name, const char *otherwise)
{
    json_t *value = json_object_get(call->query, name);

    return value && !json_is_string(value) ? otherwise : json_string_value(value);
}

int admin_answer_page(struct admin_call *call, const char *parent_id, bool newest_first)
{
    const struct dao_page_request request = {
        .entity = call->target.entity,
        .size = text_or(call, "size", "several"),
        .offset = text_or(call, "offset", ""),
        .has_tags = json_object_get(call->query, "tags") != NULL,
        .tags = tags_of_query(call),
        .newest_first = newest_first,
        .foreign_field = parent_id ? call->target.reference->name : NULL,
        .foreign_id = parent_id,
    };
    struct dao_page page = { 0 };
    int r = dao_page(call->admin->dao, &request, &page, &call->error);

    if (r == 0)
        r = admin_answer_json(call, 200, page_json(call, &page));
    dao_page_done(&page);
    return r;
}

json_t *admin_all_below(struct admin_call *call, const struct model_entity *entity,
                        const char *field, const char *id)
{
    struct dao_page_request request = { .entity = entity,
                                        .size = "1000",
                                        .newest_first = true,
                                        .foreign_field = field,
                                        .foreign_id = id };
    json_t *all = json_array();
    char *offset = NULL;
    int r = all ? 0 : -ENOMEM;

    do {
        struct dao_page page = { 0 };

        request.offset = offset;
        if (r == 0)
            r = dao_page(call->admin->dao, &request, &page, &call->error);
        if (r == 0)
            r = json_array_extend(all, page.data);
        free(offset);
        offset = page.offset;
        page.offset = NULL;
        dao_page_done(&page);
    } while (r == 0 && offset);
    free(offset);
    if (r == 0)
        return all;
    json_decref(all);
    return NULL;
}
