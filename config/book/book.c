#include "config/book/book.h"

#include <errno.h>
#include <stdlib.h>

#include "config/book/book_priv.h"
#include "config/declarative.h"

/* Above either, everything is read again: it costs hardly more, and what nobody uses is let go. */
enum { UNREAD_SHARE_MAX = 4, UNREAD_ALWAYS = 64, READINGS_MAX = 256 };

struct entity_book *entity_book_create(void)
{
    return calloc(1, sizeof(struct entity_book));
}

static void free_readings(struct entity_book *book, bool only_unused)
{
    struct book_reading **link = &book->readings;

    while (*link) {
        struct book_reading *reading = *link;

        if (only_unused && reading->uses > 0) {
            link = &reading->next;
            continue;
        }
        *link = reading->next;
        book->readings_count--;
        book_reading_free(reading);
    }
}

void entity_book_free(struct entity_book *book)
{
    if (!book)
        return;
    book_page_close(&book->page);
    free_readings(book, false);
    free(book);
}

uint64_t entity_book_version(const struct entity_book *book)
{
    return book->version;
}

/* ---- turning the page ---------------------------------------------------------------------- */

static void count_uses(const struct book_page *page, struct book_reading *readings)
{
    for (struct book_reading *reading = readings; reading; reading = reading->next)
        reading->uses = 0;
    for (int kind = 0; kind < BOOK_KINDS; kind++) {
        const struct book_list *list = &page->lists[kind];
        for (size_t i = 0; i < list->count; i++)
            if (list->pieces[i].reading)
                list->pieces[i].reading->uses++;
    }
}

static void settle_marks(struct book_page *page)
{
    for (int kind = 0; page->unread_count > 0 && kind < BOOK_KINDS; kind++)
        for (size_t i = 0; i < page->lists[kind].count; i++)
            page->lists[kind].pieces[i].is_unread = page->lists[kind].pieces[i].alters_others =
                false;
    page->unread_count = 0;
}

/* Takes the page, and what was read for it, if anything was. Uses are counted. */
static void turn_page(struct entity_book *book, struct book_page *page,
                      struct book_reading *reading)
{
    bool has_changed = page->has_changed || book->version == 0;

    if (reading) {
        reading->next = book->readings;
        book->readings = reading;
        book->readings_count++;
    }
    settle_marks(page);
    book_page_close(&book->page);
    book->page = *page;
    *page = (struct book_page){ 0 };
    book->version += has_changed;
    free_readings(book, true);
}

/* ---- reading ------------------------------------------------------------------------------- */

/* What is unread is read and put beside the rest. Nothing of the book has changed when that fails. */
static int read_page(struct entity_book *book, struct book_page *page, const char *source,
                     struct config **ret, struct config_errors *errors)
{
    struct book_reading *reading = NULL;
    struct config *config = NULL;
    int r = 0;

    if (page->unread_count > 0)
        r = book_read_unread(page, source, &reading, errors);
    if (r == 0 && reading)
        reading->next = book->readings;
    if (r == 0) {
        count_uses(page, reading ? reading : book->readings);
        r = book_assemble(page, reading ? reading : book->readings, source, &config);
    }
    if (r < 0) {
        book_reading_free(reading);
        return r;
    }
    turn_page(book, page, reading);
    *ret = config;
    return 0;
}

/* The quick way, and whether it is one. */
static bool is_worth_it(const struct entity_book *book, const struct book_page *page)
{
    size_t count = 0;

    for (int kind = 0; kind < BOOK_KINDS; kind++)
        count += page->lists[kind].count;
    return book->readings && book->readings_count < READINGS_MAX &&
           page->unread_count <= UNREAD_ALWAYS + count / UNREAD_SHARE_MAX;
}

static int read_changes(struct entity_book *book, struct book_page *page, const char *source,
                        struct config **ret)
{
    struct config_errors ignored; /* told by who reads everything */
    int r;

    config_errors_init(&ignored);
    r = read_page(book, page, source, ret, &ignored);
    config_errors_done(&ignored);
    return r;
}

/* Its parts are not known: next time everything is read again. */
static int read_whole(struct entity_book *book, struct book_page *page, json_t *document,
                      const char *source, struct config **ret, struct config_errors *errors)
{
    int r = config_load_entities(document, source, ret, errors);

    if (r < 0)
        return r;
    book_page_unread(page);
    count_uses(page, book->readings);
    turn_page(book, page, NULL);
    return 0;
}

static int read_anew(struct entity_book *book, struct book_page *page, json_t *document,
                     const char *source, struct config **ret, struct config_errors *errors)
{
    int r = -ENOENT;

    if (page->settings) /* they name entities of any kind */
        return read_whole(book, page, document, source, ret, errors);
    if (is_worth_it(book, page))
        r = read_changes(book, page, source, ret);
    if (r != -ENOENT && r != -EINVAL)
        return r;
    book_page_unread(page);
    r = read_page(book, page, source, ret, errors);
    return r == -ENOENT ? read_whole(book, page, document, source, ret, errors) : r;
}

int entity_book_read(struct entity_book *book, json_t *document, const char *source, uint64_t known,
                     struct config **ret, struct config_errors *errors)
{
    struct book_page page;
    int r = book_page_open(&page, &book->page, document);

    if (r < 0)
        return r;
    if (!page.has_changed && book->version != 0 && book->version == known) {
        count_uses(&page, book->readings);
        turn_page(book, &page, NULL);
        *ret = NULL;
        return 0;
    }
    r = read_anew(book, &page, document, source, ret, errors);
    book_page_close(&page);
    return r;
}
