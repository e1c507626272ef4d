#include "proxy/report/error_page.h"

#include <errno.h>
#include <string.h>

#include "core/http/http_chars.h"
#include "tls/alert.h"

/* ---- which page ---- */

/* A qvalue in thousandths (RFC 9110 12.4.2); what is malformed counts as absent. */
static unsigned parse_quality(struct slice text)
{
    unsigned thousandths = 0, scale = 1000;
    size_t i = 0;

    if (text.len == 0 || (text.ptr[0] != '0' && text.ptr[0] != '1'))
        return 1000;
    thousandths = (unsigned)(text.ptr[0] - '0') * 1000;
    if (text.len > 1 && text.ptr[1] != '.')
        return 1000;
    for (i = 2; i < text.len && scale > 1; i++) {
        if (text.ptr[i] < '0' || text.ptr[i] > '9')
            return 1000;
        scale /= 10;
        thousandths += (unsigned)(text.ptr[i] - '0') * scale;
    }
    return thousandths > 1000 ? 1000 : thousandths;
}

static struct slice trim(struct slice s)
{
    while (s.len > 0 && (s.ptr[0] == ' ' || s.ptr[0] == '\t'))
        s = slice_from(s, 1);
    while (s.len > 0 && (s.ptr[s.len - 1] == ' ' || s.ptr[s.len - 1] == '\t'))
        s.len--;
    return s;
}

static struct slice cut_at(struct slice *rest, char separator)
{
    const char *at = rest->len ? memchr(rest->ptr, separator, rest->len) : NULL;
    struct slice part = *rest;

    if (at) {
        part.len = (size_t)(at - rest->ptr);
        *rest = slice_from(*rest, part.len + 1);
    } else {
        *rest = slice_from(*rest, rest->len);
    }
    return trim(part);
}

/* "text/html;level=1;q=0.5" -> "text/html", 500 */
static struct slice parse_media_range(struct slice entry, unsigned *ret_quality)
{
    struct slice media = cut_at(&entry, ';');

    *ret_quality = 1000;
    while (entry.len > 0) {
        struct slice parameter = cut_at(&entry, ';');

        if (parameter.len > 2 && (parameter.ptr[0] | 0x20) == 'q' && parameter.ptr[1] == '=')
            *ret_quality = parse_quality(slice_from(parameter, 2));
    }
    return media;
}

static struct slice preferred_media(const struct fields *fields, enum field_id id)
{
    struct slice best = { NULL, 0 };
    unsigned best_quality = 0;

    for (uint32_t i = 0; i < fields->count; i++) {
        struct slice rest = fields->items[i].value, entry;

        while (fields->items[i].id == id && field_list_next(&rest, &entry)) {
            unsigned quality;
            struct slice media = parse_media_range(entry, &quality);

            if (quality > best_quality && memchr(media.ptr, '/', media.len)) {
                best = media;
                best_quality = quality;
            }
        }
    }
    return best;
}

static const struct persona_page *page_named(const struct persona_error_page *pages,
                                             const char *name)
{
    for (size_t i = 0; name && i < pages->pages_count; i++)
        if (strcmp(pages->pages[i].name, name) == 0)
            return &pages->pages[i];
    return NULL;
}

static const struct persona_page *page_for_media(const struct persona_error_page *pages,
                                                 struct slice media)
{
    for (size_t i = 0; i < pages->pages_count; i++)
        for (size_t k = 0; k < pages->pages[i].accept.count; k++)
            if (slice_equal_nocase(media, pages->pages[i].accept.items[k]))
                return &pages->pages[i];
    return page_named(pages, pages->default_page);
}

static const struct persona_page *choose_page(const struct exchange_record *record,
                                              const struct persona_answer *answer)
{
    const struct persona_error_page *pages = &record->persona->error_page;
    const struct fields *fields = record->request ? &record->request->fields : NULL;
    bool exits = answer->negotiation == PERSONA_EXIT;

    if (answer->page)
        return page_named(pages, answer->page);
    if (pages->select == PERSONA_SELECT_DEFAULT)
        return page_named(pages, pages->default_page);
    if (fields && fields_find(fields, FIELD_ACCEPT))
        return page_for_media(pages, preferred_media(fields, FIELD_ACCEPT));
    if (!exits && fields && fields_find(fields, FIELD_CONTENT_TYPE))
        return page_for_media(pages, preferred_media(fields, FIELD_CONTENT_TYPE));
    return page_named(pages, exits ? pages->default_page : pages->handler_page);
}

/* ---- what is on it ---- */

static bool slice_contains(struct slice s, struct slice part)
{
    return s.len >= part.len && memmem(s.ptr, s.len, part.ptr, part.len) != NULL;
}

/* nginx's msie_padding: browsers replaced short error pages by their own. */
static bool needs_padding(const struct exchange_record *record, unsigned status)
{
    const struct field *agent =
        record->request ? fields_find(&record->request->fields, FIELD_USER_AGENT) : NULL;

    return record->persona->error_page.padding == PERSONA_PADDING_MSIE && status >= 400 && agent &&
           (slice_contains(agent->value, SLICE("MSIE ")) ||
            slice_contains(agent->value, SLICE("Chrome/")));
}

static void add_padding(struct text *text)
{
    for (int i = 0; i < 6; i++)
        text_add_string(text,
                        "<!-- a padding to disable MSIE and Chrome friendly error page -->\r\n");
}

static int make_content(const struct exchange_record *record, struct arena *arena,
                        struct error_page *ret)
{
    const struct persona_page *page = choose_page(record, &ret->answer);
    struct template_answer facts = { ret->answer.status, ret->answer.reason_phrase, { NULL, 0 } };
    struct template_scope scope = { record, &facts, TEXT_RAW };
    struct text text;

    if (!page)
        return 0; /* a page without content: the status line says it */
    text_init(&text, arena);
    if (ret->answer.message.count > 0)
        template_expand(&ret->answer.message, &scope, &text);
    else
        text_add_string(&text, ret->answer.reason_phrase);
    facts.message = text_take(&text);
    text_init(&text, arena);
    scope.escape = page->escape;
    template_expand(&page->body, &scope, &text);
    if (needs_padding(record, ret->answer.status))
        add_padding(&text);
    ret->content = text_take(&text);
    if (!facts.message.ptr || !ret->content.ptr)
        return -ENOMEM;
    ret->content_type = slice_of(page->content_type);
    return 0;
}

/* ---- RFC 9209 ---- */

/* sf-token (RFC 9651 3.3.4) or else a string. */
static void add_hop_name(struct text *text, struct slice name)
{
    bool is_token = http_chars_are(name, HTTP_CHAR_TOKEN) &&
                    ((name.ptr[0] | 0x20) >= 'a' && (name.ptr[0] | 0x20) <= 'z');

    if (is_token) {
        text_add(text, name);
        return;
    }
    text_add_string(text, "\"");
    text_add_escaped(text, name, TEXT_ESCAPE_SF);
    text_add_string(text, "\"");
}

/* RFC 9209 2.3.15: the parameters of tls_alert_received. */
static void add_alert(struct text *text, const struct exchange_record *record)
{
    const struct try_record *try = exchange_record_telling_try(record);

    if (!try || try->tls_alert == 0 ||
        strcmp(end_reason_info(record->reason)->token, "tls_alert_received") != 0)
        return;
    text_addf(text, "; alert-id=%d; alert-message=%s", try->tls_alert, alert_name(try->tls_alert));
}

static void add_details(struct text *text, const struct exchange_record *record)
{
    const struct end_reason_info *info = end_reason_info(record->reason);
    const struct try_record *try = exchange_record_telling_try(record);
    struct slice phrase = slice_of(info->phrase), mark = SLICE("%s");
    const char *at = memmem(phrase.ptr, phrase.len, mark.ptr, mark.len);

    text_add_string(text, "; details=\"");
    if (at) {
        struct slice before = { phrase.ptr, (size_t)(at - phrase.ptr) };

        text_add_escaped(text, before, TEXT_ESCAPE_SF);
        text_add_escaped(text, record->reason_detail, TEXT_ESCAPE_SF);
        phrase = slice_from(phrase, before.len + mark.len);
    }
    text_add_escaped(text, phrase, TEXT_ESCAPE_SF);
    text_add_escaped(text, slice_of(end_phase_text(info->phase, info->hop)), TEXT_ESCAPE_SF);
    if (try && try->explanation.len > 0) {
        text_add_string(text, ": ");
        text_add_escaped(text, try->explanation, TEXT_ESCAPE_SF);
    }
    text_add_string(text, "\"");
}

static int make_proxy_status(const struct exchange_record *record, struct arena *arena,
                             struct slice *ret)
{
    enum persona_proxy_status wanted = record->persona->response.proxy_status;
    struct text text;

    if (wanted == PERSONA_PROXY_STATUS_OFF || record->reason == END_OK)
        return 0;
    text_init(&text, arena);
    add_hop_name(&text, record->hop_name);
    text_add_string(&text, "; error=");
    text_add_string(&text, end_reason_info(record->reason)->token);
    if (wanted == PERSONA_PROXY_STATUS_DETAILS ||
        (wanted == PERSONA_PROXY_STATUS_TRUSTED && record->client_is_trusted)) {
        add_alert(&text, record);
        add_details(&text, record);
    }
    *ret = text_take(&text);
    return ret->ptr ? 0 : -ENOMEM;
}

/* What the configuration says of this answer; 0: nothing. */
static unsigned chosen_status(const struct exchange_record *record)
{
    return record->reason == END_HTTPS_REDIRECT && record->route
               ? record->route->https_redirect_status_code
               : 0;
}

int error_page_make(const struct exchange_record *record, struct arena *arena,
                    struct error_page *ret)
{
    const struct try_record *last = exchange_record_peek_try(record);
    struct error_page page = { .answer = persona_answer_with_status(
                                   record->persona, record->reason, chosen_status(record),
                                   record->was_proxied, last && last->reused) };
    int r;

    if (page.answer.action == PERSONA_PAGE) {
        r = make_content(record, arena, &page);
        if (r == 0)
            r = make_proxy_status(record, arena, &page.proxy_status);
        if (r < 0)
            return r;
    }
    *ret = page;
    return 0;
}
