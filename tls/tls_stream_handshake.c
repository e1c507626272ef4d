#include <openssl/x509.h>

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "tls/tls_context_priv.h"
#include "tls/tls_stream_priv.h"

static unsigned handshake_done(struct tls_stream *tls)
{
    if (tls_engine_info(&tls->engine, &tls->info) < 0) {
        tls->state = TLS_STREAM_BROKEN;
        tls_stream_fail(tls, STREAM_STEP_TLS_HANDSHAKE, -ENOMEM, "out of memory");
        return STREAM_OPEN_FAILED;
    }
    tls->info.server = tls->server;
    tls_stream_count_memory(tls, TLS_OPEN_HEAP_BYTES);
    tls->state = TLS_STREAM_OPEN;
    return STREAM_OPEN;
}

/* true when the failure is the server's certificate, and then it is recorded. */
static bool fail_with_verification(struct tls_stream *tls)
{
    long result;

    if (!tls->client || !tls->client->verify)
        return false;
    result = SSL_get_verify_result(tls->engine.ssl);
    if (result == X509_V_OK)
        return false;
    if (result == X509_V_ERR_HOSTNAME_MISMATCH || result == X509_V_ERR_IP_ADDRESS_MISMATCH) {
        tls_stream_fail(tls, STREAM_STEP_TLS_NAME, -EPROTO, tls->failure_text);
        return true;
    }
    free(tls->failure_text);
    tls->failure_text = client_verdict_error_text(result);
    tls_stream_fail(tls, STREAM_STEP_TLS_VERIFY, -EPROTO, tls->failure_text);
    return true;
}

/* FIN, reset or close_notify where a client still waits for the server's word. */
static void note_close(struct tls_stream *tls)
{
    struct client_facts *facts = tls_engine_facts(&tls->engine);

    if (facts)
        client_facts_note_close(facts, tls->engine.ssl, tls->first_bytes_seen);
}

/* true when the failure is the client's certificate, or that it has none. */
static bool fail_with_client(struct tls_stream *tls)
{
    if (!tls->server || (!tls->engine.verify_error && !tls->engine.client_sent_no_certificate))
        return false;
    if (tls->engine.verify_error)
        tls->failure_text = client_verdict_error_text(tls->engine.verify_error);
    tls_stream_fail(tls, STREAM_STEP_TLS_VERIFY, -EPROTO, tls->failure_text);
    return true;
}

static unsigned handshake_fail(struct tls_stream *tls, int error)
{
    tls->state = TLS_STREAM_BROKEN;
    if (error == -ECONNABORTED)
        note_close(tls);
    if (error == -ENOMEM)
        tls_stream_fail(tls, STREAM_STEP_TLS_HANDSHAKE, error, "out of memory");
    else if (error == -ECONNABORTED)
        tls_stream_fail(tls, STREAM_STEP_TLS_HANDSHAKE, 0, NULL);
    else if (!fail_with_verification(tls) && !fail_with_client(tls))
        tls_stream_fail(tls, STREAM_STEP_TLS_HANDSHAKE, error, tls->engine.error);
    return STREAM_OPEN_FAILED;
}

/* The stream below ended in the middle of the handshake. */
static unsigned handshake_cut(struct tls_stream *tls)
{
    tls->state = TLS_STREAM_BROKEN;
    note_close(tls);
    tls_stream_fail(tls, STREAM_STEP_TLS_HANDSHAKE,
                    tls->lower_end == STREAM_TRUNCATED ? 0 : (int)tls->lower_end, NULL);
    return STREAM_OPEN_FAILED;
}

/* A server is looked at for what else it may be, should the handshake fail. */
static void look_at_server(struct tls_stream *tls)
{
    struct client_facts *facts;

    if (!client_facts_are_foreign(&tls->engine.in))
        return;
    facts = tls_engine_facts(&tls->engine);
    if (facts)
        client_facts_note_first_bytes(facts, &tls->engine.in);
}

/* No TLS record type is a letter (RFC 8446 5.1: 20 to 23), every method begins with one. */
static bool client_speaks_http(struct tls_stream *tls)
{
    char first = 0;

    if (tls->first_bytes_seen)
        return false;
    tls->first_bytes_seen = true;
    if (!tls->server) {
        look_at_server(tls);
        return false;
    }
    (void)buf_peek(&tls->engine.in, &first, 1); /* not empty: a pull just succeeded */
    return first >= 'A' && first <= 'Z';
}

static unsigned handshake_run(struct tls_stream *tls)
{
    for (;;) {
        int r = tls_engine_handshake(&tls->engine);
        long pulled;

        tls_stream_push(tls);
        if (r == 0)
            return handshake_done(tls);
        if (r != -EAGAIN)
            return handshake_fail(tls, r);
        pulled = tls_stream_pull(tls);
        if (pulled == -EAGAIN)
            return 0;
        if (pulled <= 0)
            return handshake_cut(tls);
        if (client_speaks_http(tls)) {
            tls->state = TLS_STREAM_BROKEN;
            tls_stream_fail(tls, STREAM_STEP_TLS_HANDSHAKE, -EPROTO, TLS_PLAIN_HTTP);
            return STREAM_OPEN_FAILED;
        }
    }
}

static void on_turn(struct tls_handshake_turn *turn)
{
    struct tls_stream *tls =
        (struct tls_stream *)((char *)turn - offsetof(struct tls_stream, turn));
    unsigned up;

    assert(tls->state == TLS_STREAM_HANDSHAKE);
    up = handshake_run(tls);
    if (up && tls->base.on_event)
        tls->base.on_event(tls->base.owner, up); /* may close us: last touch */
}

unsigned tls_stream_handshake(struct tls_stream *tls)
{
    if (!tls->turn.queue)
        return handshake_run(tls);
    handshake_turn_wait(&tls->turn);
    return 0;
}

void tls_stream_take_turns(struct stream *stream, struct tls_handshake_queue *queue)
{
    struct tls_stream *tls = (struct tls_stream *)stream;

    tls->turn = (struct tls_handshake_turn){ .queue = queue, .run = on_turn };
}

unsigned tls_stream_begin(struct stream *stream)
{
    struct tls_stream *tls = (struct tls_stream *)stream;

    return tls->state == TLS_STREAM_HANDSHAKE ? tls_stream_handshake(tls) : 0;
}
