/*
 * fixture: an exchange as far as tests of pure functions need one.
 *
 * Role    an arena, a request head from text lines, a record with a persona
 * Owns    what exchange_fixture_done frees
 * Thread  one
 */
#ifndef TESTS_UNIT_PROXY_FIXTURE_H
#define TESTS_UNIT_PROXY_FIXTURE_H

#include <stdio.h>
#include <stdlib.h>

#include "core/addr.h"
#include "core/arena.h"
#include "proxy/exchange/exchange_record.h"
#include "proxy/persona/persona.h"
#include "tests/check.h"

struct exchange_fixture {
    struct chunk_pool *pool;
    struct arena arena;
    struct persona *persona;
    struct http_head request;
    struct exchange_record record;
};

static inline struct persona *fixture_persona(const char *name_or_text)
{
    struct config_errors errors;
    struct persona *persona;

    config_errors_init(&errors);
    persona = name_or_text[0] == '{' ? persona_parse(slice_of(name_or_text), "test", &errors)
                                     : persona_load(name_or_text, &errors);
    if (!persona)
        config_errors_print(&errors, stderr);
    config_errors_done(&errors);
    assert_non_null(persona);
    return persona;
}

static inline struct sockaddr_storage fixture_addr(const char *text)
{
    struct sockaddr_storage addr;

    CHECK_INT(addr_parse(slice_of(text), 0, &addr), 0);
    return addr;
}

/* "Name: value" lines separated by "|"; names and values point into `lines`. */
static inline void fixture_fields(struct fields *fields, struct arena *arena, const char *lines)
{
    fields_init(fields, arena);
    while (*lines) {
        size_t length = strcspn(lines, "|");
        const char *colon = memchr(lines, ':', length);
        struct slice name, value;

        assert_non_null(colon);
        name = (struct slice){ lines, (size_t)(colon - lines) };
        value = (struct slice){ colon + 1, length - name.len - 1 };
        if (value.len > 0 && value.ptr[0] == ' ')
            value = slice_from(value, 1);
        CHECK_INT(fields_add(fields, name, value), 0);
        lines += length + (lines[length] == '|');
    }
}

/* The section as the same text, NUL-terminated in the arena. */
static inline const char *fixture_lines(const struct fields *fields, struct arena *arena)
{
    struct slice text = arena_copy(arena, SLICE(""));

    for (uint32_t i = 0; i < fields->count; i++)
        text = arena_printf(arena, "%s%s%.*s: %.*s", text.ptr, i > 0 ? "|" : "",
                            SLICE_ARG(fields->items[i].name), SLICE_ARG(fields->items[i].value));
    return text.ptr;
}

/* GET /a?b=1 over plain HTTP/1.1 from 10.0.0.5, with these fields. */
static inline void exchange_fixture_init(struct exchange_fixture *x, const char *persona,
                                         const char *request_lines)
{
    struct exchange_record *record = &x->record;
    const struct field *host;

    memset(x, 0, sizeof(*x));
    x->pool = chunk_pool_create(0);
    assert_non_null(x->pool);
    arena_init(&x->arena, x->pool, 0);
    x->persona = fixture_persona(persona);
    fixture_fields(&x->request.fields, &x->arena, request_lines);
    host = fields_find(&x->request.fields, FIELD_HOST);
    x->request.version_major = 1;
    x->request.version_minor = 1;
    x->request.method = HTTP_METHOD_GET;
    x->request.method_name = SLICE("GET");
    x->request.request_target = SLICE("/a?b=1");
    x->request.path = SLICE("/a");
    x->request.query = SLICE("b=1");
    x->request.request_line = SLICE("GET /a?b=1 HTTP/1.1");
    x->request.authority = host ? host->value : (struct slice){ NULL, 0 };
    record->persona = x->persona;
    record->request = &x->request;
    record->hop_name = SLICE("hop1");
    memcpy(record->request_id, "0123456789abcdef0123456789abcdef", 33);
    record->number = 7;
    record->client_connection_id = 3;
    record->client_request_number = 2;
    record->client_peer = fixture_addr("10.0.0.5:50000");
    record->client_local = fixture_addr("10.0.0.1:8000");
    record->client_ip = SLICE("10.0.0.5");
    record->listener_port = 8000;
    record->upstream_host = SLICE("up.example");
    record->upstream_uri = SLICE("/up/a?b=1");
    record->started_at_unix_ms = 1795209307000; /* 2026-11-20 21:15:07 UTC */
    record->started_at_us = 1000000;
}

/* One try that was picked after 5 ms, connected after 6, sent after 7. */
static inline struct try_record *exchange_fixture_try(struct exchange_fixture *x,
                                                      enum end_reason reason)
{
    struct try_record *try = &x->record.tries[x->record.tries_count++];

    x->record.was_proxied = true;
    try->target = fixture_addr("192.0.2.1:8080");
    try->target_name = SLICE("origin.test:8080");
    try->connection_id = 11;
    try->local = fixture_addr("10.0.0.1:40000");
    try->request_number = 1;
    try->picked_at_us = 1005000;
    try->connected_at_us = 1006250;
    try->sent_at_us = 1007000;
    try->reason = reason;
    try->status = (uint16_t)end_reason_info(reason)->status;
    return try;
}

static inline void exchange_fixture_done(struct exchange_fixture *x)
{
    persona_free(x->persona);
    arena_done(&x->arena);
    chunk_pool_free(x->pool);
}

#endif
