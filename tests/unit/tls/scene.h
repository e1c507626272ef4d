/*
 * scene: a TLS client and a TLS server on the two ends of a memory_stream.
 *
 * Role    what every story of this folder begins with; each side notes what it saw
 * Owns    the streams, the pool, what was received
 * Thread  the test
 */
#ifndef TESTS_UNIT_TLS_SCENE_H
#define TESTS_UNIT_TLS_SCENE_H

#include <stdio.h>

#include "tests/check.h"
#include "tests/unit/memory_stream.h"
#include "tests/unit/tls/pki.h"
#include "tls/tls_failure.h"
#include "tls/tls_stream.h"

struct side {
    struct stream *stream; /* NULL once closed */
    struct buf received;
    unsigned events; /* every event that came */
    bool open, open_failed, ended, paused;
    long end; /* what the read that ended it said */
    enum stream_step failed_step;
    int failed_error;
    char failed_detail[512]; /* "" for NULL */
    struct tls_failure failed_tls;
    char explanation[1536]; /* "" for NULL */
};

enum { AT_SERVER, AT_CLIENT };

struct scene {
    struct chunk_pool *pool;
    struct memory_pair pair; /* ends[AT_SERVER], ends[AT_CLIENT] */
    struct side server, client;
    struct tls_server_config *server_config; /* references of the scene */
    struct tls_client_config *client_config;
};

static inline void side_note_tls(struct side *side, const struct tls_failure *tls)
{
    side->failed_tls = tls ? *tls : (struct tls_failure){ .cause = TLS_CAUSE_OTHER };
    snprintf(side->explanation, sizeof(side->explanation), "%s",
             tls && tls->explanation ? tls->explanation : "");
}

static inline void side_read(struct side *side)
{
    while (!side->paused && !side->ended && side->stream) {
        long n = stream_read(side->stream, &side->received, 100000);

        if (n == -EAGAIN)
            return;
        if (n > 0)
            continue;
        side->ended = true;
        side->end = n;
        if (n < 0)
            side_note_tls(side, stream_failure(side->stream).tls);
    }
}

static inline void side_on_event(void *owner, unsigned events)
{
    struct side *side = owner;

    side->events |= events;
    if (events & STREAM_OPEN_FAILED) {
        struct stream_failure failure = stream_failure(side->stream);

        side->open_failed = true;
        side->failed_step = failure.step;
        side->failed_error = failure.error;
        snprintf(side->failed_detail, sizeof(side->failed_detail), "%s",
                 failure.detail ? failure.detail : "");
        side_note_tls(side, failure.tls);
        return;
    }
    if (events & STREAM_OPEN)
        side->open = true;
    if (events & (STREAM_OPEN | STREAM_READABLE))
        side_read(side);
}

static inline void side_start(struct side *side, struct stream *stream)
{
    unsigned events;

    assert(stream);
    side->stream = stream;
    stream_set_owner(stream, side, side_on_event);
    events = tls_stream_begin(stream);
    if (events)
        side_on_event(side, events);
}

static inline void side_close(struct side *side, enum stream_close how)
{
    if (side->stream)
        stream_close(side->stream, how);
    side->stream = NULL;
}

static inline int side_write(struct side *side, const void *bytes, size_t length)
{
    struct buf buf;
    int r;

    buf_init(&buf, side->received.pool);
    r = buf_append_bytes(&buf, bytes, length);
    if (r == 0)
        r = stream_write(side->stream, &buf);
    buf_done(&buf);
    return r;
}

static inline int side_say(struct side *side, const char *text)
{
    return side_write(side, text, strlen(text));
}

/* What arrived, as text; good until the next call. */
static inline const char *side_heard(const struct side *side)
{
    static char text[4096];
    size_t n = buf_peek(&side->received, text, sizeof(text) - 1);

    text[n] = '\0';
    return text;
}

/* The wire, and a server on it. Takes the configuration. */
static inline void scene_init(struct scene *scene, struct tls_server_config *server_config)
{
    *scene = (struct scene){ .pool = chunk_pool_create(0), .server_config = server_config };
    assert(scene->pool);
    memory_pair_init(&scene->pair, scene->pool);
    buf_init(&scene->server.received, scene->pool);
    buf_init(&scene->client.received, scene->pool);
}

static inline void scene_start_server(struct scene *scene)
{
    struct stream *lower = &scene->pair.ends[AT_SERVER].base;

    side_start(&scene->server, tls_stream_accept(&lower, scene->pool, scene->server_config));
}

/* Takes the configuration. */
static inline void scene_start_client(struct scene *scene, struct tls_client_config *config,
                                      const struct tls_connect_options *options)
{
    struct stream *lower = &scene->pair.ends[AT_CLIENT].base;

    scene->client_config = config;
    side_start(&scene->client, tls_stream_connect(&lower, scene->pool, config, options));
}

/* From a client that is no TLS stream. */
static inline void scene_send_below(struct scene *scene, struct slice bytes)
{
    struct buf buf;

    buf_init(&buf, scene->pool);
    CHECK_INT(buf_append_slice(&buf, bytes), 0);
    CHECK_INT(stream_write(&scene->pair.ends[AT_CLIENT].base, &buf), 0);
    buf_done(&buf);
}

static inline void scene_run(struct scene *scene)
{
    memory_pair_run(&scene->pair);
}

static inline void scene_done(struct scene *scene)
{
    side_close(&scene->client, STREAM_CLOSE_FLUSH);
    side_close(&scene->server, STREAM_CLOSE_FLUSH);
    buf_done(&scene->client.received);
    buf_done(&scene->server.received);
    memory_pair_done(&scene->pair);
    chunk_pool_free(scene->pool); /* asserts that every chunk came home */
    tls_server_config_unref(scene->server_config);
    tls_client_config_unref(scene->client_config);
}

/* Configurations that most stories need. */

static inline struct tls_server_config *server_config_of(const struct tls_server_settings *settings)
{
    struct tls_error error = { "" };
    struct tls_server_config *config = tls_server_config_create(settings, &error);

    if (!config)
        fail_msg("server configuration: %s", error.text);
    return config;
}

static inline struct tls_client_config *client_config_of(const struct tls_client_settings *settings)
{
    struct tls_error error = { "" };
    struct tls_client_config *config = tls_client_config_create(settings, &error);

    if (!config)
        fail_msg("client configuration: %s", error.text);
    return config;
}

/* www.example.com with its intermediate, one TLS version. */
static inline struct tls_server_config *www_server(enum tls_version version)
{
    const struct tls_certificate certificate = {
        .label = "www", .pair = { pki_shelf()->www_chain, pki_shelf()->www.key_pem }
    };

    return server_config_of(&(struct tls_server_settings){ .certificates = &certificate,
                                                           .certificates_count = 1,
                                                           .min_version = version,
                                                           .max_version = version });
}

/* Trusts the shelf's root. */
static inline struct tls_client_config *verifying_client(void)
{
    return client_config_of(&(struct tls_client_settings){
        .verify = true, .verify_depth = -1, .ca_pem = pki_shelf()->root.pem });
}

static inline const struct tls_connect_options *to_www(void)
{
    static const struct tls_connect_options options = { .server_name = "www.example.com" };

    return &options;
}

#endif
