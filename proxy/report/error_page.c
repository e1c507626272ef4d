#include "proxy/report/error_page.h"

#include <errno.h>
#include <string.h>

#include "core/http/http_chars.h"
#include "proxy/report/media_choice.h"
#include "tls/alert.h"

/* ---- which page ---- */

/* Fields that a page may be chosen by: of a head that was not understood, those before the fault. */
static const struct fields *request_fields(const struct exchange_record *record)
{
    return record->request ? &record->request->fields : record->known_fields;
}

static const struct persona_page *page_named(const struct persona_error_page *pages,
                                             const char *name)
{
    for (size_t i = 0; name && i < pages->pages_count; i++)
        if (strcmp(pages->pages[i].name, name) == 0)
            return &pages->pages[i];
    return NULL;
}

static bool is_same_media(const struct persona_error_page *pages, struct slice a, struct slice b)
{
    return pages->select == PERSONA_SELECT_ACCEPT ? slice_equal_nocase(a, b) : slice_equal(a, b);
}

static const struct persona_page *page_for_media(const struct persona_error_page *pages,
                                                 struct slice media)
{
    for (size_t i = 0; i < pages->pages_count; i++)
        for (size_t k = 0; k < pages->pages[i].accept.count; k++)
            if (is_same_media(pages, media, pages->pages[i].accept.items[k]))
                return &pages->pages[i];
    return page_named(pages, pages->default_page);
}

/* The page that is there for values which begin like this, whatever follows; or NULL. */
static const struct persona_page *page_for_beginning(const struct persona_error_page *pages,
                                                     struct slice value)
{
    for (size_t i = 0; i < pages->pages_count; i++)
        if (pages->pages[i].begins && slice_starts_with(value, slice_of(pages->pages[i].begins)))
            return &pages->pages[i];
    return NULL;
}

static const struct persona_page *page_for_fields(const struct persona_error_page *pages,
                                                  const struct fields *fields, enum field_id id)
{
    struct media_choice choice = { 0 };

    for (uint32_t i = 0; i < fields->count; i++)
        if (fields->items[i].id == id)
            media_choice_read(&choice, fields->items[i].value);
    return page_for_media(pages, choice.media);
}

/* Kong's error handler reads one line of a field only (kong/error_handlers.lua). */
static const struct persona_page *page_for_line(const struct persona_error_page *pages,
                                                struct slice value)
{
    const struct persona_page *page = page_for_beginning(pages, value);
    struct media_choice choice = { 0 };

    if (page)
        return page;
    media_choice_read(&choice, value);
    return page_for_media(pages, choice.media);
}

static const struct persona_page *page_of_handler(const struct persona_error_page *pages,
                                                  const struct fields *fields)
{
    enum field_id id = fields_find(fields, FIELD_ACCEPT) ? FIELD_ACCEPT : FIELD_CONTENT_TYPE;
    const struct field *line = fields_find(fields, id);

    if (!line)
        return page_named(pages, pages->handler_page);
    return pages->select == PERSONA_SELECT_ACCEPT ? page_for_fields(pages, fields, id)
                                                  : page_for_line(pages, line->value);
}

static const struct persona_page *page_of_exit(const struct persona_error_page *pages,
                                               const struct fields *fields)
{
    return page_for_fields(pages, fields, FIELD_ACCEPT);
}

static const struct persona_page *choose_page(const struct exchange_record *record,
                                              const struct persona_answer *answer)
{
    const struct persona_error_page *pages = &record->persona->error_page;
    const struct fields *fields = request_fields(record);
    bool exits = answer->negotiation == PERSONA_EXIT;

    if (answer->page)
        return page_named(pages, answer->page);
    if (pages->select == PERSONA_SELECT_DEFAULT)
        return page_named(pages, pages->default_page);
    if (!fields)
        return page_named(pages, exits ? pages->default_page : pages->handler_page);
    return exits ? page_of_exit(pages, fields) : page_of_handler(pages, fields);
}

/* ---- what is on it ---- */

static bool slice_contains(struct slice s, struct slice part)
{
    return s.len >= part.len && memmem(s.ptr, s.len, part.ptr, part.len) != NULL;
}

/* nginx's msie_padding: browsers replaced short error pages by their own. */
static bool needs_padding(const struct exchange_record *record, const struct persona_page *page,
                          unsigned status)
{
    const struct fields *fields = request_fields(record);
    const struct field *agent = fields ? fields_find(fields, FIELD_USER_AGENT) : NULL;

    return (page->padded || record->persona->error_page.padding == PERSONA_PADDING_MSIE) &&
           status >= 400 && agent &&
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
    struct template_scope scope = { .record = record, .answer = &facts };
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
    if (needs_padding(record, page, ret->answer.status))
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
