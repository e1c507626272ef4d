#include "proxy/report/access_log.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/base64.h"
#include "core/log.h"
#include "proxy/report/access_log_priv.h"
#include "proxy/report/text.h"

static const struct access_log_format formats[] = {
    { "kong", access_log_kong_line },
    { "json", access_log_json_line },
};

const struct access_log_format *access_log_find(const char *name)
{
    for (size_t i = 0; i < sizeof(formats) / sizeof(*formats); i++)
        if (strcmp(formats[i].name, name) == 0)
            return &formats[i];
    return NULL;
}

bool access_log_is_format(const char *name)
{
    return access_log_find(name) != NULL;
}

const char *access_log_format_names(void)
{
    return "kong, json";
}

/* ---- kong ---- */

enum { USER_NAME_MAX = 64 };

/* nginx's $remote_user: the name in "Basic base64(name:password)"; what follows the colon is not
 * read. */
static size_t remote_user(const struct exchange_record *record, char into[USER_NAME_MAX])
{
    const struct field *field =
        record->request ? fields_find(&record->request->fields, FIELD_AUTHORIZATION) : NULL;
    unsigned bits = 0, held = 0;
    size_t length = 0;

    if (!field || field->value.len < 6 || strncasecmp(field->value.ptr, "Basic ", 6) != 0)
        return 0;
    for (size_t i = 6; i < field->value.len && length < USER_NAME_MAX; i++) {
        int value = base64_digit(field->value.ptr[i]);

        if (value < 0)
            return 0;
        bits = (bits << 6 | (unsigned)value) & 0xffff;
        held += 6;
        if (held < 8)
            continue;
        held -= 8;
        into[length] = (char)(bits >> held & 0xff);
        if (into[length] == ':')
            return length;
        length++;
    }
    return 0; /* no colon: no credentials */
}

static void add_time(struct text *text, uint64_t unix_ms)
{
    static const char months[][4] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                      "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" };
    long offset_minutes;
    struct tm tm;

    log_local_time((time_t)(unix_ms / 1000), &tm);
    offset_minutes = tm.tm_gmtoff / 60;
    text_addf(text, "[%02d/%s/%d:%02d:%02d:%02d %c%02ld%02ld]", tm.tm_mday, months[tm.tm_mon],
              tm.tm_year + 1900, tm.tm_hour, tm.tm_min, tm.tm_sec, offset_minutes < 0 ? '-' : '+',
              labs(offset_minutes) / 60, labs(offset_minutes) % 60);
}

static void add_field_or_dash(struct text *text, const struct exchange_record *record,
                              enum field_id id)
{
    const struct field *field = record->request ? fields_find(&record->request->fields, id) : NULL;

    text_add_string(text, " \"");
    if (field && field->value.len > 0)
        text_add_escaped(text, field->value, TEXT_ESCAPE_LOG);
    else
        text_add_string(text, "-");
    text_add_string(text, "\"");
}

struct slice access_log_kong_line(const struct exchange_record *record, struct arena *arena)
{
    char user[USER_NAME_MAX];
    size_t user_length = remote_user(record, user);
    struct text text;

    text_init(&text, arena);
    text_add_escaped(&text, record->client_ip, TEXT_ESCAPE_LOG);
    text_add_string(&text, " - ");
    if (user_length > 0)
        text_add_escaped(&text, (struct slice){ user, user_length }, TEXT_ESCAPE_LOG);
    else
        text_add_string(&text, "-");
    text_add_string(&text, " ");
    add_time(&text, exchange_record_unix_ms(record, record->ended_at_us));
    text_add_string(&text, " \"");
    text_add_escaped(&text,
                     record->request ? record->request->request_line : record->bad_request_line,
                     TEXT_ESCAPE_LOG);
    text_addf(&text, "\" %03u %llu", record->status,
              (unsigned long long)record->response_content_bytes);
    add_field_or_dash(&text, record, FIELD_REFERER);
    add_field_or_dash(&text, record, FIELD_USER_AGENT);
    text_add_string(&text, " kong_request_id: \"");
    text_add_string(&text, record->request_id);
    text_add_string(&text, "\"\n");
    return text_take(&text);
}
