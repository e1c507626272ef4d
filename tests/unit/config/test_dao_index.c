#include <stdio.h>
#include <stdlib.h>

#include "config/dao/dao_index_priv.h"
#include "tests/check.h"

enum { KEYS = 300, ROUNDS = 20000 };

static struct slice key_of(unsigned number, char into[8])
{
    /* lengths differ, so that one key is often the beginning of another */
    int length = number % 3 == 0
                     ? snprintf(into, 8, "k%u", number / 30)
                     : snprintf(into, 8, "k%u%c", number / 30, 'a' + (int)(number % 30));

    return (struct slice){ into, (size_t)length };
}

static int order(struct slice a, struct slice b)
{
    int difference = memcmp(a.ptr, b.ptr, a.len < b.len ? a.len : b.len);

    return difference ? difference : (a.len > b.len) - (a.len < b.len);
}

/* The first linked key at or behind `key`, by looking at all of them. */
static struct dao_node *first_by_looking(struct dao_node *const *linked, struct slice key,
                                         bool behind)
{
    struct dao_node *first = NULL;

    for (unsigned i = 0; i < KEYS; i++)
        if (linked[i] && order(linked[i]->key, key) >= (behind ? 1 : 0) &&
            (!first || order(linked[i]->key, first->key) < 0))
            first = linked[i];
    return first;
}

TEST(the_list_does_what_looking_at_all_keys_does)
{
    struct dao_index index;
    struct dao_node *linked[KEYS] = { NULL };
    char text[8];
    size_t count = 0;

    dao_index_init(&index);
    srand(7);
    for (unsigned round = 0; round < ROUNDS; round++) {
        unsigned number = (unsigned)rand() % KEYS, other = (unsigned)rand() % KEYS;
        struct slice key = key_of(number, text);
        struct dao_node *there = dao_index_get(&index, key), *node;
        if (linked[number]) {
            CHECK(there == linked[number]);
            dao_index_unlink(&index, linked[number]);
            free(linked[number]);
            linked[number] = NULL;
            count--;
        } else {
            node = dao_index_make_node(&index, NULL, key);
            CHECK(node != NULL);
            CHECK(dao_index_link(&index, node) == !there);
            if (there) { /* the same key under another number */
                free(node);
            } else {
                linked[number] = node;
                count++;
            }
        }
        CHECK_INT(index.count, count);
        key = key_of(other, text);
        CHECK(dao_index_from(&index, key) == first_by_looking(linked, key, false));
        CHECK(dao_index_after(&index, key) == first_by_looking(linked, key, true));
    }
    for (unsigned i = 0; i < KEYS; i++)
        free(linked[i]);
}

TEST(a_walk_visits_every_key_in_order)
{
    struct dao_index index;
    struct dao_node *node, *next;
    char text[16], previous[16] = "";
    unsigned count = 0;

    dao_index_init(&index);
    for (unsigned i = 0; i < 5000; i++) {
        int length = snprintf(text, sizeof(text), "%u", i * 7919 % 5000);
        node = dao_index_make_node(&index, NULL, (struct slice){ text, (size_t)length });
        CHECK(dao_index_link(&index, node));
    }
    for (node = dao_index_first(&index); node; node = next, count++) {
        CHECK(strcmp(previous, node->key.ptr) < 0);
        (void)snprintf(previous, sizeof(previous), "%s", node->key.ptr);
        next = dao_node_next(node);
        free(node);
    }
    CHECK_INT(count, 5000);
}

TEST(an_empty_list_has_nothing)
{
    struct dao_index index;

    dao_index_init(&index);
    CHECK(dao_index_first(&index) == NULL);
    CHECK(dao_index_get(&index, SLICE("a")) == NULL);
    CHECK(dao_index_from(&index, (struct slice){ 0 }) == NULL);
}

TESTS(TEST_CASE(the_list_does_what_looking_at_all_keys_does),
      TEST_CASE(a_walk_visits_every_key_in_order), TEST_CASE(an_empty_list_has_nothing))
