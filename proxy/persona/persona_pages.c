#include "proxy/persona/persona_pages.h"

#include <stdlib.h>
#include <string.h>

#include "config/file.h"
#include "proxy/persona/persona_priv.h"

enum { TEMPLATE_BYTES_MAX = 1024 * 1024 };

/* A page of the user: the name that it has in personas, its type, and the setting that names its file. */
static const struct user_page {
    const char *name, *media_type, *setting;
    size_t path_offset;
} user_pages[] = {
#define USER_PAGE(page, type)                                                                    \
    {                                                                                            \
#page, (type), "error_template_" #page, offsetof(struct settings, error_template_##page) \
    }
    USER_PAGE(html, "text/html"),
    USER_PAGE(json, "application/json"),
    USER_PAGE(xml, "application/xml"),
    USER_PAGE(plain, "text/plain"),
#undef USER_PAGE
};

enum { USER_PAGES_COUNT = sizeof(user_pages) / sizeof(user_pages[0]) };

/* Pages are the persona's own memory, const only for those who read. */
static struct persona_page *page_named(const struct persona *persona, const char *name)
{
    for (size_t i = 0; i < persona->error_page.pages_count; i++)
        if (strcmp(persona->error_page.pages[i].name, name) == 0)
            return (struct persona_page *)&persona->error_page.pages[i];
    return NULL;
}

/* ---- templates ---- */

/* Lua's string.format as far as a template needs it. */
struct compilation {
    struct template_part *parts; /* room for as many as the text has '%', twice, and one */
    size_t count;
    unsigned placeholders_count;
    const char *mistake;
};

static void add_literal(struct compilation *c, const char *begin, const char *end)
{
    if (end > begin)
        c->parts[c->count++] =
            (struct template_part){ .literal = { begin, (size_t)(end - begin) } };
}

static void add_placeholder(struct compilation *c)
{
    static const enum template_variable variables[] = { TEMPLATE_message, TEMPLATE_request_id };

    if (c->placeholders_count == 2) {
        c->mistake = "has more than two %s: the first is the message, the second the request id; "
                     "write %% for a percent sign";
        return;
    }
    c->parts[c->count++] = (struct template_part){ .variable = variables[c->placeholders_count++] };
}

static void compile(struct compilation *c, const char *text, size_t length)
{
    const char *end = text + length, *percent;

    while (!c->mistake && (percent = memchr(text, '%', (size_t)(end - text)))) {
        bool doubled = percent + 1 < end && percent[1] == '%';

        add_literal(c, text, percent + (doubled ? 1 : 0));
        if (!doubled && percent + 1 < end && percent[1] == 's')
            add_placeholder(c);
        else if (!doubled)
            c->mistake = "has a % that begins neither %s nor %%: write %% for a percent sign";
        text = percent + 2;
    }
    if (!c->mistake)
        add_literal(c, text, end);
}

static size_t percents_in(const char *text, size_t length)
{
    size_t count = 0;

    for (size_t i = 0; i < length; i++)
        count += text[i] == '%';
    return count;
}

/* The text is copied: its parts point into it. */
static void take_template(struct persona *persona, struct persona_page *page, const char *source,
                          size_t length, struct compilation *c)
{
    char *text = persona_allocate(persona, length + 1);

    c->parts = persona_allocate(persona, (2 * percents_in(source, length) + 1) * sizeof(*c->parts));
    if (!text || !c->parts) {
        c->mistake = "out of memory";
        return;
    }
    memcpy(text, source, length);
    compile(c, text, length);
    if (!c->mistake)
        page->body = (struct template){ .parts = c->parts, .count = c->count };
}

static void apply_template(struct persona *persona, const struct settings *settings,
                           const struct user_page *user_page, struct config_errors *errors)
{
    const char *path = *(char *const *)((const char *)settings + user_page->path_offset);
    struct persona_page *page = page_named(persona, user_page->name);
    struct config_place place = settings_place(settings, user_page->setting);
    struct compilation compilation = { 0 };
    struct config_errors found;
    size_t length;
    char *text;
    int r;

    if (!path || !page)
        return;
    config_errors_init(&found);
    r = file_read(path, TEMPLATE_BYTES_MAX, &text, &length, &found);
    config_errors_done(&found);
    if (r < 0) {
        config_errors_add(errors, CONFIG_ERROR, place,
                          "failed reading the custom %s error template '%.200s': %s%s",
                          user_page->name, path, strerror(-r), file_why_refused(path, r));
        return;
    }
    take_template(persona, page, text, length, &compilation);
    free(text);
    if (compilation.mistake)
        config_errors_add(errors, CONFIG_ERROR, place, "the custom %s error template '%.200s' %s",
                          user_page->name, path, compilation.mistake);
}

/* ---- which page without a wish ---- */

static void apply_default_type(struct persona *persona, const struct settings *settings)
{
    for (size_t i = 0; i < USER_PAGES_COUNT; i++)
        if (strcmp(user_pages[i].media_type, settings->error_default_type) == 0 &&
            page_named(persona, user_pages[i].name))
            persona->error_page.handler_page = user_pages[i].name;
}

void persona_apply_pages(struct persona *persona, const struct settings *settings,
                         struct config_errors *errors)
{
    for (size_t i = 0; i < USER_PAGES_COUNT; i++)
        apply_template(persona, settings, &user_pages[i], errors);
    if (settings_is_set(settings, "error_default_type"))
        apply_default_type(persona, settings);
}
