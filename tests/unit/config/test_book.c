/* The book: whatever is written, in whatever order, the configuration is that of everything read at once. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "config/book/book.h"
#include "config/dao/dao.h"
#include "config/declarative.h"
#include "tests/check.h"
#include "tests/unit/config/config_text.h"
#include "tls/pki_lab.h"

#define SOURCE "store"

static struct pki_lab *lab;

static const char *file(const char *path)
{
    const struct pki_file *found = pki_lab_find(lab, path);

    CHECK(found != NULL);
    return (const char *)found->bytes;
}

/* --- entities, a book of them, and what was taken from it last --------------------------------- */

struct scene {
    struct dao *dao;
    struct entity_book *book;
    uint64_t version; /* of `text`; 0: none */
    char *text;
    uint64_t random;
    unsigned named;
    size_t taken_count, same_count, refused_count;
    size_t in_parts_count; /* of those taken: not read at once */
};

static const struct model_entity *entity_of(const char *name)
{
    return model_entity(model_get(), name);
}

static void open_scene(struct scene *scene, uint64_t seed)
{
    struct kong_error error = { 0 };

    *scene = (struct scene){ .random = seed * 0x9e3779b97f4a7c15u | 1 };
    CHECK_INT(dao_create(model_get(), NULL, &scene->dao), 0);
    dao_set_read_only(scene->dao, false);
    scene->book = entity_book_create();
    CHECK(scene->book != NULL);
    CHECK_INT(dao_begin(scene->dao, &error), 0);
}

static void close_scene(struct scene *scene)
{
    dao_rollback(scene->dao);
    dao_free(scene->dao);
    entity_book_free(scene->book);
    free(scene->text);
}

static void commit(struct scene *scene)
{
    struct kong_error error = { 0 };

    CHECK_INT(dao_commit(scene->dao, &error), 0);
    CHECK_INT(dao_begin(scene->dao, &error), 0);
}

/* As the config thread hands it over. Free it. */
static json_t *document_of(const struct scene *scene)
{
    json_t *entities = dao_export(scene->dao), *document;

    document = json_pack("{s:s}", "_format_version", "3.0");
    for (const char *const *kind = entity_book_kinds; *kind; kind++)
        if (json_object_get(entities, *kind))
            CHECK_INT(json_object_set(document, *kind, json_object_get(entities, *kind)), 0);
    json_decref(entities);
    return document;
}

static void keep(struct scene *scene, const struct config *config)
{
    free(scene->text);
    CHECK_STR(config->source, SOURCE);
    scene->text = config_text(config);
    scene->version = entity_book_version(scene->book);
    scene->taken_count++;
    scene->in_parts_count += config->lenders_count > 1;
}

static void check_same_errors(const struct config_errors *got, const struct config_errors *want)
{
    CHECK_INT(got->errors_count, want->errors_count);
    for (size_t i = 0; i < want->count; i++) {
        CHECK_STR(got->items[i].message, want->items[i].message);
        CHECK_STR(text_or_none(got->items[i].place.path), text_or_none(want->items[i].place.path));
    }
}

/* The book and the reader of everything say the same, if only that it is refused. */
static int read_both(struct scene *scene)
{
    SCOPED(config) config = NULL;
    SCOPED(config) whole = NULL;
    struct config_errors errors, wanted;
    json_t *document = document_of(scene);
    char *want = NULL;
    int r, wanted_r;

    config_errors_init(&errors);
    config_errors_init(&wanted);
    wanted_r = config_load_entities(document, SOURCE, &whole, &wanted);
    r = entity_book_read(scene->book, document, SOURCE, scene->version, &config, &errors);
    CHECK_INT(r, wanted_r);
    if (r == 0) {
        want = config_text(whole);
        if (config)
            keep(scene, config);
        else
            scene->same_count++;
        CHECK_INT(entity_book_version(scene->book), scene->version);
        CHECK_STR(scene->text, want);
    } else {
        check_same_errors(&errors, &wanted);
        scene->refused_count++;
    }
    free(want);
    json_decref(document);
    config_errors_done(&errors);
    config_errors_done(&wanted);
    return r;
}

/* --- writes by chance -------------------------------------------------------------------------- */

static unsigned draw(struct scene *scene, unsigned below)
{
    scene->random ^= scene->random << 13;
    scene->random ^= scene->random >> 7;
    scene->random ^= scene->random << 17;
    return (unsigned)(scene->random >> 20) % below;
}

/* Of one that is there; NULL: there is none. Good until the next change. */
static const char *any_id(struct scene *scene, const char *entity)
{
    static char id[64];
    json_t *entities = dao_export(scene->dao);
    json_t *list = json_object_get(entities, entity);
    size_t count = json_array_size(list);

    if (count > 0)
        (void)snprintf(id, sizeof(id), "%s",
                       json_string_value(json_object_get(
                           json_array_get(list, draw(scene, (unsigned)count)), "id")));
    json_decref(entities);
    return count > 0 ? id : NULL;
}

static json_t *reference(struct scene *scene, const char *entity)
{
    const char *id = draw(scene, 4) > 0 ? any_id(scene, entity) : NULL;

    return id ? json_pack("{s:s}", "id", id) : json_null();
}

static json_t *name(struct scene *scene, const char *what)
{
    return json_sprintf("%s-%u", what, scene->named++);
}

static json_t *service(struct scene *scene)
{
    static const char *const protocols[] = { "http", "https", "https", "https", "tcp", "grpc" };
    json_t *value = json_pack("{s:i}", "retries", (int)draw(scene, 3));
    const char *authority;

    if (draw(scene, 2))
        json_object_set_new(value, "host", json_sprintf("upstream-%u", draw(scene, 12)));
    if (draw(scene, 3) == 0)
        json_object_set_new(value, "protocol", json_string(protocols[draw(scene, 6)]));
    if (draw(scene, 4) == 0)
        json_object_set_new(value, "client_certificate", reference(scene, "certificates"));
    if (draw(scene, 6) == 0 && (authority = any_id(scene, "ca_certificates")))
        json_object_set_new(value, "ca_certificates", json_pack("[s]", authority));
    return value;
}

static json_t *route(struct scene *scene)
{
    json_t *value = json_pack("{s:[s]}", "paths", draw(scene, 9) ? "/p" : "~/p[0-9]+$");

    json_array_append_new(json_object_get(value, "paths"), json_sprintf("/%u", draw(scene, 5)));
    if (draw(scene, 2))
        json_object_set_new(value, "service", reference(scene, "services"));
    if (draw(scene, 3) == 0)
        json_object_set_new(value, "headers", json_pack("{s:[s]}", "x-version", "v1"));
    if (draw(scene, 8) == 0)
        json_object_set_new(value, "protocols", json_pack("[s]", "tls_passthrough"));
    return value;
}

static json_t *upstream(struct scene *scene)
{
    json_t *value = json_pack("{s:i}", "slots", 10 + (int)draw(scene, 90));

    if (draw(scene, 2))
        json_object_set_new(value, "name", json_sprintf("upstream-%u", draw(scene, 12)));
    if (draw(scene, 4) == 0)
        json_object_set_new(value, "client_certificate", reference(scene, "certificates"));
    return value;
}

static json_t *target(struct scene *scene)
{
    json_t *value = json_pack("{s:i}", "weight", (int)draw(scene, 200));

    json_object_set_new(value, "target", json_sprintf("10.0.0.%u:80", draw(scene, 20)));
    return value;
}

static json_t *certificate(struct scene *scene)
{
    bool is_rsa = draw(scene, 2);
    json_t *value =
        json_pack("{s:s, s:s}", "cert", file(is_rsa ? "good-rsa/chain.pem" : "good/chain.pem"),
                  "key", file(is_rsa ? "good-rsa/key.pem" : "good/key.pem"));

    if (draw(scene, 2))
        json_object_set_new(value, "snis", json_array());
    for (unsigned i = draw(scene, 3); i > 0 && json_object_get(value, "snis"); i--)
        json_array_append_new(json_object_get(value, "snis"), name(scene, "sni"));
    return value;
}

static json_t *new_value(struct scene *scene, const char *entity)
{
    const char *id;
    json_t *value;

    if (strcmp(entity, "services") == 0) {
        value = service(scene);
        if (!json_object_get(value, "host"))
            json_object_set_new(value, "host", json_string("127.0.0.1"));
        if (draw(scene, 2))
            json_object_set_new(value, "name", name(scene, "service"));
        return value;
    }
    if (strcmp(entity, "routes") == 0)
        return route(scene);
    if (strcmp(entity, "upstreams") == 0) {
        value = upstream(scene);
        if (!json_object_get(value, "name"))
            json_object_set_new(value, "name", name(scene, "other"));
        return value;
    }
    if (strcmp(entity, "targets") == 0) {
        value = target(scene);
        id = any_id(scene, "upstreams");
        json_object_set_new(value, "upstream", id ? json_pack("{s:s}", "id", id) : json_null());
        return value;
    }
    if (strcmp(entity, "certificates") == 0)
        return certificate(scene);
    if (strcmp(entity, "snis") == 0) {
        id = any_id(scene, "certificates");
        return json_pack("{s:o, s:o}", "name", name(scene, "sni"), "certificate",
                         id ? json_pack("{s:s}", "id", id) : json_null());
    }
    if (strcmp(entity, "ca_certificates") == 0)
        return json_pack("{s:s}", "cert",
                         file(draw(scene, 2) ? "ca.pem" : "self-signed/chain.pem"));
    return json_pack("{s:o}", "username", name(scene, "consumer"));
}

/* Other values of what is there, or only remarks. */
static json_t *changed_value(struct scene *scene, const char *entity)
{
    const char *id;

    if (draw(scene, 4) == 0)
        return json_pack("{s:[o]}", "tags", name(scene, "tag"));
    if (strcmp(entity, "services") == 0)
        return service(scene);
    if (strcmp(entity, "routes") == 0)
        return route(scene);
    if (strcmp(entity, "upstreams") == 0)
        return upstream(scene);
    if (strcmp(entity, "targets") == 0)
        return target(scene);
    if (strcmp(entity, "certificates") == 0)
        return certificate(scene);
    if (strcmp(entity, "snis") == 0 && (id = any_id(scene, "certificates")))
        return json_pack("{s:{s:s}}", "certificate", "id", id);
    return json_pack("{s:[]}", "tags");
}

/* One that may well be refused. */
static void write_something(struct scene *scene)
{
    static const char *const kinds[] = { "services",  "services",        "routes",   "routes",
                                         "upstreams", "targets",         "targets",  "certificates",
                                         "snis",      "ca_certificates", "consumers" };
    const char *kind = kinds[draw(scene, sizeof(kinds) / sizeof(kinds[0]))];
    const struct model_entity *entity = entity_of(kind);
    struct kong_error error = { 0 };
    size_t step = dao_step(scene->dao);
    json_t *value = NULL, *made = NULL;
    unsigned what = draw(scene, 10);
    const char *id;
    char of[64] = "";
    bool was_there;
    int r = 0;

    if (what >= 4 && (id = any_id(scene, kind)))
        (void)snprintf(of, sizeof(of), "%s", id);
    if (!of[0]) {
        value = new_value(scene, kind);
        r = dao_insert(scene->dao, entity, value, &made, &error);
    } else if (what < 9) {
        value = changed_value(scene, kind);
        r = dao_update(scene->dao, entity, of, value, &made, &error);
    } else {
        r = dao_delete(scene->dao, entity, of, &was_there, &error);
    }
    if (r < 0)
        dao_undo_step(scene->dao, step);
    json_decref(value);
    json_decref(made);
    kong_error_done(&error);
}

/* --- tests ------------------------------------------------------------------------------------- */

/* Groups of writes; some groups are undone, also after they were read. */
static void tell_a_story(uint64_t seed, unsigned groups, struct scene *sums)
{
    struct scene scene;

    open_scene(&scene, seed);
    for (unsigned group = 0; group < groups; group++) {
        size_t step = dao_step(scene.dao);
        for (unsigned i = draw(&scene, 4); i > 0; i--)
            write_something(&scene);
        if (read_both(&scene) < 0 || draw(&scene, 6) == 0)
            dao_undo_step(scene.dao, step);
        else
            commit(&scene);
    }
    CHECK_INT(read_both(&scene), 0);
    sums->taken_count += scene.taken_count;
    sums->same_count += scene.same_count;
    sums->refused_count += scene.refused_count;
    sums->in_parts_count += scene.in_parts_count;
    close_scene(&scene);
}

TEST(what_was_read_in_parts_is_what_is_read_at_once)
{
    struct scene sums = { 0 };

    for (uint64_t seed = 1; seed <= 12; seed++)
        tell_a_story(seed, 120, &sums);
    CHECK(sums.in_parts_count > 300); /* else the writes are not worth their name */
    CHECK(sums.same_count > 30);
    CHECK(sums.refused_count > 0);
}

static json_t *insert(struct scene *scene, const char *entity, json_t *value)
{
    struct kong_error error = { 0 };
    json_t *made = NULL;

    if (dao_insert(scene->dao, entity_of(entity), value, &made, &error) < 0)
        fail_msg("%s", error.message);
    json_decref(value);
    return made;
}

static void update(struct scene *scene, const char *entity, const json_t *of, json_t *value)
{
    struct kong_error error = { 0 };
    json_t *made = NULL;

    if (dao_update(scene->dao, entity_of(entity), json_string_value(json_object_get(of, "id")),
                   value, &made, &error) < 0)
        fail_msg("%s", error.message);
    json_decref(value);
    json_decref(made);
}

TEST(only_what_touches_traffic_is_another_version)
{
    struct scene scene;
    json_t *shop;
    uint64_t version;

    open_scene(&scene, 1);
    shop = insert(&scene, "services", json_pack("{s:s, s:s}", "name", "shop", "host", "h"));
    CHECK_INT(read_both(&scene), 0);
    version = scene.version;
    CHECK(version != 0);
    json_decref(insert(&scene, "consumers", json_pack("{s:s}", "username", "bob")));
    CHECK_INT(read_both(&scene), 0);
    update(&scene, "services", shop, json_pack("{s:[s]}", "tags", "gold"));
    CHECK_INT(read_both(&scene), 0);
    update(&scene, "services", shop, json_pack("{s:s}", "host", "h"));
    CHECK_INT(read_both(&scene), 0);
    CHECK_INT(scene.version, version);
    CHECK_INT(scene.same_count, 3);
    update(&scene, "services", shop, json_pack("{s:i}", "retries", 1));
    CHECK_INT(read_both(&scene), 0);
    CHECK(scene.version != version);
    version = scene.version;
    update(&scene, "services", shop, json_pack("{s:i}", "retries", 5)); /* as at first */
    CHECK_INT(read_both(&scene), 0);
    CHECK(scene.version != version);
    CHECK_INT(scene.taken_count, 3);
    json_decref(shop);
    close_scene(&scene);
}

TEST(whose_configuration_is_not_known_gets_one)
{
    struct scene scene;

    open_scene(&scene, 1);
    json_decref(insert(&scene, "services", json_pack("{s:s}", "host", "h")));
    CHECK_INT(read_both(&scene), 0);
    scene.version = 0;
    CHECK_INT(read_both(&scene), 0);
    CHECK_INT(scene.taken_count, 2);
    CHECK_INT(scene.same_count, 0);
    close_scene(&scene);
}

TEST(a_configuration_outlives_the_book_and_what_was_read_later)
{
    struct scene scene;
    struct config_errors errors;
    struct config *first = NULL, *second = NULL;
    json_t *shop, *document;

    config_errors_init(&errors);
    open_scene(&scene, 1);
    shop = insert(&scene, "services", json_pack("{s:s, s:s}", "name", "shop", "host", "before"));
    document = document_of(&scene);
    CHECK_INT(entity_book_read(scene.book, document, SOURCE, 0, &first, &errors), 0);
    json_decref(document);
    update(&scene, "services", shop, json_pack("{s:s}", "host", "after"));
    document = document_of(&scene);
    CHECK_INT(entity_book_read(scene.book, document, SOURCE, 0, &second, &errors), 0);
    json_decref(document);
    json_decref(shop);
    close_scene(&scene);
    CHECK_STR(first->services[0].host, "before");
    CHECK_STR(second->services[0].host, "after");
    config_free(first);
    CHECK_STR(second->services[0].name, "shop");
    config_free(second);
    config_errors_done(&errors);
}

/* Who changes a configuration, as a persona's defaults do, changes that one alone. */
TEST(a_configuration_is_its_owners_to_change)
{
    struct scene scene;
    SCOPED(config) config = NULL;
    struct config_errors errors;
    json_t *document;

    config_errors_init(&errors);
    open_scene(&scene, 1);
    json_decref(insert(&scene, "services", json_pack("{s:s}", "host", "h")));
    json_decref(insert(&scene, "upstreams", json_pack("{s:s}", "name", "u")));
    document = document_of(&scene);
    CHECK_INT(entity_book_read(scene.book, document, SOURCE, 0, &config, &errors), 0);
    config->services[0].read_timeout_ms = 1;
    config->upstreams[0].slots = 11;
    json_decref(document);
    CHECK_INT(read_both(&scene), 0);
    close_scene(&scene);
    config_errors_done(&errors);
}

/* Settings of the document's own may name any entity: nothing is taken from before. */
TEST(a_document_with_settings_is_read_as_a_whole)
{
    struct scene scene;
    struct config_errors errors;
    json_t *document;

    config_errors_init(&errors);
    open_scene(&scene, 1);
    json_decref(insert(&scene, "upstreams", json_pack("{s:s}", "name", "u")));
    json_decref(insert(&scene, "services", json_pack("{s:s}", "host", "u")));
    CHECK_INT(read_both(&scene), 0);
    document = document_of(&scene);
    json_object_set_new(document, "hopgate",
                        json_pack("{s:[{s:s, s:i}]}", "slow_start", "upstream", "u", "seconds", 7));
    for (int i = 0; i < 2; i++) {
        SCOPED(config) config = NULL;
        uint64_t version = entity_book_version(scene.book);
        CHECK_INT(entity_book_read(scene.book, document, SOURCE, version, &config, &errors), 0);
        CHECK(i == 1 ? config == NULL : config != NULL);
        if (config)
            CHECK_INT(config->upstreams[0].slow_start_ms, 7000);
    }
    json_decref(document);
    CHECK_INT(read_both(&scene), 0); /* and without them again */
    CHECK_INT(scene.taken_count, 2);
    close_scene(&scene);
    config_errors_done(&errors);
}

/* ---------------------------------------------------------------------------------------------- */

static int make_lab(void **state)
{
    struct pki_lab_settings settings = { .now_s = (int64_t)time(NULL) };
    struct tls_error error;

    (void)state;
    lab = pki_lab_create(&settings, &error);
    return lab ? 0 : -1;
}

static int free_lab(void **state)
{
    (void)state;
    pki_lab_free(lab);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_CASE(what_was_read_in_parts_is_what_is_read_at_once),
        TEST_CASE(only_what_touches_traffic_is_another_version),
        TEST_CASE(whose_configuration_is_not_known_gets_one),
        TEST_CASE(a_configuration_outlives_the_book_and_what_was_read_later),
        TEST_CASE(a_configuration_is_its_owners_to_change),
        TEST_CASE(a_document_with_settings_is_read_as_a_whole),
    };

    return cmocka_run_group_tests(tests, make_lab, free_lab);
}
