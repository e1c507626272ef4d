/*
 * Properties of content on the wire:
 *   - what comes out does not depend on the cut or on how much is asked for at once;
 *   - content that was decoded and written in chunks again decodes to the same content.
 *
 * options: bits 0-1 framing, bit 2 drops trailers, the rest is the length for length framing.
 */
#include "core/http/http1_writer.h"
#include "tests/fuzz/fuzz_input.h"
#include "tests/http1_session.h"

/* Small, so that the fuzzer reaches them. */
static const struct http1_body_limits small_limits = { .chunk_extension_max = 16,
                                                       .chunk_extension_total_max = 40,
                                                       .trailer_max = 64,
                                                       .trailer_fields_count_max = 8 };

struct account {
    char *text; /* heap */
    size_t bytes;
    enum http1_body_result result;
};

static struct account account_of(struct http_head head, struct wire wire, bool drop_trailers,
                                 struct chunk_pool *pool)
{
    struct account account = { 0 };
    struct fields trailers;
    struct http1_body body;
    struct arena arena;
    struct buf in, content;
    FILE *out = open_memstream(&account.text, &account.bytes);

    require(out != NULL, "memory");
    arena_init(&arena, pool, 0);
    buf_init(&in, pool);
    buf_init(&content, pool);
    fields_init(&trailers, &arena);
    http1_body_init(&body, &head, &small_limits, drop_trailers ? NULL : &trailers, &arena);
    for (;;) {
        size_t before = in.length;
        size_t max = wire.cut == CUT_WHOLE ? SIZE_MAX : wire_random(&wire) % 5;

        account.result = http1_body_decode(&body, &in, &content, max);
        require(content.length <= max, "more content than asked for");
        session_print_content(out, &content);
        if (account.result != HTTP1_BODY_MORE)
            break;
        if (in.length != before || max == 0)
            continue;
        if (!wire_deliver(&wire, &in)) {
            account.result = http1_body_eof(&body);
            break;
        }
    }
    for (uint32_t i = 0; i < trailers.count; i++)
        fprintf(out, "\ntrailer [%.*s]=[%.*s]", SLICE_ARG(trailers.items[i].name),
                SLICE_ARG(trailers.items[i].value));
    fprintf(out, "\nresult %d %s content %llu forbidden %u rest %zu", account.result,
            http1_error_info(body.error)->name, (unsigned long long)body.content_bytes,
            body.forbidden_trailer_count, body.error == HTTP1_OK ? in.length + wire.bytes.len : 0);
    fclose(out);
    http1_body_done(&body);
    buf_done(&in);
    buf_done(&content);
    arena_done(&arena);
    require(chunk_pool_bytes_in_use(pool) == 0, "chunks leak");
    return account;
}

static void check_cuts(struct http_head head, const struct fuzz_input *input,
                       struct chunk_pool *pool)
{
    static const enum cut cuts[] = { CUT_BYTES, CUT_RANDOM, CUT_SCHEDULE };
    bool drop_trailers = input->options >> 2 & 1;
    struct wire wire = { .bytes = input->bytes,
                         .random = input->options,
                         .schedule = input->schedule };
    struct account whole = account_of(head, wire, drop_trailers, pool);

    for (size_t i = 0; i < sizeof(cuts) / sizeof(cuts[0]); i++) {
        struct account other;

        wire.cut = cuts[i];
        other = account_of(head, wire, drop_trailers, pool);
        require_same((struct slice){ whole.text, whole.bytes },
                     (struct slice){ other.text, other.bytes }, "the cut changes the account");
        free(other.text);
    }
    free(whole.text);
}

/* The input as content: written in chunks and read again. */
static void check_round_trip(const struct fuzz_input *input, struct chunk_pool *pool)
{
    struct wire wire = { .bytes = input->bytes, .cut = CUT_SCHEDULE, .schedule = input->schedule };
    struct slice content = input->bytes;
    struct buf piece, framed;
    struct account account;
    char *bytes;

    buf_init(&piece, pool);
    buf_init(&framed, pool);
    while (wire_deliver(&wire, &piece))
        require(http1_write_chunk(&framed, &piece) == 0, "a chunk cannot be written");
    require(http1_write_last_chunk(&framed, NULL) == 0, "the last chunk cannot be written");
    bytes = malloc(framed.length);
    require(bytes != NULL, "memory");
    buf_peek(&framed, bytes, framed.length);
    wire = (struct wire){ .bytes = { bytes, framed.length },
                          .cut = CUT_RANDOM,
                          .random = input->options };
    buf_done(&piece);
    buf_done(&framed);
    account = account_of((struct http_head){ .framing = HTTP_FRAMING_CHUNKED }, wire, true, pool);
    require(account.result == HTTP1_BODY_END, "written chunks are refused");
    require(account.bytes >= content.len &&
                (content.len == 0 || memcmp(account.text, content.ptr, content.len) == 0),
            "written chunks decode to something else");
    free(account.text);
    free(bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const enum http_framing framings[] = { HTTP_FRAMING_CHUNKED, HTTP_FRAMING_LENGTH,
                                                  HTTP_FRAMING_CLOSE, HTTP_FRAMING_CHUNKED };
    struct chunk_pool *pool;
    struct fuzz_input input;
    struct http_head head;

    if (!fuzz_input_read(data, size, &input))
        return 0;
    head = (struct http_head){ .framing = framings[input.options & 3],
                               .content_length = input.options >> 3 };
    pool = chunk_pool_create(0);
    require(pool != NULL, "memory");
    check_cuts(head, &input, pool);
    check_round_trip(&input, pool);
    chunk_pool_free(pool);
    return 0;
}
