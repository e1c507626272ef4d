/*
 * Any JSON as a declarative document: what is refused says why, in each of the ways that it is asked for;
 * what is taken goes into a dao by replacing everything and by importing, comes out the same, and that
 * flattened once more gives the same entities.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "config/dao/dao.h"
#include "config/document.h"
#include "config/flatten/flatten.h"
#include "tests/fuzz/fuzz_input.h"

enum { FUZZ_NOW_S = 1700000000 };

static uint64_t now_ms(void)
{
    return (uint64_t)FUZZ_NOW_S * 1000;
}

/* ---- mistakes ----------------------------------------------------------------------------- */

static void check_refused(const struct flattened *flattened, json_t *root)
{
    struct document *document = document_wrap(root, NULL);
    json_t *list = NULL, *tree = flattened_errors(flattened, NULL),
           *rest = flattened_errors(flattened, &list);
    struct config_errors errors;
    char *text = kong_error_print(tree);

    require(tree && json_object_size(tree) > 0 && text, "refused without a word");
    require(json_object_size(rest) > 0 || json_array_size(list) > 0, "refused, and nobody is");
    free(text);
    text = json_dumps(list, JSON_ENCODE_ANY);
    require(text != NULL, "errors that cannot be sent");
    free(text);
    config_errors_init(&errors);
    flattened_tell(flattened, document, &errors);
    config_errors_done(&errors);
    document_free(document);
    json_decref(rest);
    json_decref(list);
    json_decref(tree);
}

/* ---- what is taken ------------------------------------------------------------------------ */

static struct dao *create_dao(void)
{
    struct dao *dao = NULL;

    require(dao_create(model_get(), NULL, &dao) == 0, "no dao");
    dao_set_clock(dao, now_ms);
    return dao;
}

static json_t *export_replaced(const json_t *entities)
{
    SCOPED(dao) dao = create_dao();

    require(dao_replace_all(dao, entities) == 0, "what is right cannot be kept");
    return dao_export(dao);
}

static json_t *export_imported(const json_t *entities)
{
    SCOPED(dao) dao = create_dao();
    struct kong_error error = { 0 };

    require(dao_begin(dao, &error) == 0 && dao_import(dao, entities, &error) == 0 &&
                dao_commit(dao, &error) == 0,
            "what is right cannot be imported");
    return dao_export(dao);
}

static void require_equal(const json_t *one, const json_t *other, const char *what)
{
    char *first, *second;

    if (json_equal(one, other))
        return;
    first = json_dumps(one, JSON_SORT_KEYS | JSON_INDENT(1));
    second = json_dumps(other, JSON_SORT_KEYS | JSON_INDENT(1));
    require_same(slice_of(first), slice_of(second), what);
    free(first);
    free(second);
}

/* Kong makes round-robin of consistent-hashing when it is told that the hash is of nothing. */
static bool is_never_the_same(const json_t *entities)
{
    const json_t *upstreams = json_object_get(entities, "upstreams"), *upstream;
    size_t i;

    json_array_foreach(upstreams, i, upstream)
    {
        const char *hash_on = json_string_value(json_object_get(upstream, "hash_on"));
        if (!hash_on || strcmp(hash_on, "none") == 0)
            return true;
    }
    return false;
}

static void check_taken(const struct flattened *flattened)
{
    SCOPED(flattened) again = NULL;
    json_t *entities = flattened_entities(flattened), *by_id = flattened_by_id(flattened);
    json_t *exported, *imported, *copy;

    require(entities && by_id, "no memory");
    exported = export_replaced(entities);
    imported = export_imported(entities);
    (void)json_object_del(exported, "hopgate"); /* a store has none */
    require_equal(exported, imported, "imported it is not the same");
    copy = json_deep_copy(exported);
    require(flatten_document(model_get(), copy, FUZZ_NOW_S, &again) == 0, "a dump is refused");
    if (!is_never_the_same(entities)) {
        json_t *flat = flattened_entities(again), *twice = export_replaced(flat);
        require_equal(exported, twice, "a dump gives another one");
        json_decref(twice);
        json_decref(flat);
    }
    json_decref(copy);
    json_decref(imported);
    json_decref(exported);
    json_decref(by_id);
    json_decref(entities);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    SCOPED(flattened) flattened = NULL;
    json_t *document = json_loadb((const char *)data, size, JSON_DECODE_ANY, NULL);
    int r;

    if (!document)
        return 0;
    r = flatten_migrate(document);
    require(r == 0, "no memory");
    r = flatten_document(model_get(), document, FUZZ_NOW_S, &flattened);
    require(r == 0 || r == -EINVAL, "neither taken nor refused");
    if (r == 0)
        check_taken(flattened);
    else
        check_refused(flattened, document);
    json_decref(document);
    return 0;
}
