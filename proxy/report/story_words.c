#include <inttypes.h>
#include <string.h>

#include "core/addr.h"
#include "proxy/report/story_priv.h"

typedef void print_word(FILE *out, const struct recorded_exchange *entry);

/* ---- pieces -------------------------------------------------------------------------------- */

void story_print_safe(FILE *out, struct slice text)
{
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];

        if (c < 0x20 || c >= 0x7f)
            (void)fprintf(out, "\\x%02X", c);
        else
            (void)fputc(c, out);
    }
}

void story_print_text(FILE *out, const struct recorded_exchange *entry, struct recorded_text text)
{
    story_print_safe(out, recorded_slice(entry, text));
    if (text.length > text.kept)
        (void)fprintf(out, "... (%" PRIu32 " bytes)", text.length);
}

void story_print_address(FILE *out, const struct recorded_address *address)
{
    struct sockaddr_storage expanded = recorded_address_expand(address);
    char text[ADDR_TEXT_MAX];

    (void)fputs(addr_format(&expanded, text, sizeof(text)), out);
}

void story_print_ms(FILE *out, uint64_t from_us, uint64_t to_us)
{
    uint64_t span = to_us > from_us ? to_us - from_us : 0;

    (void)fprintf(out, "%" PRIu64 ".%03" PRIu64, span / 1000, span % 1000);
}

void story_print_entity(FILE *out, const struct recorded_exchange *entry, struct recorded_text name,
                        struct recorded_text id)
{
    (void)fputc('"', out);
    story_print_text(out, entry, name.length > 0 ? name : id);
    (void)fputc('"', out);
}

void story_print_service(FILE *out, const struct recorded_exchange *entry)
{
    if (!entry->has_service) {
        (void)fputs("the service", out);
        return;
    }
    (void)fputs("service ", out);
    story_print_entity(out, entry, entry->service_name, entry->service_id);
}

/* The address, and the name by which it was configured where that says more. */
void story_print_target(FILE *out, const struct recorded_exchange *entry,
                        const struct recorded_try *try)
{
    struct sockaddr_storage expanded = recorded_address_expand(&try->target);
    char text[ADDR_TEXT_MAX];

    (void)fputs(addr_format(&expanded, text, sizeof(text)), out);
    if (try->target_name.kept == 0 ||
        slice_equal(recorded_slice(entry, try->target_name), slice_of(text)))
        return;
    (void)fputs(" (", out);
    story_print_text(out, entry, try->target_name);
    (void)fputc(')', out);
}

/* ---- words --------------------------------------------------------------------------------- */

static void print_target(FILE *out, const struct recorded_exchange *entry)
{
    const struct recorded_try *try = recorded_last_try(entry);

    if (try)
        story_print_target(out, entry, try);
    else
        (void)fputs("(none)", out);
}

static void print_target_address(FILE *out, const struct recorded_exchange *entry)
{
    const struct recorded_try *try = recorded_last_try(entry);

    if (try)
        story_print_address(out, &try->target);
}

/* The reason's own detail; a try that ended with it has the same. */
static void print_detail(FILE *out, const struct recorded_exchange *entry)
{
    const struct recorded_try *try = recorded_last_try(entry);

    if (entry->detail.length > 0)
        story_print_text(out, entry, entry->detail);
    else if (try && try->reason == entry->reason && try->detail.length > 0)
        story_print_text(out, entry, try->detail);
    else
        (void)fputs("no detail is known", out);
}

static void print_list_of_tries(FILE *out, const struct recorded_exchange *entry, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        (void)fputs(i == 0 ? "" : ", ", out);
        story_print_target(out, entry, &entry->tries[i]);
    }
}

static bool was_tried_before(const struct recorded_exchange *entry, uint32_t index)
{
    for (uint32_t i = 0; i < index; i++)
        if (memcmp(&entry->tries[i].target, &entry->tries[index].target,
                   sizeof(entry->tries[i].target)) == 0)
            return true;
    return false;
}

/* Each target once. */
static void print_tries(FILE *out, const struct recorded_exchange *entry)
{
    const char *separator = "";

    (void)fprintf(out, "%" PRIu32 " tries at ", entry->tries_count);
    for (uint32_t i = 0; i < recorded_tries_count(entry); i++) {
        if (was_tried_before(entry, i))
            continue;
        (void)fputs(separator, out);
        story_print_target(out, entry, &entry->tries[i]);
        separator = ", ";
    }
}

static void print_failed_tries(FILE *out, const struct recorded_exchange *entry)
{
    (void)fprintf(out, "%" PRIu32 " failed: ", entry->tries_count - 1);
    print_list_of_tries(out, entry, recorded_tries_count(entry) - 1);
}

/* How long the last try had waited in the phase in which it ended. */
static void print_waited(FILE *out, const struct recorded_exchange *entry)
{
    const struct recorded_try *try = recorded_last_try(entry);
    uint64_t from_us;

    if (!try) {
        (void)fputs("?", out);
        return;
    }
    from_us = try->sent_at_us        ? try->sent_at_us
              : try->tls_done_at_us  ? try->tls_done_at_us
              : try->connected_at_us ? try->connected_at_us
                                     : try->picked_at_us;
    story_print_ms(out, from_us, try->ended_at_us ? try->ended_at_us : entry->ended_at_us);
}

static void print_took(FILE *out, const struct recorded_exchange *entry)
{
    (void)fprintf(out, "%" PRIu64, (entry->ended_at_us - entry->started_at_us) / 1000);
}

static void print_service_word(FILE *out, const struct recorded_exchange *entry)
{
    story_print_service(out, entry);
}

static void print_route(FILE *out, const struct recorded_exchange *entry)
{
    story_print_entity(out, entry, entry->route_name, entry->route_id);
}

static void print_method(FILE *out, const struct recorded_exchange *entry)
{
    story_print_text(out, entry, entry->method);
}

static void print_path(FILE *out, const struct recorded_exchange *entry)
{
    story_print_text(out, entry, entry->path);
}

static void print_host(FILE *out, const struct recorded_exchange *entry)
{
    story_print_text(out, entry, entry->host);
}

static void print_upstream_host(FILE *out, const struct recorded_exchange *entry)
{
    story_print_text(out, entry, entry->upstream_host);
}

static void print_bytes(FILE *out, const struct recorded_exchange *entry)
{
    (void)fprintf(out, "%" PRIu64, entry->response_content_bytes);
}

static void print_request_bytes(FILE *out, const struct recorded_exchange *entry)
{
    (void)fprintf(out, "%" PRIu64, entry->request_bytes);
}

static void print_start_line_max(FILE *out, const struct recorded_exchange *entry)
{
    (void)fprintf(out, "%" PRIu32, entry->limits.start_line_max_bytes);
}

static void print_read_timeout(FILE *out, const struct recorded_exchange *entry)
{
    story_print_setting(out, entry, STORY_KNOB_READ_TIMEOUT);
    (void)fputs(", ", out);
    story_print_limit(out, entry, STORY_KNOB_READ_TIMEOUT);
}

static void print_head_limits(FILE *out, const struct recorded_exchange *entry)
{
    (void)fprintf(out, "%" PRIu32 " bytes a line, %" PRIu32 " bytes in all, %" PRIu32 " lines",
                  entry->limits.field_line_max_bytes, entry->limits.head_max_bytes,
                  entry->limits.fields_max_count);
}

static void print_head_limits_upstream(FILE *out, const struct recorded_exchange *entry)
{
    (void)fprintf(out, "%" PRIu32 " bytes a line, %" PRIu32 " bytes in all, %" PRIu32 " lines",
                  entry->limits.upstream_field_line_max_bytes,
                  entry->limits.upstream_head_max_bytes, entry->limits.upstream_fields_max_count);
}

/* The longest of the phases that are known. */
static void print_slowest(FILE *out, const struct recorded_exchange *entry)
{
    const struct recorded_try *try = recorded_last_try(entry);
    uint64_t sent = try ? try->sent_at_us : 0, head = try ? try->head_at_us : 0;
    uint64_t picked = try ? try->picked_at_us : 0;
    const struct {
        const char *what;
        uint64_t from_us, to_us;
    } phases[] = {
        { "receiving the request head took", entry->started_at_us, entry->request_head_at_us },
        { "receiving the request's content took", entry->request_head_at_us,
          entry->request_end_at_us },
        { "connecting and sending the request to the target took", picked, sent },
        { "waiting for the target's response head took", sent, head },
        { "passing on the response took", entry->response_head_at_us, entry->ended_at_us },
    };
    size_t longest = 0;
    uint64_t longest_us = 0;

    for (size_t i = 0; i < sizeof(phases) / sizeof(phases[0]); i++) {
        bool is_known = phases[i].from_us > 0 && phases[i].to_us > phases[i].from_us;

        if (!is_known || phases[i].to_us - phases[i].from_us <= longest_us)
            continue;
        longest = i;
        longest_us = phases[i].to_us - phases[i].from_us;
    }
    (void)fprintf(out, "%s %" PRIu64 " of %" PRIu64 " ms", phases[longest].what, longest_us / 1000,
                  (entry->ended_at_us - entry->started_at_us) / 1000);
}

static const struct {
    const char *word;
    print_word *print;
} words[] = {
    { "target", print_target },
    { "target_address", print_target_address },
    { "detail", print_detail },
    { "tries", print_tries },
    { "failed_tries", print_failed_tries },
    { "waited", print_waited },
    { "took", print_took },
    { "service", print_service_word },
    { "route", print_route },
    { "method", print_method },
    { "path", print_path },
    { "host", print_host },
    { "upstream_host", print_upstream_host },
    { "bytes", print_bytes },
    { "request_bytes", print_request_bytes },
    { "start_line_max", print_start_line_max },
    { "read_timeout", print_read_timeout },
    { "head_limits", print_head_limits },
    { "head_limits_upstream", print_head_limits_upstream },
    { "slowest", print_slowest },
};

static void print_one(FILE *out, struct slice word, const struct recorded_exchange *entry,
                      enum story_knob knob)
{
    if (slice_equal(word, SLICE("knob"))) {
        story_print_setting(out, entry, knob);
        return;
    }
    if (slice_equal(word, SLICE("limit"))) {
        story_print_limit(out, entry, knob);
        return;
    }
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (slice_equal(word, slice_of(words[i].word))) {
            words[i].print(out, entry);
            return;
        }
    }
    (void)fprintf(out, "{%.*s}", SLICE_ARG(word)); /* no such word: a test finds the brace */
}

void story_print_words(FILE *out, const char *template, const struct recorded_exchange *entry,
                       enum story_knob knob)
{
    for (const char *at = template; *at;) {
        size_t plain = strcspn(at, "{");
        const char *end = strchr(at + plain, '}');

        (void)fwrite(at, 1, plain, out);
        at += plain;
        if (!*at || !end)
            return;
        print_one(out, (struct slice){ at + 1, (size_t)(end - at - 1) }, entry, knob);
        at = end + 1;
    }
}
