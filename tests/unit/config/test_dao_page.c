/* Pages of rows that are large: none has more bytes than DAO_PAGE_BYTES_MAX, none is empty. */
#include <stdlib.h>
#include <string.h>

#include "config/dao/dao.h"
#include "tests/check.h"

enum { MEBIBYTE = 1024 * 1024 };

static const struct model_entity *entity(const char *name)
{
    return model_entity(model_get(), name);
}

static void insert(struct dao *dao, const char *kind, json_t *input)
{
    struct kong_error error = { 0 };
    json_t *row = NULL;

    CHECK_INT(dao_insert(dao, entity(kind), input, &row, &error), 0);
    json_decref(row);
    json_decref(input);
}

/* Vaults whose description is so long. */
static void insert_vaults(struct dao *dao, size_t count, size_t bytes)
{
    char *text = malloc(bytes), prefix[24];

    memset(text, 'x', bytes);
    for (size_t i = 0; i < count; i++) {
        (void)snprintf(prefix, sizeof(prefix), "v%zu", i);
        insert(
            dao, "vaults",
            json_pack("{ss,ss,ss%}", "name", "env", "prefix", prefix, "description", text, bytes));
    }
    free(text);
}

/* How many rows all pages have; ret_pages: how many pages there are. */
static size_t walk(const struct dao *dao, struct dao_page_request *request, size_t *ret_pages)
{
    struct kong_error error = { 0 };
    char *offset = NULL;
    size_t rows = 0;

    *ret_pages = 0;
    do {
        struct dao_page page = { 0 };
        char *text;

        request->offset = offset;
        CHECK_INT(dao_page(dao, request, &page, &error), 0);
        CHECK(json_array_size(page.data) > 0);
        text = json_dumps(page.data, 0);
        CHECK(json_array_size(page.data) == 1 || strlen(text) <= DAO_PAGE_BYTES_MAX);
        free(text);
        rows += json_array_size(page.data);
        ++*ret_pages;
        free(offset);
        offset = page.offset ? strdup(page.offset) : NULL;
        dao_page_done(&page);
    } while (offset);
    return rows;
}

static struct dao *opened(void)
{
    struct kong_error error = { 0 };
    struct dao *dao = NULL;

    CHECK_INT(dao_create(model_get(), NULL, &dao), 0);
    dao_set_read_only(dao, false);
    CHECK_INT(dao_begin(dao, &error), 0);
    return dao;
}

TEST(a_page_of_large_rows_ends_early)
{
    SCOPED(dao) dao = opened();
    struct dao_page_request request = { .entity = entity("vaults"), .size = "1000" };
    size_t pages;

    insert_vaults(dao, 40, MEBIBYTE);
    CHECK_INT(walk(dao, &request, &pages), 40);
    CHECK_INT(pages, 3); /* of 15, 15 and 10 */
    request.size = "5";
    CHECK_INT(walk(dao, &request, &pages), 40);
    CHECK_INT(pages, 8); /* size counts where it is less */
    dao_rollback(dao);
}

TEST(a_row_that_is_too_large_stands_alone)
{
    SCOPED(dao) dao = opened();
    struct dao_page_request request = { .entity = entity("vaults"), .size = "1000" };
    size_t pages;

    insert_vaults(dao, 2, DAO_PAGE_BYTES_MAX + 1);
    CHECK_INT(walk(dao, &request, &pages), 2);
    CHECK_INT(pages, 2);
    dao_rollback(dao);
}

TEST(small_rows_fill_a_page)
{
    SCOPED(dao) dao = opened();
    struct dao_page_request request = { .entity = entity("vaults"), .size = "1000" };
    size_t pages;

    insert_vaults(dao, 1000, 1024);
    CHECK_INT(walk(dao, &request, &pages), 1000);
    CHECK_INT(pages, 1);
    dao_rollback(dao);
}

/* Targets of an upstream: the offset is a number. */
TEST(newest_first_ends_early_too)
{
    static const char id[] = "11111111-1111-4111-8111-111111111111";
    SCOPED(dao) dao = opened();
    struct dao_page_request request = { .entity = entity("targets"),
                                        .size = "1000",
                                        .newest_first = true,
                                        .foreign_field = "upstream",
                                        .foreign_id = id };
    char *text = malloc(MEBIBYTE), name[32];
    size_t pages;

    memset(text, 'x', MEBIBYTE);
    insert(dao, "upstreams", json_pack("{ss,ss}", "id", id, "name", "u"));
    for (int i = 0; i < 20; i++) {
        (void)snprintf(name, sizeof(name), "10.0.0.%d:80", i);
        insert(dao, "targets",
               json_pack("{ss,s{ss},s[s%]}", "target", name, "upstream", "id", id, "tags", text,
                         (size_t)MEBIBYTE));
    }
    free(text);
    CHECK_INT(walk(dao, &request, &pages), 20);
    CHECK_INT(pages, 2);
    dao_rollback(dao);
}

TESTS(TEST_CASE(a_page_of_large_rows_ends_early), TEST_CASE(a_row_that_is_too_large_stands_alone),
      TEST_CASE(small_rows_fill_a_page), TEST_CASE(newest_first_ends_early_too))
