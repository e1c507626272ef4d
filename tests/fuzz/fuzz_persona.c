/*
 * Whatever text a persona is made of, it is refused with a reason or can be used:
 *   - a refused one has at least one message;
 *   - an accepted one answers every end, and rewrites a request, a response and a page.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "proxy/persona/persona.h"
#include "proxy/rewrite/rewrite.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds, const char *what)
{
    if (holds)
        return;
    fprintf(stderr, "property broken: %s\n", what);
    abort();
}

static void add(struct fields *fields, const char *name, const char *value)
{
    require(fields_add(fields, slice_of(name), slice_of(value)) == 0, "memory");
}

static void use_rewriting(struct exchange_record *record, struct http_head *head,
                          struct arena *arena)
{
    const struct rewrite_framing framing = { HTTP_FRAMING_LENGTH, 5, true };
    struct fields out;

    fields_init(&out, arena);
    require(rewrite_request(record, &framing, &out) == 0, "a request is rewritten");
    head->status = 200;
    fields_init(&out, arena);
    require(rewrite_response(record, head, &framing, &out) == 0, "a response is rewritten");
}

static void use_answers(struct exchange_record *record, struct arena *arena)
{
    const struct rewrite_framing framing = { HTTP_FRAMING_LENGTH, 5, false };

    for (unsigned i = END_OK + 1; i < END_REASON_COUNT; i++) {
        struct error_page page;
        struct fields out;

        record->reason = (enum end_reason)i;
        require(error_page_make(record, arena, &page) == 0, "an end has an answer");
        require(page.answer.reason_phrase != NULL, "an answer has a reason phrase");
        fields_init(&out, arena);
        require(rewrite_error_page(record, &page, &framing, &out) == 0, "a page has fields");
    }
}

static void use(const struct persona *persona)
{
    struct chunk_pool *pool = chunk_pool_create(0);
    struct exchange_record record = { .persona = persona, .hop_name = SLICE("hop") };
    struct http_head head = { .version_major = 1, .version_minor = 1 };
    struct arena arena;

    require(pool != NULL, "memory");
    arena_init(&arena, pool, 0);
    fields_init(&head.fields, &arena);
    add(&head.fields, "Host", "h:1");
    add(&head.fields, "X-Forwarded-For", "1.2.3.4");
    add(&head.fields, "x_forwarded_for", "1.2.3.4");
    add(&head.fields, "Connection", "X-A, close");
    add(&head.fields, "X-A", "1");
    add(&head.fields, "Content-Length", "5");
    head.authority = SLICE("h:1");
    record.request = &head;
    use_rewriting(&record, &head, &arena);
    use_answers(&record, &arena);
    arena_done(&arena);
    chunk_pool_free(pool);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct config_errors errors;
    struct persona *persona;

    config_errors_init(&errors);
    persona = persona_parse((struct slice){ (const char *)data, size }, "fuzz", &errors);
    if (persona)
        use(persona);
    else
        require(errors.count > 0, "a refusal has a reason");
    persona_free(persona);
    config_errors_done(&errors);
    return 0;
}
