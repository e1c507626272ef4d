/*
 * Any text as a log format, and any bytes of a client in it:
 *   - a refused text has a reason;
 *   - a line of an accepted one has no control byte but the tabs of the format;
 *   - what is JSON with plain values is JSON with any.
 * data: a format (as nginx's directive or hopgate_access_log_format has it), a newline, the client's bytes.
 */
#include "proxy/report/log_format.h"

#include <jansson.h>

#include "core/chunk.h"
#include "proxy/persona/persona.h"
#include "proxy/report/access_log.h"
#include "proxy/report/log_directive.h"
#include "tests/fuzz/fuzz_input.h"

static void check_line(struct slice line)
{
    require(line.len > 0 && line.ptr[line.len - 1] == '\n', "a line has no end");
    for (size_t i = 0; i + 1 < line.len; i++)
        require(((unsigned char)line.ptr[i] >= 0x20 || line.ptr[i] == '\t') && line.ptr[i] != 0x7f,
                "a control byte is in the log");
}

static void write_line(const char *spec, const struct exchange_record *record, struct arena *arena,
                       bool is_json)
{
    char error[512] = "";
    struct access_log_format *format = access_log_format_create(spec, NULL, error, sizeof(error));
    struct slice line;

    require(format || *error, "a refusal has a reason");
    if (!format)
        return;
    line = access_log_line(format, record, arena);
    require(line.ptr != NULL, "memory");
    check_line(line);
    if (is_json) {
        json_t *root = json_loadb(line.ptr, line.len, JSON_ALLOW_NUL, NULL);

        require(root != NULL, "a JSON line is no JSON");
        json_decref(root);
    }
    access_log_format_free(format);
}

static void use(const struct exchange_record *record, struct arena *arena, const char *spec)
{
    static const char *const builtin[] = { "kong", "combined", "haproxy", "alb" };

    write_line(spec, record, arena, false);
    for (size_t i = 0; i < sizeof(builtin) / sizeof(builtin[0]); i++)
        write_line(builtin[i], record, arena, false);
    write_line("json", record, arena, true);
    write_line("kong-serialize", record, arena, true);
    write_line(
        "escape=json {\"a\":\"$request\",\"b\":\"$http_user_agent$uri$args$arg_a$cookie_a\"}",
        record, arena, true);
}

static void use_directive(const char *text)
{
    struct log_definitions definitions = { 0 };
    char error[512] = "";

    if (log_definitions_add(&definitions, slice_of(text), error, sizeof(error)) < 0)
        require(*error, "a refusal has a reason");
    log_definitions_done(&definitions);
}

static void check(struct arena *arena, const struct persona *persona, const char *spec,
                  struct slice bytes)
{
    struct exchange_record record = { .persona = persona,
                                      .hop_name = bytes,
                                      .client_ip = SLICE("192.0.2.1"),
                                      .bad_request_line = bytes,
                                      .started_at_unix_ms = 1795209307000 };
    struct http_head request = { .version_major = 1,
                                 .version_minor = 1,
                                 .method_name = bytes,
                                 .request_target = bytes,
                                 .request_line = bytes,
                                 .path = bytes,
                                 .query = bytes,
                                 .authority = SLICE("h:1") };
    static const char *const names[] = { "Authorization", "Cookie", "User-Agent", "Referer",
                                         "X-A" };

    use(&record, arena, spec);
    fields_init(&request.fields, arena);
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        require(fields_add(&request.fields, slice_of(names[i]), bytes) == 0, "memory");
    record.request = &request;
    record.response_fields = &request.fields;
    record.status = 200;
    use(&record, arena, spec);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct persona *persona;
    struct chunk_pool *pool = chunk_pool_create(0);
    const uint8_t *end = size > 0 ? memchr(data, '\n', size) : NULL;
    size_t length = end ? (size_t)(end - data) : size;
    char *spec = malloc(length + 1), *bytes = malloc(size - length + 1);
    struct config_errors errors;
    struct arena arena;

    require(pool && spec && bytes, "memory");
    if (!persona) {
        config_errors_init(&errors);
        persona = persona_load("kong", &errors);
        config_errors_done(&errors);
    }
    require(persona != NULL, "the persona");
    if (length > 0)
        memcpy(spec, data, length);
    spec[length] = '\0';
    if (size > length)
        memcpy(bytes, data + length, size - length);
    arena_init(&arena, pool, 0);
    use_directive(spec);
    check(
        &arena, persona, spec,
        (struct slice){ size > length ? bytes + 1 : bytes, size > length ? size - length - 1 : 0 });
    arena_done(&arena);
    chunk_pool_free(pool);
    free(spec);
    free(bytes);
    return 0;
}
