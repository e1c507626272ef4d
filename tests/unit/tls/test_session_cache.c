#include "tls/session_cache_priv.h"

#include "tests/check.h"

/* Told apart by its id. */
static SSL_SESSION *session(unsigned char id)
{
    SSL_SESSION *made = SSL_SESSION_new();

    CHECK(made && SSL_SESSION_set1_id(made, &id, 1) == 1);
    return made;
}

static int id_of(struct tls_session_cache *cache, const char *key)
{
    SSL_SESSION *found = tls_session_cache_get(cache, key);
    unsigned length;

    return found ? SSL_SESSION_get_id(found, &length)[0] : -1;
}

TEST(the_newest_session_of_a_key_is_kept)
{
    struct tls_session_cache *cache = tls_session_cache_create(2);

    tls_session_cache_put(cache, "a", session(1));
    tls_session_cache_put(cache, "a", session(2));
    CHECK_INT(id_of(cache, "a"), 2);
    CHECK_INT(id_of(cache, "b"), -1);
    tls_session_cache_forget(cache, "a");
    tls_session_cache_forget(cache, "a");
    CHECK_INT(id_of(cache, "a"), -1);
    tls_session_cache_free(cache);
}

TEST(a_full_cache_drops_what_was_used_longest_ago)
{
    struct tls_session_cache *cache = tls_session_cache_create(2);

    tls_session_cache_put(cache, "a", session(1));
    tls_session_cache_put(cache, "b", session(2));
    CHECK_INT(id_of(cache, "a"), 1); /* a is now younger than b */
    tls_session_cache_put(cache, "c", session(3));
    CHECK_INT(id_of(cache, "a"), 1);
    CHECK_INT(id_of(cache, "b"), -1);
    CHECK_INT(id_of(cache, "c"), 3);
    tls_session_cache_free(cache);
}

TEST(a_cache_of_none_keeps_none)
{
    struct tls_session_cache *cache = tls_session_cache_create(0);

    tls_session_cache_put(cache, "a", session(1));
    CHECK_INT(id_of(cache, "a"), -1);
    tls_session_cache_free(cache);
}

TESTS(TEST_CASE(the_newest_session_of_a_key_is_kept),
      TEST_CASE(a_full_cache_drops_what_was_used_longest_ago),
      TEST_CASE(a_cache_of_none_keeps_none))
