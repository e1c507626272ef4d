#include "tls/server_sessions_priv.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tests/check.h"

static SSL_SESSION *session_with_id(unsigned char first, size_t appdata_length)
{
    SSL_CTX *context = SSL_CTX_new(TLS_method());
    SSL_SESSION *session = SSL_SESSION_new();
    unsigned char id[32] = { first }, secret[48] = { 7 };
    char *appdata = calloc(1, appdata_length + 1);

    CHECK(session && appdata && context);
    id[31] = 1;
    CHECK_INT(SSL_SESSION_set1_id(session, id, sizeof(id)), 1);
    CHECK_INT(SSL_SESSION_set1_master_key(session, secret, sizeof(secret)), 1);
    CHECK_INT(SSL_SESSION_set_protocol_version(session, TLS1_2_VERSION), 1);
    CHECK_INT(SSL_SESSION_set1_ticket_appdata(session, appdata, appdata_length), 1);
    CHECK(SSL_SESSION_set_time(session, (long)time(NULL)));
    CHECK(SSL_SESSION_set_timeout(session, 1000L + first));
    CHECK_INT(SSL_SESSION_set_cipher(session, sk_SSL_CIPHER_value(SSL_CTX_get_ciphers(context), 0)),
              1);
    SSL_CTX_free(context);
    free(appdata);
    return session;
}

static bool holds(struct tls_server_sessions *sessions, unsigned char first)
{
    char id[32] = { (char)first };
    SSL_SESSION *found;

    id[31] = 1;
    found = tls_server_sessions_get(sessions, (struct slice){ id, sizeof(id) });
    SSL_SESSION_free(found);
    return found != NULL;
}

static void put(struct tls_server_sessions *sessions, unsigned char first, size_t appdata_length)
{
    SSL_SESSION *session = session_with_id(first, appdata_length);

    tls_server_sessions_put(sessions, session);
    SSL_SESSION_free(session);
}

TEST(a_session_is_found_by_its_id_only)
{
    SCOPED(tls_server_sessions) sessions = tls_server_sessions_create(64 * 1024);

    CHECK(!holds(sessions, 1));
    put(sessions, 1, 0);
    CHECK(holds(sessions, 1));
    CHECK(holds(sessions, 1));
    CHECK(!holds(sessions, 2));
    CHECK(!tls_server_sessions_get(sessions, SLICE("x")));
}

TEST(the_one_that_expires_first_makes_room)
{
    SCOPED(tls_server_sessions) sessions = tls_server_sessions_create(1); /* one set of four */

    for (unsigned char i = 1; i <= 5; i++)
        put(sessions, i, 0);
    CHECK(!holds(sessions, 1));
    for (unsigned char i = 2; i <= 5; i++)
        CHECK(holds(sessions, i));
}

TEST(what_is_too_large_is_not_kept)
{
    SCOPED(tls_server_sessions) sessions = tls_server_sessions_create(64 * 1024);

    put(sessions, 1, 4096);
    CHECK(!holds(sessions, 1));
}

TESTS(TEST_CASE(a_session_is_found_by_its_id_only),
      TEST_CASE(the_one_that_expires_first_makes_room), TEST_CASE(what_is_too_large_is_not_kept))
